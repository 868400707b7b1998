"""Who has asked to be in the rooms of a course (`membership.when: on-request` waits for that), or to stay out."""

from __future__ import annotations

from typing import Protocol

from ..domain.model import CourseId, MoodleUserId


class RequestBook(Protocol):
    """The requests. One stands until the person is erased: who enrols anew need not ask again."""

    async def ask(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book that this person wants to be in this course's rooms, and not out of them any more."""
        ...

    async def stay_out(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book that this person wants no place in this course's rooms, until the person asks again."""
        ...

    async def out_of(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who stays out."""
        ...

    async def of_course(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has asked."""
        ...
