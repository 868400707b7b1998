"""Digests that all processes of a cluster agree about, made anew only where something has changed."""

from __future__ import annotations

from collections.abc import Callable

from ..domain.digest import digest, lasting
from ..domain.model import Category, CourseFacts, CourseId

Digest = Callable[[CourseFacts, Category | None], int]


class LastingDigests:
    """Remembers, by the cheap digest of this process, the one that others understand."""

    def __init__(self) -> None:
        self._known: dict[CourseId, tuple[int, int]] = {}

    def __call__(self, facts: CourseFacts, category: Category | None) -> int:
        """As `domain.digest.lasting`."""
        cheap, course_id = digest(facts, category), facts.course.id
        known = self._known.get(course_id)
        if known is None or known[0] != cheap:
            known = self._known[course_id] = (cheap, lasting(facts, category))
        return known[1]
