"""The audit log as it is handed out, and how old rows are deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import CourseId, MoodleUserId, RoomId


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line, as it is stored. `person`: an opaque key, None for nobody; `at`: Unix seconds."""

    number: int
    at: float
    course_id: CourseId | None
    room_id: RoomId | None
    person: str | None
    kind: str
    why: str
    signal: str
    result: str
    reference: str

    @property
    def key(self) -> str:
        """What was looked at: `course:42`, a `person` (who it is says the opaque key), or the `site`."""
        if self.course_id is not None:
            return f"course:{self.course_id}"
        return "person" if self.person is not None else "site"


@dataclass(frozen=True, slots=True)
class Limits:
    """Unix seconds: what is older is deleted. `audit` None: nothing of it. `unanswered`: words of messages to us."""

    audit: float | None
    commands: float
    messages: float
    requests: float
    unanswered: float


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind were deleted or, for `words`, blanked."""

    audit: int = 0
    commands: int = 0
    messages: int = 0
    requests: int = 0
    words: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.audit + self.commands + self.messages + self.requests + self.words


class AuditBook(Protocol):
    """Each method is one transaction."""

    async def page(
        self,
        *,
        after: int,
        limit: int,
        since: float = 0.0,
        course_id: CourseId | None = None,
        person: MoodleUserId | None = None,
    ) -> Sequence[AuditLine]:
        """Lines with a number above `after`, oldest first, at most `limit`; of one course or person where given."""
        ...

    async def forget(self, limits: Limits, *, now: float) -> Forgotten:
        """Delete what is older than the limits say."""
        ...
