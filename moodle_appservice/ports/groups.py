"""By what groups of courses are known again, over restarts and changes of the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..domain.groups import KnownGroup
from ..domain.model import CourseId


class GroupBook(Protocol):
    """The groups of every course, also of those that are gone: a number is never given twice."""

    async def all(self) -> Mapping[CourseId, tuple[KnownGroup, ...]]:
        """Everything that is remembered."""
        ...

    async def save(self, groups: Mapping[CourseId, tuple[KnownGroup, ...]]) -> None:
        """Remember these groups of these courses; groups that are not named stay as they are. One transaction."""
        ...
