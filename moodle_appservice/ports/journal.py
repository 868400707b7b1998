"""Holds, commands, sent messages and the audit log.

A hold is what one cause keeps back in one room, or above rooms; a confirmation is for exactly its users. A
command is stored with the push that brings it (`Mirror.take_in`) and claimed once, whichever process answers it.
A message is known by the key under which it was sent, so that it is not sent again. A line of the audit log knows
its person by `person` alone and can be made to name nobody. Handing out and deleting lines is in `audit`, looking
for them in `search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.holds import Cause
from ..domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId


@dataclass(frozen=True, slots=True)
class HeldRow:
    """What of one cause waits for a person in one room; `room_id` empty: above rooms, then `course_id` may be 0."""

    course_id: CourseId
    room_id: RoomId
    users: frozenset[str]
    reason: str
    since: float
    confirmed: bool
    cause: Cause = Cause.REMOVALS


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A message to the bot as it was pushed. `encrypted`: it can't be read, and its `body` is empty."""

    event_id: EventId
    room_id: RoomId
    sender: UserId
    body: str
    sent_at: float
    thread: EventId | None
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit log. `person`: whom it is about; None for nobody, or for somebody who was erased."""

    at: float
    course_id: CourseId | None
    room_id: RoomId | None
    person: MoodleUserId | None
    kind: str
    why: str
    signal: str
    result: str
    reference: str


class Journal(Protocol):
    """Holds, commands, sent messages and the audit log."""

    async def hold(
        self,
        course_id: CourseId,
        room_id: RoomId,
        users: frozenset[str],
        reason: str,
        *,
        at: float,
        cause: Cause = Cause.REMOVALS,
    ) -> None:
        """Book what is held; a confirmation for the same users stays."""
        ...

    async def held(self, course_id: CourseId | None = None) -> Sequence[HeldRow]:
        """What waits, of one course or of all."""
        ...

    async def confirm(
        self, course_id: CourseId | None = None, *, rows: Sequence[HeldRow] | None = None
    ) -> int:
        """Confirm what is held now, of one course or of all, or just these rows; returns how many courses.

        With `rows`: all of them as they are, or none where one has changed since (then 0).
        """
        ...

    async def clear_hold(
        self, room_id: RoomId, cause: Cause | None = None, *, course_id: CourseId | None = None
    ) -> None:
        """Nothing is held in this room any more, of this cause or of any; without a room: in this course."""
        ...

    async def claim_command(self, event_id: EventId) -> CommandRow | None:
        """Take a new command, once: None when it was taken before."""
        ...

    async def new_commands(self, *, sent_after: float) -> Sequence[EventId]:
        """Commands nobody has claimed yet, oldest first."""
        ...

    async def message(self, key: str) -> EventId | None:
        """The event that was sent under this key, or None."""
        ...

    async def sent(self, key: str, event_id: EventId) -> None:
        """Remember that a message was sent."""
        ...

    async def note(
        self,
        kind: str,
        *,
        at: float,
        why: str,
        result: str = "done",
        person: MoodleUserId | None = None,
        course_id: CourseId | None = None,
        room_id: RoomId | None = None,
        signal: str = "",
        reference: str = "",
    ) -> None:
        """A line of the audit log about something that is no action in a room: a refusal, a quarantine, an account.

        `kind` is a word such as `LinkRefused`; `why` and `result` are sentences that name nobody (the person is known
        by `person`): no Matrix id, user name or Moodle id stands in them.
        """
        ...

    async def counts(self, *, since: float) -> Mapping[str, int]:
        """How many lines of each kind were written since (Unix seconds), of what was done."""
        ...

    async def audit(
        self, *, course_id: CourseId | None = None, person: MoodleUserId | None = None, limit: int = 100
    ) -> Sequence[AuditRow]:
        """The newest lines first: all, those of one course, those about one person."""
        ...
