"""From a hint of Moodle until the new person is in the room at the homeserver: idle, and during a first sync.

Somebody is enrolled in the sandbox Moodle, in a course whose room is there already, and Moodle hints at that course
(`POST /hooks/moodle`). The clock stops when the homeserver itself shows the person's membership. First nothing else is
to do; then the first sync of all other courses is under way, which keeps the homeserver as busy as it can be. Two ways
of reading: `hybrid` (reports, and for hints the functions for one course) and `reports` alone, where a hint has the
whole site read. The alternative in the same run is the invite by itself (`bare_p50_s`): what the homeserver takes for
it, idle and under the same load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import aiohttp

from bench.installation import DOMAIN, Installation
from bench.sync import ON, at_rest, switch, tell
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University, generate

SECRET = "only-for-this-benchmark-0123456789abcdef"
LOOK_EVERY = 0.02
PATIENCE = 120.0
EARLY = 10
"""Courses with rooms before anything is measured."""
GAP = 11.0
"""Hints at one course count once in ten seconds."""
SINGLE = ("core_enrol_get_enrolled_users", "core_course_get_courses_by_field", "core_user_get_users_by_field")
"""Functions without which a hint has the whole site read."""


class Scene:
    """One installation at a real homeserver. `early`: courses with rooms before anything is measured."""

    def __init__(
        self, home: Installation, synapse: EmbeddedSynapse, university: University, early: Sequence[int]
    ) -> None:
        self.home = home
        self.synapse = synapse
        self.university = university
        self.early = list(early)
        self._rooms: dict[int, str] = {}
        self._new = 0
        self._at = dict.fromkeys(early, -GAP)

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask the homeserver as the bot."""
        headers = {"Authorization": f"Bearer {self.home.token}"}
        url = f"{self.synapse.url}/_matrix/client/v3/{path}"
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def open(self) -> None:
        """Find the rooms."""
        self.session = aiohttp.ClientSession()
        for course in self.early:
            alias = quote(f"#moodle_{self.home.site}_course_{course}:{DOMAIN}")
            status, body = await self.ask("GET", f"directory/room/{alias}")
            if status == 200:
                self._rooms[course] = str(body["room_id"])
        self.early = sorted(self._rooms)
        if not self.early:
            raise RuntimeError(f"there is no room.\n{self.home.log_end()}")

    async def close(self) -> None:
        """No more questions."""
        await self.session.close()

    async def people(self, number: int) -> list[str]:
        """New people with accounts, not enrolled anywhere; their user names."""
        names = [f"late{self._new + one}" for one in range(number)]
        self._new += number
        for name in names:
            await self.synapse.register(name, "a password that nobody uses")
        return names

    async def hinted(self, name: str) -> float:
        """Enrol somebody new, hint, and wait until the homeserver shows it; seconds."""
        course = min(self.early, key=lambda one: self._at[one])
        await asyncio.sleep(max(0.0, self._at[course] + GAP - time.monotonic()))
        person = self.university.add_person(name, "Late", name).id
        began = self._at[course] = time.monotonic()
        self.university.enrol(person, course, "student")
        headers = {"Authorization": f"Bearer {SECRET}"}
        url = f"http://127.0.0.1:{self.home.port}/hooks/moodle"
        async with self.session.post(url, json={"course_id": course}, headers=headers) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"the hint was refused: {answer.status} {await answer.text()}")
        path = f"rooms/{quote(self._rooms[course])}/state/m.room.member/{quote(f'@{name}:{DOMAIN}')}"
        while (await self.ask("GET", path))[0] != 200:
            if time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"{name} is not in the room.\n{self.home.log_end()}")
            await asyncio.sleep(LOOK_EVERY)
        return time.monotonic() - began

    async def bare(self, name: str) -> float:
        """The invite alone, as the bot."""
        room = quote(self._rooms[self.early[0]])
        began = time.monotonic()
        status, body = await self.ask("POST", f"rooms/{room}/invite", {"user_id": f"@{name}:{DOMAIN}"})
        if status != 200:
            raise RuntimeError(f"{status} {body}")
        return time.monotonic() - began


async def one_way(way: str, courses: int, people: int, hints: int) -> dict[str, Any]:
    """All of it with one way of reading."""
    university = generate(EARLY, people)
    switch(university, ON)
    early = sorted(university.courses)
    later = generate(courses, people)
    with tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as folder:
        home = Installation(Path(folder), "latency")
        async with (
            EmbeddedSynapse(server_name=DOMAIN, registrations=[home.registration]) as synapse,
            SandboxMoodle(university) as moodle,
        ):
            if way == "reports":
                service = moodle.site.service
                service.functions = [name for name in service.functions if name not in SINGLE]
            tell(f"Synapse answers at {synapse.url}; making accounts")
            for name in sorted(names_of(university) | names_of(later)):
                await synapse.register(name, "a password that nobody uses")
            hooks: dict[str, dict[str, Any]] = {
                "web": {"hooks": {"secret": SECRET}},
                "moodle": {"source": "reports"},
            }
            home.connect(synapse, moodle, hooks)
            try:
                await home.start_service()
                await home.sync()
                scene = Scene(home, synapse, university, early)
                await scene.open()
                try:
                    return await measured(scene, later, hints)
                finally:
                    await scene.close()
            finally:
                await asyncio.to_thread(home.stop)


def names_of(university: University) -> set[str]:
    """Everybody who is in a course."""
    now = university.now()
    return {
        person.username for person in university.people.values() if any(university.courses_of(person.id, now))
    }


def grow(university: University, later: University) -> None:
    """A term begins: all courses of the other one, with its people by their names."""
    known = {person.username: person.id for person in university.people.values()}
    category = min(university.categories)
    for course in later.courses.values():
        made = university.add_course(f"LATER-{course.shortname}", course.fullname, category)
        for number, user in enumerate(later.enrolled(course.id)):
            name = later.people[user].username
            if name not in known:
                known[name] = university.add_person(name, "Stu", name).id
            university.enrol(known[name], made.id, "student" if number else "editingteacher")


async def measured(scene: Scene, later: University, hints: int) -> dict[str, Any]:
    """Idle, then under load."""
    names = await scene.people(4 * hints)
    await at_rest(scene.synapse)
    bare_idle = [await scene.bare(names.pop()) for _ in range(hints)]
    idle = [await scene.hinted(names.pop()) for _ in range(hints)]
    tell(f"idle: {[round(one, 2) for one in idle]}")
    grow(scene.university, later)
    syncing = asyncio.create_task(scene.home.sync())
    load: list[float] = []
    bare_load: list[float] = []
    while len(load) < hints and not syncing.done():
        await asyncio.sleep(0.5)
        load.append(await scene.hinted(names.pop()))
        bare_load.append(await scene.bare(names.pop()))
        tell(f"load: {load[-1]:.2f} s, the invite alone {bare_load[-1]:.2f} s")
    was_busy = not syncing.done()
    syncing.cancel()
    await asyncio.wait([syncing])
    return {
        "idle_p50_s": round(median(idle), 3),
        "idle_p95_s": round(p95(idle), 3),
        "load_p50_s": round(median(load), 3) if load else None,
        "load_p95_s": round(p95(load), 3) if load else None,
        "hints_under_load": len(load),
        "busy_to_the_end": was_busy,
        "bare_p50_s": round(median(bare_idle), 3),
        "bare_load_p50_s": round(median(bare_load), 3) if bare_load else None,
    }


def p95(values: Sequence[float]) -> float:
    """Within which 95 of 100 are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


async def measure(courses: int, people: int, hints: int, ways: Sequence[str]) -> dict[str, Any]:
    """The whole run."""
    result: dict[str, Any] = {"bench": "latency", "courses": courses, "people": people, "hints": hints}
    for way in ways:
        result[way] = await one_way(way, courses, people, hints)
        tell(f"{way}: {result[way]}")
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="From a hint to the room; see README.md.")
    parser.add_argument("--courses", type=int, default=60)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--hints", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=["hybrid", "reports"], default=["hybrid", "reports"])
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.courses, options.people, options.hints, options.ways))))


if __name__ == "__main__":
    main()
