"""What a pass costs when nothing has changed: no request to Matrix, hardly a query, little processor time.

A counting homeserver (`counting.py`) stands for Synapse. The service makes the rooms of all courses there; whatever
comes of a request is pushed to its real transaction endpoint, so that the mirror is filled as it always is. Then
everybody joins, and passes over the unchanged site are counted: one right after a restart, which looks at every course
once, and several after that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.accounts import post
from bench.counting import CountingHomeserver
from bench.installation import Installation
from bench.sync import ON, switch, tell
from moodle_appservice.demo.sandbox import SandboxMoodle, generate

PASSES = 3


class Steady:
    """One installation with its homeserver."""

    def __init__(self, home: Installation, homeserver: CountingHomeserver, courses: int) -> None:
        self._home = home
        self._homeserver = homeserver
        self._courses = courses

    async def start(self) -> None:
        """Start the service."""
        await self._home.start_program(Path(__file__).with_name("measured.py"), socket="run.sock")

    async def ask(self, what: str) -> Mapping[str, Any]:
        """Ask the service."""
        return await post(f"http://bench/{what}", {}, socket=self._home.folder / "run.sock")

    async def look(self, what: str = "pass") -> dict[str, Any]:
        """One pass: what it took of everything."""
        requests, canary = self._homeserver.tell(), self._homeserver.requests["GET canary"]
        before = await self.ask("figures")
        took = await self.ask(what)
        after = await self.ask("figures")
        queries = after["queries"] - before["queries"]
        return {
            "wall_s": round(took["wall_s"], 3),
            "cpu_s": round(after["cpu_s"] - before["cpu_s"], 3),
            "matrix_requests": self._homeserver.tell() - requests,
            "canary_requests": self._homeserver.requests["GET canary"] - canary,
            "queries": queries,
            "queries_per_course": round(queries / self._courses, 4),
            "rss_mb": round(after["rss_mb"], 1),
        }


async def measure(courses: int, people: int, source: str, database: str) -> dict[str, Any]:
    """The whole run."""
    with tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as folder:
        home = Installation(Path(folder), "steady")
        homeserver = CountingHomeserver.of(home)
        university = generate(courses, people)
        switch(university, ON)
        async with SandboxMoodle(university) as moodle, homeserver:
            top = {"database": database} if database else {}
            home.connect_to(homeserver.url, moodle, {"moodle": {"source": source}}, **top)
            steady = Steady(home, homeserver, courses)
            try:
                await steady.start()
                first = await filled(steady, homeserver)
                await asyncio.to_thread(home.stop)
                await steady.start()
                restarted = await steady.look()
                unchanged = [await steady.look() for _ in range(PASSES)]
            finally:
                await asyncio.to_thread(home.stop)
    return {
        "bench": "steady",
        "courses": courses,
        "people": people,
        "source": source,
        "rooms": len(homeserver.rooms),
        "pushed_transactions": homeserver.pushes,
        "matrix_requests": max(one["matrix_requests"] for one in unchanged),
        "canary_requests": max(one["canary_requests"] for one in unchanged),
        "queries_per_course": max(one["queries_per_course"] for one in unchanged),
        "cpu_s": median(one["cpu_s"] for one in unchanged),
        "wall_s": median(one["wall_s"] for one in unchanged),
        "rss_mb": max(one["rss_mb"] for one in unchanged),
        "first_sync": first,
        "after_restart": restarted,
    }


async def filled(steady: Steady, homeserver: CountingHomeserver) -> dict[str, Any]:
    """Have everything made, then let everybody join."""
    first = await steady.look("sync")
    tell(f"first sync: {first}")
    for room_id, room in homeserver.rooms.items():
        for (kind, user), event in list(room.state.items()):
            if kind == "m.room.member" and event["content"]["membership"] == "invite":
                homeserver.event(room_id, kind, user, {"membership": "join"}, user)
    await homeserver.drained()
    await steady.look("sync")
    return first


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Passes over an unchanged site; see README.md.")
    parser.add_argument("--courses", type=int, default=1000)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--source", choices=["reports", "courses"], default="reports")
    parser.add_argument("--database", default="", help="postgres://…; SQLite where it is left out")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.courses, options.people, options.source, options.database))))


if __name__ == "__main__":
    main()
