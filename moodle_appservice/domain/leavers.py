"""Who has left which course for a known reason, within the last day: safety does not count them.

A reading shows such a reason only once, while it compares with the one before. So whoever keeps facts also keeps this
over a restart: `take_new` gives what is not stored yet, `joined` puts it to what is, `recall` takes that back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .model import CourseId, MoodleUserId

DAY = 86400.0


class KnownLeavers:
    """In memory, by course, with the time of the reading that showed it."""

    def __init__(self, window: float = DAY) -> None:
        self._window = window
        self._left: dict[CourseId, dict[MoodleUserId, float]] = {}
        self._new: dict[CourseId, dict[MoodleUserId, float]] = {}

    def add(self, explained: Mapping[CourseId, Iterable[MoodleUserId]], *, at: float) -> None:
        """A reading at this time (Unix seconds) has shown these; what is older than a day is forgotten."""
        for course_id, users in explained.items():
            self._left.setdefault(course_id, {}).update(dict.fromkeys(users, at))
            self._new.setdefault(course_id, {}).update(dict.fromkeys(users, at))
        self._left = _since(self._left, at - self._window)

    async def of(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has left this course."""
        return frozenset(self._left.get(course_id, ()))

    def take_new(self) -> Mapping[CourseId, Mapping[MoodleUserId, float]]:
        """What has come since this was called last."""
        new, self._new = self._new, {}
        return new

    def joined(
        self, stored: Mapping[str, Any], new: Mapping[CourseId, Mapping[MoodleUserId, float]]
    ) -> dict[str, dict[str, float]]:
        """What is to be stored now. Only what is new is put to it: a person erased meanwhile does not come back."""
        kept = _read(stored)
        for course_id, users in new.items():
            kept.setdefault(course_id, {}).update(users)
        newest = max((when for users in kept.values() for when in users.values()), default=-math.inf)
        return {
            str(course_id): {str(user): when for user, when in users.items()}
            for course_id, users in _since(kept, newest - self._window).items()
        }

    def recall(self, stored: Mapping[str, Any], *, at: float) -> None:
        """Take back what was stored, as far as it is of the last day."""
        self._left = _since(_read(stored), at - self._window)


def _read(stored: Mapping[str, Any]) -> dict[CourseId, dict[MoodleUserId, float]]:
    return {
        CourseId(int(course)): {MoodleUserId(int(user)): float(when) for user, when in users.items()}
        for course, users in stored.items()
    }


def _since(
    left: Mapping[CourseId, Mapping[MoodleUserId, float]], since: float
) -> dict[CourseId, dict[MoodleUserId, float]]:
    kept = {one: {user: when for user, when in users.items() if when > since} for one, users in left.items()}
    return {course_id: users for course_id, users in kept.items() if users}
