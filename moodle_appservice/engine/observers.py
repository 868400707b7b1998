"""Several observers as one."""

from __future__ import annotations

from ..domain.model import CourseId
from ..ports import Key, Observer


class Observers:
    """Tells each of them everything."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def looked(self, key: Key, outcome: str, seconds: float) -> None:
        """A look at a key has ended."""
        for one in self._observers:
            one.looked(key, outcome, seconds)

    def acted(self, kind: str, result: str) -> None:
        """An action was carried out or failed."""
        for one in self._observers:
            one.acted(kind, result)

    def asked_moodle(self, function: str, outcome: str, seconds: float) -> None:
        """A function of Moodle was called."""
        for one in self._observers:
            one.asked_moodle(function, outcome, seconds)

    def asked_matrix(self, endpoint: str, outcome: str, seconds: float) -> None:
        """A request to the homeserver has ended."""
        for one in self._observers:
            one.asked_matrix(endpoint, outcome, seconds)

    def counted(self, course_id: CourseId, expected: int) -> None:
        """Places of a course."""
        for one in self._observers:
            one.counted(course_id, expected)

    def forgot(self, course_id: CourseId) -> None:
        """A course has no rooms of ours any more."""
        for one in self._observers:
            one.forgot(course_id)
