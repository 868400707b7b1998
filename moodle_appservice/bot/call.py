"""One command on its way: who asks, where, how they read, and what the one who answers may use.

A command's `where` decides in which room its answers stand. What is not fit for where it was asked goes to the direct
chat, and a reaction says so in the room.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum

from ..domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from ..engine.readers import Reader
from ..engine.staff import is_staff
from ..errors import AppError
from .command import Arguments, Command, Where
from .desk import Desk
from .reading import Said
from .render import Answer

EYES, DONE, FAILED, LETTER = "👀", "✅", "❌", "📩"
BETWEEN_EDITS = 2.0
Sent = tuple[RoomId, EventId]
"""A message of ours: in which room, and which."""


class Told(Exception):
    """The person was told why nothing was done; nothing more is to be said."""


class Kind(Enum):
    """What a room is to the bot."""

    DIRECT = "direct chat"
    COURSE = "room that students read"
    STAFF = "staff room"
    MANAGEMENT = "management room"

    @property
    def is_discreet(self) -> bool:
        """Whether names, dates and reasons may stand there."""
        return self is not Kind.COURSE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command was written. `course_id`: the course whose room it is."""

    kind: Kind
    room_id: RoomId
    course_id: CourseId | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One command. `person`: who of Moodle's people the sender is. `agreed`: the one-time word was given."""

    desk: Desk
    command: Command
    said: Said
    arguments: Arguments
    event_id: EventId
    place: Place
    sender: UserId
    person: MoodleUserId | None
    reader: Reader
    thread: EventId | None
    reference: str
    agreed: bool = False

    # How it is answered

    @property
    def is_direct(self) -> bool:
        """Whether it was written in the direct chat."""
        return self.place.kind is Kind.DIRECT

    @property
    def may_name(self) -> bool:
        """Whether names, dates and reasons may stand in an answer."""
        return self.command.where is not Where.HERE or self.place.kind.is_discreet

    async def answer(self, answer: Answer, *, part: str = "answer") -> Sent:
        """Answer where this command's answers may stand."""
        if not self._is_fit(self.place.kind):
            sent = await self.answer_privately(answer, part=part)
            await self.react(LETTER)
            return sent
        room_id, key = self.place.room_id, f"{self.event_id}:{part}"
        messenger = self.desk.messenger
        return room_id, await messenger.notice(room_id, answer.text, answer.html, key=key, thread=self.thread)

    async def answer_privately(self, answer: Answer, *, part: str = "private") -> Sent:
        """Answer in the direct chat, wherever it was asked."""
        room_id = await self._chat()
        thread = self.thread if self.is_direct else None
        key, messenger = f"{self.event_id}:{part}", self.desk.messenger
        return room_id, await messenger.notice(room_id, answer.text, answer.html, key=key, thread=thread)

    async def refuse(self, message: str, **values: object) -> Told:
        """Say in the direct chat why nothing is done: `raise await call.refuse(…)`."""
        await self.answer_privately(
            Answer().line(self.reader.language.gettext(message, **values)), part="refusal"
        )
        return Told()

    async def react(self, emoji: str) -> None:
        """A reaction on the command itself."""
        await self.desk.messenger.react(
            self.place.room_id, self.event_id, emoji, key=f"{self.event_id}:{emoji}"
        )

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Progress]:
        """Long work: eyes at once, at the end a tick or a cross."""
        await self.react(EYES)
        try:
            yield Progress(self)
        except AppError:
            await self.react(FAILED)
            raise
        await self.react(DONE)

    async def agree(self, plan: Answer) -> None:
        """Go on only with the one-time word: without it the plan and the word are told, and `Told` is raised."""
        if self.agreed:
            return
        word = self.desk.pending.ask(self.sender, self, self.desk.clock.now())
        _ = self.reader.language.gettext
        prefix = (
            "" if self.place.kind is Kind.DIRECT or not self._is_fit(self.place.kind) else self.desk.prefix
        )
        plan.line(_("To do it, write `{prefix}yes {word}` within ten minutes.", prefix=prefix, word=word))
        await self.answer(plan, part="plan")
        raise Told

    def _is_fit(self, kind: Kind) -> bool:
        match self.command.where:
            case Where.HERE:
                return True
            case Where.DISCREET:
                return kind.is_discreet
            case Where.DIRECT:
                return kind is Kind.DIRECT

    async def _chat(self) -> RoomId:
        if self.is_direct:
            return self.place.room_id
        return await self.desk.chats.open(self.sender)

    def about(self, course: str) -> Call:
        """The same command, about this course."""
        return replace(self, arguments=Arguments({}, course=course))

    # Who asks

    @property
    def known(self) -> MoodleUserId:
        """The Moodle person who asks, for a command that only such people may use."""
        assert self.person is not None
        return self.person

    async def is_admin(self) -> bool:
        """Whether the person looks after the whole site."""
        return self.desk.permissions.has(person=self.person, account=self.sender)

    async def is_staff(self, course_id: CourseId) -> bool:
        """Whether the person's roles *in this course* make them staff there, or they look after the whole site."""
        if await self.is_admin():
            return True
        if self.person is None:
            return False
        roles = await self.desk.store.courses.roles(course_id, self.person)
        return roles is not None and is_staff(roles, self.desk.rules)

    async def courses(self) -> list[CourseId]:
        """The courses in which the person is."""
        return [] if self.person is None else sorted(await self.desk.store.courses.courses_of(self.person))

    async def staffed_courses(self) -> list[CourseId]:
        """The courses in which the person is staff; every course of those who look after the whole site."""
        if await self.is_admin():
            return sorted(row.id for row in (await self.desk.store.courses.all()).values() if not row.gone)
        if self.person is None:
            return []
        courses = await self.desk.store.courses.courses_of(self.person)
        return sorted(course for course, roles in courses.items() if is_staff(roles, self.desk.rules))


class Progress:
    """One message that is edited while the work goes on, never more often than every two seconds.

    `seconds`: a clock that goes on by itself.
    """

    def __init__(self, call: Call, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._seconds = seconds
        self._sent: Sent | None = None
        self._number = 0
        self._last = float("-inf")

    async def tell(self, answer: Answer) -> None:
        """How far it is; left out where the last word is too fresh."""
        now = self._seconds()
        if now - self._last < BETWEEN_EDITS:
            return
        self._last = now
        await self._put(answer)

    async def end(self, answer: Answer) -> None:
        """The last word, in the place of how far it was."""
        if self._sent is None:
            await self._call.answer(answer)
            return
        await self._put(answer)

    async def _put(self, answer: Answer) -> None:
        messenger = self._call.desk.messenger
        self._number += 1
        if self._sent is None:
            self._sent = await self._call.answer(answer, part="progress")
            return
        room_id, event_id = self._sent
        key = f"{self._call.event_id}:edit{self._number}"
        await messenger.edit(room_id, event_id, answer.text, answer.html, key=key)
