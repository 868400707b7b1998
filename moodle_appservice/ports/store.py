"""Our own memory: what must survive a restart. `store/` provides it for SQLite and PostgreSQL alike.

Small books: the ledger (what we did in each room) and the courses are here, the others (the mirror, the people, the
journal, accounts, links, groups, requests) have a module each. Each method is one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.actions import Action
from ..domain.ledger import Ledger
from ..domain.model import CourseId, EventId, MoodleUserId, Role, RoomId, UserId
from ..domain.rooms import RoomKey
from ..domain.rules import Choice
from .accounts import AccountBook
from .audit import AuditBook
from .choices import ChoiceBook
from .counts import CountBook
from .drift import DriftBook
from .endings import EndingBook
from .groups import GroupBook
from .journal import Journal
from .links import LinkBook
from .mirror import UNKNOWN_BEFORE, Before, Mirror, OwnRoom
from .pauses import PauseBook
from .people import PeopleBook
from .personal import PersonalBook
from .readers import ReaderBook
from .relay import RelayBook
from .requests import RequestBook
from .safety import SafetyBook
from .spaces import SpaceBook
from .told import ToldBook


@dataclass(frozen=True, slots=True)
class Done:
    """One action and how it ended, for the books. `error` None = it was carried out."""

    action: Action
    room_id: RoomId
    course_id: CourseId | None
    at: float
    signal: str
    error: str | None = None
    event_id: EventId | None = None
    before: Before = UNKNOWN_BEFORE
    reference: str = ""


class LedgerBook(Protocol):
    """What we did in each room."""

    async def room_of(self, key: RoomKey) -> RoomId | None:
        """The room that a key stands for now, or None."""
        ...

    async def rooms_of(self, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """All rooms of a course, of the newest generation each."""
        ...

    async def generations(self, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """Every room that a course has ever had, the newest too; the keys say of which generation each is."""
        ...

    async def courses(self) -> frozenset[CourseId]:
        """The courses that have rooms."""
        ...

    async def hand_over(self, old: CourseId, new: CourseId) -> None:
        """Let the rooms, choices and groups of a course that is gone be those of one that was restored from it."""
        ...

    async def key_of(self, room_id: RoomId) -> RoomKey | None:
        """Which of our rooms this is; None where it is not one of ours."""
        ...

    async def keys_of(self, room_ids: Collection[RoomId]) -> Mapping[RoomId, RoomKey]:
        """Which of these rooms are ours, of whatever generation; of others nothing is said."""
        ...

    async def course_of(self, room_id: RoomId) -> CourseId | None:
        """The course of which this is a room, or None where it is not one of ours."""
        ...

    async def every(self) -> Mapping[RoomId, RoomKey]:
        """Every room that is ours, those of earlier generations too."""
        ...

    async def read(self, room_id: RoomId) -> Ledger:
        """What we last wrote in a room; empty for an unknown one."""
        ...

    async def read_many(self, room_ids: Sequence[RoomId]) -> Mapping[RoomId, Ledger]:
        """What we last wrote in each of these rooms; empty for an unknown one."""
        ...

    async def record(self, done: Done) -> None:
        """Book one action: audit row, ledger, and what the mirror may already assume. One transaction."""
        ...

    async def adopt(self, room_id: RoomId, key: RoomKey, *, at: float, generation: int = 1) -> None:
        """Book a room that exists already under this key, as the mirror has it."""
        ...

    async def move(self, room_id: RoomId, replacement: RoomId) -> None:
        """A room was replaced by another: all that is booked of it is about that one now."""
        ...

    async def keep_names(self, room_id: RoomId, names: Mapping[str, str]) -> None:
        """What people call the room is kept for as long as we would write these, by `name` and `topic`."""
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

    async def unwanted(self, room_id: RoomId, users: Iterable[UserId], *, at: float = 0.0) -> None:
        """These people do not belong in the room any more: a later enrolment is a new invite.

        Whom the bot has put out without our books knowing gets a line in the audit log, with the time `at`.
        """
        ...

    async def want_again(self) -> None:
        """The homeserver went back in time, so that people whom we removed may be there again: all places count."""
        ...

    async def want_again_in(self, room_id: RoomId, users: Iterable[UserId]) -> None:
        """The places of these people in one room count again."""
        ...

    async def places(self, room_id: RoomId) -> Mapping[UserId, MoodleUserId]:
        """Every account to which we ever gave a place in the room, with the Moodle person."""
        ...

    async def places_in(self, room_ids: Sequence[RoomId]) -> Mapping[RoomId, Mapping[UserId, MoodleUserId]]:
        """Everyone to whom we ever gave a place in each of these rooms."""
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
    idnumber: str = ""
    left_at: float | None = None
    """Since when a course that had been on is off, or gone: Unix seconds."""
    released: bool = False
    """Whether a person, or the policy for courses that are gone, has ended our managing of its rooms."""


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

    async def people(self, course_id: CourseId) -> Mapping[MoodleUserId, frozenset[Role]]:
        """The people of one course with their roles."""
        ...

    async def courses_of(self, user_id: MoodleUserId) -> Mapping[CourseId, frozenset[Role]]:
        """The courses of one person with the roles there."""
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
    def choices(self) -> ChoiceBook: ...
    @property
    def counts(self) -> CountBook: ...
    @property
    def endings(self) -> EndingBook: ...
    @property
    def people(self) -> PeopleBook: ...
    @property
    def groups(self) -> GroupBook: ...
    @property
    def links(self) -> LinkBook: ...
    @property
    def readers(self) -> ReaderBook: ...
    @property
    def requests(self) -> RequestBook: ...
    @property
    def told(self) -> ToldBook: ...
    @property
    def relay(self) -> RelayBook: ...
    @property
    def accounts(self) -> AccountBook: ...
    @property
    def personal(self) -> PersonalBook: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def safety(self) -> SafetyBook: ...
    @property
    def audit(self) -> AuditBook: ...
    @property
    def pauses(self) -> PauseBook: ...
    @property
    def spaces(self) -> SpaceBook: ...
    @property
    def drift(self) -> DriftBook: ...
    @property
    def settings(self) -> Settings: ...
