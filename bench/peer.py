"""What Moodle core's own Matrix provider sends for the same changes, against what we send.

Ours is counted: the whole service against the sandbox Moodle and a homeserver that counts (`counting.py`). Theirs was
measured at a real Moodle 4.4 with its provider (requests of its tasks, by its own client) and is reckoned here by the
formulas that those measurements gave; each change is reckoned for the same course and people.

| change | Moodle core, requests |
|---|---|
| a new course with n people | 3 n + 4 (account, all members of the room, join; room, avatar, levels read and written) |
| nothing | 1 for each course that is saved again |
| k people leave | 8 k |
| k people come, one after the other | k (k + 1) / 2 visits of people, about 2.1 requests each; 2 for levels each time |
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.accounts import post
from bench.counting import CountingHomeserver
from bench.installation import Installation
from bench.sync import tell
from moodle_appservice.demo.sandbox import SandboxMoodle, University


def theirs(people: int, leave: int, come: int) -> dict[str, int]:
    """Requests of Moodle core's provider."""
    return {
        "new_course": 3 * people + 4,
        "nothing": 1,
        "leave": 8 * leave,
        "come": round(2.1 * come * (come + 1) / 2) + 2 * come,
    }


class Ours:
    """The service at a counting homeserver."""

    def __init__(self, home: Installation, homeserver: CountingHomeserver) -> None:
        self._home = home
        self._homeserver = homeserver

    async def requests(self, change: Callable[[], None]) -> int:
        """Change something in Moodle, have it looked at; how many requests into rooms that took, the canary aside."""
        await self._homeserver.drained()
        before = self._count()
        change()
        told = await post("http://bench/sync", {}, socket=self._home.folder / "run.sock")
        if told["failures"]:
            raise RuntimeError(f"{told}\n{self._home.log_end()}")
        return self._count() - before

    def _count(self) -> int:
        return sum(
            number
            for name, number in self._homeserver.requests.items()
            if "canary" not in name and "ping" not in name
        )


def changes_in(
    university: University, people: int, leave: int, come: int
) -> Mapping[str, Callable[[], None]]:
    """A course and its people, and by name what is to happen to it, in this order."""
    university.add_category("Department", id=2)
    everybody = [university.add_person(f"p{number}", "Stu", f"Dent {number}").id for number in range(people)]
    late = [university.add_person(f"late{number}", "Stu", f"Late {number}").id for number in range(come)]
    course = university.add_course("C1", "Course 1", 2)

    def fill() -> None:
        for number, person in enumerate(everybody):
            university.enrol(person, course.id, "student" if number else "editingteacher")

    def nothing() -> None:
        """Nothing changes."""

    def go() -> None:
        for person in everybody[-leave:]:
            university.unenrol(person, course.id)

    def arrive() -> None:
        for person in late:
            university.enrol(person, course.id, "student")

    return {"new_course": fill, "nothing": nothing, "leave": go, "come": arrive}


async def measure(people: int, leave: int, come: int) -> dict[str, Any]:
    """The whole run."""
    university = University()
    changes = changes_in(university, people, leave, come)
    with tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as folder:
        home = Installation(Path(folder), "peer")
        homeserver = CountingHomeserver.of(home)
        async with SandboxMoodle(university) as moodle, homeserver:
            relaxed: dict[str, dict[str, Any]] = {"safety": {"max_removals_share": 1.0, "max_shrink": 1.0}}
            home.connect_to(homeserver.url, moodle, relaxed)
            try:
                await home.start_program(Path(__file__).with_name("measured.py"), socket="run.sock")
                ours = Ours(home, homeserver)
                counted = {name: await ours.requests(change) for name, change in changes.items()}
            finally:
                await asyncio.to_thread(home.stop)
    core = theirs(people, leave, come)
    tell(f"ours {counted}, Moodle core {core}")
    return {
        "bench": "peer",
        "people": people,
        "leave": leave,
        "come": come,
        "ours": counted,
        "moodle_core": core,
        "ratio": {name: round(core[name] / max(1, counted[name]), 2) for name in core},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Requests, against Moodle core's provider; see README.md.")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--leave", type=int, default=10)
    parser.add_argument("--come", type=int, default=30)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.people, options.leave, options.come))))


if __name__ == "__main__":
    main()
