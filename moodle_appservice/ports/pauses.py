"""What people have paused: the whole site, or single courses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import CourseId


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause. `course_id` None: the whole site. `by`: who, in words or as a Matrix id; `why`: as they said it."""

    course_id: CourseId | None
    since: float
    by: str
    why: str = ""


class PauseBook(Protocol):
    """Pauses survive a restart."""

    async def all(self) -> Sequence[Pause]:
        """Everything that is paused, the whole site first, then by course."""
        ...

    async def of(self, course_id: CourseId | None) -> Pause | None:
        """What pauses this course: the pause of the whole site, else its own, else None."""
        ...

    async def add(self, pause: Pause) -> bool:
        """Pause; False where it was paused already, which is then left as it was."""
        ...

    async def remove(self, course_id: CourseId | None) -> bool:
        """Take one pause away (None: that of the whole site); False where there was none."""
        ...
