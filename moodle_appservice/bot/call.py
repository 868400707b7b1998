"""One command on its way: who asks, where, about which course, and what the one who answers may use."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from ..domain.rules import Rules
from ..engine.linking import Linking
from ..engine.operations import Operations
from ..engine.staff import is_staff
from ..ports import Clock, Messenger, Store
from .render import Answer


@dataclass(frozen=True, slots=True)
class Desk:
    """What every command may use."""

    operations: Operations
    linking: Linking
    messenger: Messenger
    store: Store
    rules: Rules
    clock: Clock
    prefix: str


@dataclass(frozen=True, slots=True)
class Call:
    """One command. `course_id` is the course of the room in which it was written; None in a direct chat."""

    desk: Desk
    event_id: EventId
    room_id: RoomId
    sender: UserId
    person: MoodleUserId | None
    course_id: CourseId | None
    thread: EventId | None
    words: tuple[str, ...]

    @property
    def is_direct(self) -> bool:
        """Whether only the bot and the person read the answer."""
        return self.course_id is None

    async def answer(self, answer: Answer, *, part: str = "answer") -> None:
        """Answer where the question was asked."""
        key = f"{self.event_id}:{part}"
        await self.desk.messenger.notice(self.room_id, answer.text, answer.html, key=key, thread=self.thread)

    async def answer_privately(self, answer: Answer, *, part: str = "private") -> None:
        """Answer in the direct chat, wherever the question was asked."""
        if self.is_direct:
            await self.answer(answer, part=part)
        else:
            await self.desk.messenger.direct(
                self.sender, answer.text, answer.html, key=f"{self.event_id}:{part}"
            )

    async def react(self, emoji: str) -> None:
        """A reaction on the command itself."""
        await self.desk.messenger.react(self.room_id, self.event_id, emoji, key=f"{self.event_id}:{emoji}")

    async def is_staff(self, course_id: CourseId) -> bool:
        """Whether the person's roles *in this course* make them staff there."""
        if self.person is None:
            return False
        roles = await self.desk.store.courses.roles(course_id, self.person)
        return roles is not None and is_staff(roles, self.desk.rules)

    async def staffed_courses(self) -> list[CourseId]:
        """The courses in which the person is staff."""
        if self.person is None:
            return []
        courses = await self.desk.store.courses.courses_of(self.person)
        return sorted(course for course, roles in courses.items() if is_staff(roles, self.desk.rules))
