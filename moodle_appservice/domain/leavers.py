"""Who has left which course for a known reason, within the last day: safety does not count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .model import CourseId, MoodleUserId

DAY = 86400.0


class KnownLeavers:
    """Kept in memory: after a start it is not known any more who had a reason, so who leaves then counts."""

    def __init__(self, window: float = DAY) -> None:
        self._window = window
        self._left: dict[CourseId, dict[MoodleUserId, float]] = {}

    def add(self, explained: Mapping[CourseId, Iterable[MoodleUserId]], *, at: float) -> None:
        """A reading at this time (Unix seconds) has shown these; what is older than a day is forgotten."""
        for course_id, users in explained.items():
            self._left.setdefault(course_id, {}).update(dict.fromkeys(users, at))
        for course_id in list(self._left):
            kept = {user: when for user, when in self._left[course_id].items() if at - when < self._window}
            if kept:
                self._left[course_id] = kept
            else:
                del self._left[course_id]

    async def of(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has left this course."""
        return frozenset(self._left.get(course_id, ()))
