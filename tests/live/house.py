"""A whole installation for a live test: the worker's homeserver, a sandbox Moodle and the service between them.

`house` (see `conftest`) is one that nobody else has used: its own seat at the homeserver, its own folder, database and
Moodle. The service is not started yet; a test starts, stops and starts it again as it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from moodle_appservice.demo import house as files
from moodle_appservice.demo.access_log import LoggedRequest
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.demo.sandbox.records import ProfileField
from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.operations import SyncReport
from moodle_appservice.service import Service
from tests.live.homeserver import Seat

PATIENCE = 90.0


def small_university(courses: int = 2, people: int = 4) -> University:
    """Courses `C1`, `C2`, … with one teacher and students; usernames are `t1` and `s1`, `s2`, …"""
    university = University()
    university.add_category("Department", id=2)
    university.profile_fields["matrixid"] = ProfileField("matrixid", "Matrix ID")
    teachers = [
        university.add_person(f"t{number}", "Tea", f"Cher {number}").id for number in range(1, courses + 1)
    ]
    students = [
        university.add_person(f"s{number}", "Stu", f"Dent {number}").id for number in range(1, people)
    ]
    for number in range(1, courses + 1):
        course = university.add_course(f"C{number}", f"Course number {number}", 2)
        university.enrol(teachers[number - 1], course.id, "editingteacher")
        for student in students:
            university.enrol(student, course.id, "student")
    return university


def crowd(university: University) -> list[int]:
    """Twenty more students in course 2."""
    people = [university.add_person(f"x{number}", "X", f"Y {number}").id for number in range(20)]
    for person in people:
        university.enrol(person, 2, "student")
    return people


@dataclass
class House:
    """One installation. `overrides` are sections of the configuration, to be set before `service()`."""

    synapse: EmbeddedSynapse
    seat: Seat
    moodle: SandboxMoodle
    folder: Path
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)
    running: Service | None = None

    def config(self) -> Path:
        """The configuration file, written anew."""
        return files.write_config(
            self.folder,
            site=self.seat.site,
            moodle_url=self.moodle.url,
            moodle_token=self.moodle.token,
            homeserver_url=self.synapse.url,
            domain=self.synapse.server_name,
            port=self.seat.port,
            registration_file=str(self.seat.path),
            overrides=self.overrides,
            **self.top,
        )

    def service(self) -> Service:
        """A service that is not started."""
        return Service(*files.read(self.config()))

    async def start(self, *, timer: bool = False) -> Service:
        """A started service; `stop` or the end of the test stops it."""
        service = self.service()
        await service.start(timer=timer)
        self.running = service
        return service

    async def stop(self) -> None:
        """Stop the service, if it runs."""
        if self.running is not None:
            await self.running.stop()
            self.running = None

    async def sync(self, course: int | None = None, *, confirm: bool = False) -> SyncReport:
        """A pass of the running service, to its end."""
        assert self.running is not None
        return await self.running.operations.sync(
            None if course is None else CourseId(course), confirm=confirm
        )

    def sent_since(self, mark: int) -> list[LoggedRequest]:
        """What the bot has asked of the homeserver since, without the look at what it wrote last."""
        return [
            request
            for request in self.synapse.requests_by(self.seat.sender, mark)
            if not request.is_look_at_newest
        ]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        user_id: str | None = None,
        body: Any = None,
    ) -> Any:
        """Ask the homeserver as the bot, or with another token; returns the JSON, whatever the status."""
        headers = {"Authorization": f"Bearer {token or self.seat.as_token}"}
        params = {"user_id": user_id} if user_id else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, f"{self.synapse.url}{path}", headers=headers, params=params, json=body
            ) as response,
        ):
            return await response.json()

    async def room_of(self, course: int) -> str:
        """The room behind the alias of a course, as the homeserver has it; empty where there is none."""
        alias = quote(f"#moodle_{self.seat.site}_course_{course}:{self.synapse.server_name}")
        answer = await self.ask("GET", f"/_matrix/client/v3/directory/room/{alias}")
        return str(answer.get("room_id", ""))

    async def state(self, course: int) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The whole state of a course's room at the homeserver: (type, key) → content."""
        room_id = quote(await self.room_of(course))
        events = await self.ask("GET", f"/_matrix/client/v3/rooms/{room_id}/state")
        return {(event["type"], event["state_key"]): event["content"] for event in events}

    async def members(self, course: int) -> dict[str, str]:
        """Membership by user id at the homeserver, without the bot."""
        return {
            key: str(content["membership"])
            for (event_type, key), content in (await self.state(course)).items()
            if event_type == "m.room.member" and key != self.seat.sender
        }

    def mxid(self, localpart: str) -> str:
        """A Matrix id on this homeserver."""
        return f"@{localpart}:{self.synapse.server_name}"


async def until(condition: Callable[[], Awaitable[bool]], what: str, *, patience: float = PATIENCE) -> None:
    """Wait for a condition; fails with what was waited for."""
    try:
        async with asyncio.timeout(patience):
            while not await condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {patience:.0f} s: {what}") from None
