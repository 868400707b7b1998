"""Our own memory: what must survive a restart. `store/` provides it for SQLite and PostgreSQL alike.

Five small books: the mirror (what Matrix is, from pushed events), the ledger (what we did in each room), the courses,
the people, and the journal (audit, holds, commands, messages). Each method is one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from ..domain.actions import Action
from ..domain.identity import UNSEEN, FieldSeen
from ..domain.model import (
    ActualRoom,
    CourseId,
    EventId,
    MoodleUserId,
    Person,
    Resolution,
    Role,
    RoomId,
    UserId,
)
from ..domain.plan import Ledger
from ..domain.rules import Choice
from .accounts import AccountBook
from .groups import GroupBook
from .links import LinkBook
from .personal import PersonalBook
from .profile import ToWrite
from .requests import RequestBook
from .world import Event


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pushed batch meant for us beyond the mirror."""

    rooms: Mapping[RoomId, frozenset[str]] = field(default_factory=dict)
    """Rooms of ours in which somebody else than the bot changed something → the types of the events."""
    canaries: frozenset[int] = frozenset()
    commands: tuple[EventId, ...] = ()
    invites: tuple[Event, ...] = ()
    """Invites of the bot to rooms that it did not make."""


@dataclass(frozen=True, slots=True)
class Before:
    """What the mirror knew of one member or state event before a request, so that a later push is not overwritten."""

    event_id: EventId | None
    exists: bool


class Mirror(Protocol):
    """Matrix as the homeserver pushed it. Writes are idempotent per event: duplicates and late ones change nothing."""

    async def take_in(self, events: Sequence[Event]) -> Seen:
        """Store one pushed batch, all of it or nothing, and say what it held for us."""
        ...

    async def replace(self, room_id: RoomId, events: Sequence[Event], *, guard: str) -> None:
        """Overwrite a room by its full state as just read; `guard` from `begin_read` drops what came meanwhile late."""
        ...

    async def begin_read(self) -> str:
        """Call before asking the homeserver for a room's state; hand the answer to `replace`."""
        ...

    async def room(self, room_id: RoomId) -> ActualRoom | None:
        """A room as we know it, or None where the mirror has nothing of it."""
        ...

    async def forget(self, room_id: RoomId) -> None:
        """Drop a room that the homeserver does not have, or that we are not in any more."""
        ...

    async def is_stale(self, room_id: RoomId) -> bool:
        """Whether the room must be read again before the next write to it."""
        ...

    async def mark_stale(self, room_id: RoomId | None = None) -> None:
        """Mark one room, or all, to be read again before the next write."""
        ...

    async def before(self, room_id: RoomId, event_type: str, state_key: str) -> Before:
        """What we know of one member or state event, to be handed back when a request that changes it is booked."""
        ...

    async def find_marked(self, site: str, course_id: CourseId) -> RoomId | None:
        """A room that the bot made and marked for this course, newest generation; for rooms our books lost."""
        ...

    async def joined_with(self, user_id: UserId) -> Sequence[RoomId]:
        """Direct chats: rooms that hold this person and the bot, as recorded by `set_direct`, newest first."""
        ...

    async def set_direct(self, user_id: UserId, room_id: RoomId) -> None:
        """Record a room as the direct chat with this person."""
        ...

    async def direct_partner(self, room_id: RoomId) -> UserId | None:
        """Whose direct chat a room is, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """One action and how it ended, for the books. `error` None = it was carried out."""

    action: Action
    room_id: RoomId
    course_id: CourseId
    at: float
    signal: str
    error: str | None = None
    event_id: EventId | None = None
    before: Before = Before(None, False)
    reference: str = ""


class LedgerBook(Protocol):
    """What we did in each room."""

    async def room_of(self, course_id: CourseId) -> RoomId | None:
        """The room of a course, or None."""
        ...

    async def course_of(self, room_id: RoomId) -> CourseId | None:
        """The course whose room this is, or None where it is not one of ours."""
        ...

    async def read(self, room_id: RoomId) -> Ledger:
        """What we last wrote in a room; empty for an unknown one."""
        ...

    async def record(self, done: Done, *, bot: UserId) -> None:
        """Book one action: audit row, ledger, and what the mirror may already assume. One transaction."""
        ...

    async def adopt(self, room_id: RoomId, course_id: CourseId, *, at: float) -> None:
        """Book a room that exists already as the one of this course."""
        ...

    async def release(self, room_id: RoomId) -> None:
        """Forget that a room is ours (it is gone at the homeserver)."""
        ...

    async def intend(self, room_id: RoomId, users: Mapping[UserId, MoodleUserId]) -> None:
        """These accounts are about to be invited: after a crash it is known that their place is of our making."""
        ...

    async def found(
        self, room_id: RoomId, users: Mapping[UserId, MoodleUserId], *, bans: Iterable[UserId], at: float
    ) -> None:
        """Give a place to people who were found where they belong; `bans`: who of them is banned by the bot."""
        ...

    async def unwanted(self, room_id: RoomId, users: Iterable[UserId]) -> None:
        """These people do not belong in the room any more: a later enrolment is a new invite."""
        ...

    async def want_again(self) -> None:
        """The homeserver went back in time, so that people whom we removed may be there again: all places count."""
        ...

    async def places(self, room_id: RoomId) -> Mapping[UserId, MoodleUserId]:
        """Every account to which we ever gave a place in the room, with the Moodle person."""
        ...

    async def control_room(self) -> RoomId | None:
        """The room of the canary."""
        ...

    async def set_control_room(self, room_id: RoomId) -> None:
        """Record the room of the canary."""
        ...


@dataclass(frozen=True, slots=True)
class CourseRow:
    """What we remember of a course between passes."""

    id: CourseId
    shortname: str
    on: bool
    reason: str
    choice: Choice | None = None
    field_seen: str | None = None
    facts_hash: str = ""
    last_sync: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    gone: bool = False


class CourseBook(Protocol):
    """Courses: switched on or off and why, the last sync, the last error."""

    async def all(self) -> Mapping[CourseId, CourseRow]:
        """Every course that we have ever seen."""
        ...

    async def get(self, course_id: CourseId) -> CourseRow | None:
        """One course, or None where it was never seen."""
        ...

    async def save(self, rows: Sequence[CourseRow]) -> None:
        """Insert or update what the site listing decides; results of syncs are kept."""
        ...

    async def synced(self, course_id: CourseId, *, at: float, error: str = "") -> None:
        """Book the end of a sync: without an error it also clears the last one."""
        ...

    async def set_enrolments(
        self, course_id: CourseId, roles: Mapping[MoodleUserId, frozenset[Role]], *, facts_hash: str
    ) -> None:
        """Remember who is in a course with which roles; the bot's rights come from here."""
        ...

    async def roles(self, course_id: CourseId, user_id: MoodleUserId) -> frozenset[Role] | None:
        """A person's roles in a course; None when not enrolled."""
        ...

    async def courses_of(self, user_id: MoodleUserId) -> Mapping[CourseId, frozenset[Role]]:
        """The courses of one person with the roles there."""
        ...


@dataclass(frozen=True, slots=True)
class PersonRow:
    """What we found out about a Moodle person; `fingerprint` is of the account, and of the rules, as they were then."""

    resolution: Resolution
    fingerprint: str
    username: str = ""
    unusable_since: float | None = None
    """When we first saw that the account is suspended, deleted or can't sign in; None while it is usable."""
    field: FieldSeen = UNSEEN
    looked_at: float | None = None
    """When Moodle last showed us the account; None: never."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was stored, and the people to look at again because of it: displaced ones, and those who want a free id."""

    resolution: Resolution
    look_again: frozenset[MoodleUserId] = frozenset()


class PeopleBook(Protocol):
    """Moodle people and their Matrix ids. Two people never have the same id: the database refuses it."""

    async def look_up(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, PersonRow]:
        """What is known about these people; who was never looked at is absent."""
        ...

    async def by_matrix_id(self, ids: Collection[UserId]) -> Mapping[UserId, MoodleUserId]:
        """The Moodle people behind Matrix ids; strangers are absent."""
        ...

    async def save(
        self,
        person: Person | None,
        resolution: Resolution,
        *,
        at: float,
        fingerprint: str = "",
        field: FieldSeen | None = None,
    ) -> Saved:
        """Store what was found; `person` None where Moodle shows no account. `field` None: as it was.

        Where another person holds that id with less trust, that one loses it. Where with as much or more, the newcomer
        is quarantined: what stood before stays, with the reason.
        """
        ...

    async def unusable(self, since: Mapping[MoodleUserId, float | None]) -> None:
        """Book since when (Unix seconds) these people's Moodle accounts can't be used; None: they can again.

        Who is not known here stays unknown.
        """
        ...

    async def waiting(self) -> Mapping[UserId, MoodleUserId]:
        """Who waits for an account: the id that it will have → the person."""
        ...

    async def blocked(self) -> frozenset[MoodleUserId]:
        """Whose account can't be invited, or may not be taken, by what the homeserver last said of it."""
        ...

    async def names(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """Full names, for answers to people who may see them."""
        ...

    async def exclude(self, user_id: MoodleUserId, *, at: float) -> None:
        """Never make anything for this person again: what stays of somebody who was erased, as a salted hash."""
        ...

    async def excluded(self, user_ids: Collection[MoodleUserId]) -> frozenset[MoodleUserId]:
        """Who of these was erased: not to be resolved, stored, invited or given an account."""
        ...

    async def wrote_field(self, user_id: MoodleUserId, value: str) -> None:
        """Remember what we wrote into the person's profile field, before it is written: it is no source any more."""
        ...

    async def to_write(self, *, everybody: bool) -> Sequence[ToWrite]:
        """Whose id is not what we wrote last; `everybody`: whoever has an id that counts, or had one written."""
        ...

    async def written_fields(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """What we last wrote into the profile fields of these people; where we never did, nothing."""
        ...


@dataclass(frozen=True, slots=True)
class HeldRow:
    """Removals of one course that wait for a person."""

    course_id: CourseId
    room_id: RoomId
    users: frozenset[UserId]
    reason: str
    since: float
    confirmed: bool


class CommandState(StrEnum):
    """A command's way: stored with the push, claimed before it is answered."""

    NEW = "new"
    CLAIMED = "claimed"


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A message to the bot as it was pushed."""

    event_id: EventId
    room_id: RoomId
    sender: UserId
    body: str
    sent_at: float
    thread: EventId | None


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
        self, course_id: CourseId, room_id: RoomId, users: frozenset[UserId], reason: str, *, at: float
    ) -> None:
        """Book removals as held; a confirmation for the same people stays."""
        ...

    async def held(self, course_id: CourseId | None = None) -> Sequence[HeldRow]:
        """What waits, of one course or of all."""
        ...

    async def confirm(self, course_id: CourseId | None = None) -> int:
        """Confirm what is held now, of one course or of all; returns how many courses."""
        ...

    async def clear_hold(self, course_id: CourseId) -> None:
        """Nothing is held for this course any more."""
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

    async def audit(
        self, *, course_id: CourseId | None = None, person: MoodleUserId | None = None, limit: int = 100
    ) -> Sequence[AuditRow]:
        """The newest lines first: all, those of one course, those about one person."""
        ...


class Settings(Protocol):
    """Single values that must survive: the baseline, the canary, the site that this database belongs to."""

    async def get(self, name: str) -> str | None:
        """A value, or None."""
        ...

    async def set(self, name: str, value: str) -> None:
        """Store a value."""
        ...

    async def next_number(self, name: str) -> int:
        """Add one to a counter and return it; starts at 1."""
        ...


class Store(Protocol):
    """All books of one database."""

    @property
    def mirror(self) -> Mirror: ...
    @property
    def ledger(self) -> LedgerBook: ...
    @property
    def courses(self) -> CourseBook: ...
    @property
    def people(self) -> PeopleBook: ...
    @property
    def groups(self) -> GroupBook: ...
    @property
    def links(self) -> LinkBook: ...
    @property
    def requests(self) -> RequestBook: ...
    @property
    def accounts(self) -> AccountBook: ...
    @property
    def personal(self) -> PersonalBook: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def settings(self) -> Settings: ...


JsonObject = Mapping[str, Any]
