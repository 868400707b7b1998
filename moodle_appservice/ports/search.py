"""Looking for people and for lines of the audit log, for those who look after the whole site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import CourseId, MoodleUserId, Standing, UserId
from .journal import AuditRow


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """One person of a search. `reason`: a sentence, or empty; `wanted`: the id that another person has."""

    user_id: MoodleUserId
    name: str
    username: str
    matrix_id: UserId | None
    standing: Standing
    reason: str
    wanted: UserId | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines are wanted; empty and None: all. `words` stand in the sentence, its result or the reference."""

    course_id: CourseId | None = None
    person: MoodleUserId | None = None
    kind: str = ""
    result: str = ""
    """`done`, or `failed` for everything else."""
    words: str = ""


class SearchBook(Protocol):
    """Searches. Each returns one page and how many there are in all."""

    async def people(
        self, words: str, *, trouble: bool, limit: int, offset: int
    ) -> tuple[Sequence[FoundPerson], int]:
        """People whose name, user name, Matrix id or Moodle id fits, by name; `trouble`: without a usable account."""
        ...

    async def audit(self, wanted: AuditFilter, *, limit: int, offset: int) -> tuple[Sequence[AuditRow], int]:
        """Lines of the audit log, the newest first."""
        ...

    async def kinds(self) -> Sequence[str]:
        """Every kind of line that there is."""
        ...
