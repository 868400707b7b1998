"""What is counted while we work: whoever works tells an observer, and knows nothing of what becomes of it.

No method waits or raises, so that counting never changes what is done.
"""

from __future__ import annotations

from typing import Protocol

from ..domain.model import CourseId
from .queue import Key


class Observer(Protocol):
    """Told of everything that is worth a number. `seconds`: how long it took."""

    def looked(self, key: Key, outcome: str, seconds: float) -> None:
        """A look at a key has ended: `done`, `more`, `waiting`, `temporary` or `permanent`."""
        ...

    def acted(self, kind: str, result: str) -> None:
        """An action was carried out (`done`) or failed (`failed`); `kind` is its name, such as `Invite`."""
        ...

    def asked_moodle(self, function: str, outcome: str, seconds: float) -> None:
        """A function of Moodle was called; `outcome` is `ok` or the name of the error."""
        ...

    def asked_matrix(self, endpoint: str, outcome: str, seconds: float) -> None:
        """A request to the homeserver has ended; `outcome` is HTTP's status, or `unreachable`.

        `endpoint` has no ids in it, such as `PUT rooms/state/m.room.power_levels`.
        """
        ...

    def counted(self, course_id: CourseId, expected: int) -> None:
        """At the last look, so many places there should be in the rooms of one course."""
        ...

    def forgot(self, course_id: CourseId) -> None:
        """A course has no rooms of ours any more, or is off."""
        ...


class Unobserved:
    """Nobody counts."""

    def looked(self, key: Key, outcome: str, seconds: float) -> None:
        """Not counted."""

    def acted(self, kind: str, result: str) -> None:
        """Not counted."""

    def asked_moodle(self, function: str, outcome: str, seconds: float) -> None:
        """Not counted."""

    def asked_matrix(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Not counted."""

    def counted(self, course_id: CourseId, expected: int) -> None:
        """Not counted."""

    def forgot(self, course_id: CourseId) -> None:
        """Not counted."""


UNOBSERVED = Unobserved()
