"""What people have chosen for a course: further rooms, a name, a reset; the last word on each setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..domain.model import CourseId


@dataclass(frozen=True, slots=True)
class Chosen:
    """One choice: a JSON value, by which way it came, and when (Unix seconds).

    `by`: `bot`, `page`, `moodle field`, `element` or `command line`; the person stands in the audit log alone.
    """

    value: Any
    by: str
    at: float


class ChoiceBook(Protocol):
    """The choices of people, by course and setting. The settings that there are: see `domain.choices`."""

    async def of(self, course_id: CourseId) -> Mapping[str, Chosen]:
        """Every setting of one course on which somebody has had a word."""
        ...

    async def everywhere(self, setting: str) -> Mapping[CourseId, Chosen]:
        """One setting in every course in which somebody has had a word on it."""
        ...

    async def choose(self, course_id: CourseId, setting: str, chosen: Chosen | None) -> None:
        """Book the last word on a setting; None: as the site, from now on."""
        ...
