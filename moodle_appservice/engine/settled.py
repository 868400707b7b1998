"""Which courses are as they should be, and by which facts: what a pass need not look at again.

A course is settled when a look at it ended with nothing left to do, held or put aside. It stays so until its facts
change; whatever happens to its room in Matrix is pushed to us and makes it due by itself. Kept in memory, so the first
pass after a start looks at everything.
"""

from __future__ import annotations

from ..domain.model import CourseId


class Settled:
    """Course → digest of the facts by which it was settled."""

    def __init__(self) -> None:
        self._by: dict[CourseId, int] = {}

    def settle(self, course_id: CourseId, digest: int) -> None:
        """All is as it should be by these facts."""
        self._by[course_id] = digest

    def unsettle(self, course_id: CourseId) -> None:
        """Something is to be done, or may be."""
        self._by.pop(course_id, None)

    def unsettle_all(self) -> None:
        """Nothing can be relied upon: look at everything."""
        self._by.clear()

    def is_settled(self, course_id: CourseId, digest: int) -> bool:
        """Whether a look at the course, by these facts, would find nothing to do."""
        return self._by.get(course_id) == digest

    def is_restless(self, course_id: CourseId) -> bool:
        """Whether something is to be done, or may be, whatever the facts are."""
        return course_id not in self._by
