"""The demo's story: what a teacher and two students do at their Matrix clients, and what Moodle's changes do to them.

Each step acts as a person or presses a button on the sandbox's page, waits until the homeserver shows what should
follow, and only then gives the sentence to print. A step whose result does not show raises, so no sentence is printed
that was not seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from ..domain.markers import alias_of
from ..domain.model import RoomId, UserId
from ..domain.rooms import main_room
from .actor import Actor
from .cast import PASSWORD, Cast, Part
from .screen import Screen
from .stage import Stage
from .trouble import LONGEST_STEP, NotSeen, within
from .witness import Witness


@dataclass(frozen=True, slots=True)
class Seen:
    """What a step has shown. `seconds` where only a part of the step is what counts."""

    text: str
    details: Sequence[str] = ()
    seconds: float | None = None


class Story:
    """Use as a context, then `play`."""

    def __init__(self, stage: Stage, witness: Witness, cast: Cast, screen: Screen) -> None:
        self._stage = stage
        self._witness = witness
        self._cast = cast
        self._screen = screen
        self._bot: UserId = stage.service.rules.bot
        self._teacher = self._actor(cast.teacher)
        self._student = self._actor(cast.student)
        self._newcomer = self._actor(cast.newcomer)
        self._browser = aiohttp.ClientSession()
        self._room_id = self._chat = RoomId("")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as exits:
            exits.push_async_callback(self._browser.close)
            for actor in (self._teacher, self._student, self._newcomer):
                exits.push_async_callback(actor.close)

    async def play(self) -> None:
        """All steps in order. Raises `NotSeen` at the first whose result does not show."""
        alias = alias_of(main_room(self._cast.course_id), self._stage.service.rules)
        async with within(LONGEST_STEP, f"the room {alias}"):
            self._room_id = (await self._witness.rooms())[alias]
        for what, step in (
            ("an answer of the bot to the teacher's !status", self._teacher_asks),
            ("the student in the room after accepting the invite", self._student_accepts),
            ("an invite for the newly enrolled student", self._enrolled),
            ("the removal of the student who is not enrolled any more", self._unenrolled),
            ("an answer of the bot to the teacher's !sync", self._teacher_syncs),
            ("the teacher's announcement in the room", self._announced),
        ):
            began = time.monotonic()
            async with within(LONGEST_STEP, what):
                seen = await step()
            seconds = time.monotonic() - began if seen.seconds is None else seen.seconds
            self._screen.step(seen.text, seconds, seen.details)

    async def _teacher_asks(self) -> Seen:
        await self._teacher.log_in(PASSWORD)
        self._chat = await self._teacher.open_chat(self._bot)
        await self._teacher.greeting(self._chat)
        answer = await self._teacher.ask(self._chat, "!status")
        return Seen(
            f"{self._teacher.name}, a teacher, opens a chat with the bot and asks: !status", _short(answer)
        )

    async def _student_accepts(self) -> Seen:
        student, room_id = self._student, self._room_id
        await student.log_in(PASSWORD)
        await student.until_in(room_id, "invite")
        invited_to = student.room_name(room_id)
        await student.join(room_id)
        await student.until_in(room_id, "join")
        await self._homeserver_says(student.user_id, "join")
        if not invited_to or student.room_name(room_id) != invited_to:
            raise NotSeen(f"the room's name in the invite ({invited_to!r}) and in the room")
        return Seen(
            f"{student.name}, a student, logs in, finds the invite, accepts it and is in:", (invited_to,)
        )

    async def _enrolled(self) -> Seen:
        newcomer = self._newcomer
        await newcomer.log_in(PASSWORD)
        if self._room_id in newcomer.membership:
            raise NotSeen(f"{newcomer.name} outside of the room before the enrolment")
        changed = time.monotonic()
        await self._press("enrol", role="student")
        await newcomer.until_in(self._room_id, "invite")
        seconds = time.monotonic() - changed
        await self._homeserver_says(newcomer.user_id, "invite")
        return Seen(
            f"{newcomer.name} is enrolled in Moodle: the invite is there after {seconds:.1f} s", (), seconds
        )

    async def _unenrolled(self) -> Seen:
        newcomer = self._newcomer
        await newcomer.join(self._room_id)
        await newcomer.until_in(self._room_id, "join")
        changed = time.monotonic()
        await self._press("unenrol")
        await newcomer.until_in(self._room_id, "leave")
        seconds = time.monotonic() - changed
        await self._homeserver_says(newcomer.user_id, "leave")
        return Seen(
            f"{newcomer.name} accepts, is unenrolled in Moodle, and out of the room after {seconds:.1f} s",
            (),
            seconds,
        )

    async def _teacher_syncs(self) -> Seen:
        answer = await self._teacher.ask(self._chat, "!sync")
        return Seen(f"{self._teacher.name} asks for a look at the course right now: !sync", _short(answer))

    async def _announced(self) -> Seen:
        shelf, subject = self._stage.sandbox.activities, "The exam is on Monday"
        changed = time.monotonic()
        text = "<p>At <b>ten</b>, in room 101.</p>"
        shelf.announce(self._cast.course_id, self._cast.teacher.moodle_id, subject, text)
        told = await self._student.until_told(self._room_id, subject)
        seconds = time.monotonic() - changed
        return Seen(
            f"{self._teacher.name} posts an announcement in Moodle: {self._student.name} reads it in the room after "
            f"{seconds:.1f} s",
            tuple(line for line in told[:4] if line),
            seconds,
        )

    async def _press(self, button: str, **fields: str) -> None:
        """Do for the newcomer what a visitor does on the course's page."""
        address = f"{self._stage.sandbox.url}/course/{self._cast.course_id}/{button}"
        form = {"user": str(self._cast.newcomer.moodle_id), **fields}
        async with self._browser.post(address, data=form, allow_redirects=False) as answer:
            if answer.status != 303:
                raise NotSeen(f"the sandbox's page doing {button!r} (it answered {answer.status})")

    async def _homeserver_says(self, user: UserId, membership: str) -> None:
        found = (await self._witness.memberships(self._room_id)).get(user)
        if found != membership:
            raise NotSeen(f"{user} with the membership {membership!r} (the homeserver says {found!r})")

    def _actor(self, part: Part) -> Actor:
        return Actor(part.name, part.matrix_id, self._stage.synapse.url)


def _short(answer: Sequence[str]) -> tuple[str, ...]:
    """The bot's answer in few lines: list entries share one."""
    entries = [line.removeprefix("• ") for line in answer if line.startswith("• ")]
    return (
        *(line for line in answer if not line.startswith("• ")),
        *([" · ".join(entries)] if entries else ()),
    )
