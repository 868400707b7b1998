"""What becomes of courses whose rooms are not to go on: one row for each, the newest ending that was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..domain.ending import Ending
from ..domain.model import CourseId, UserId


@dataclass(frozen=True, slots=True)
class EndingRow:
    """One ending. `why`: a sentence that names nobody; `named`: who is to administer released rooms.

    `done_at`: Unix seconds, None while it is not carried out. `is_policy`: it follows from rules and the clock; else a
    person has decided it.
    """

    course_id: CourseId
    ending: Ending
    why: str
    booked_at: float
    named: tuple[UserId, ...] = ()
    done_at: float | None = None
    is_policy: bool = True


class EndingBook(Protocol):
    """The endings of courses."""

    async def all(self) -> Mapping[CourseId, EndingRow]:
        """Every ending that was decided."""
        ...

    async def get(self, course_id: CourseId) -> EndingRow | None:
        """The ending of one course."""
        ...

    async def book(self, row: EndingRow) -> None:
        """Decide one, in place of an earlier one of the same course."""
        ...

    async def done(self, course_id: CourseId, *, at: float) -> None:
        """It was carried out."""
        ...

    async def drop(self, course_id: CourseId) -> None:
        """The course goes on."""
        ...
