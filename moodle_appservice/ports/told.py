"""What a person was told once and need not be told again."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from ..domain.model import CourseId, MoodleUserId

NO_COURSE = CourseId(0)


class Way(StrEnum):
    """What was told, and how."""

    WELCOME = "welcome"
    """What the bot is, in the first direct chat; of no course."""
    CHAT = "chat"
    """That the course's chat is ready, in the direct chat."""
    MOODLE = "moodle"
    """The same, as a message inside Moodle."""


class ToldBook(Protocol):
    """Books before it is told: after a crash in between somebody is told nothing rather than twice."""

    async def claim(
        self, user_id: MoodleUserId, way: Way, course_id: CourseId = NO_COURSE, *, at: float
    ) -> bool:
        """Whether the person was not told this yet; if so, it is booked as told. `at`: Unix seconds."""
        ...
