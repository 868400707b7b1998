"""Who has asked to be in the room of a course: what `membership.when: on-request` waits for."""

from __future__ import annotations

from typing import Protocol

from ..domain.model import CourseId, MoodleUserId


class RequestBook(Protocol):
    """The requests. One stands until the person is erased: who enrols anew need not ask again."""

    async def ask(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book that this person wants to be in this course's room."""
        ...

    async def of_course(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has asked."""
        ...
