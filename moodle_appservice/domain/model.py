"""The nouns of both worlds, as frozen values.

Moodle's side: `Course`, `Category`, `Group`, `Person` and `Enrolment` say what is; a `CourseFacts` is everything
that decides one course at one moment. Matrix's side: `Desired*` is what should be, `Actual*` what the mirror knows.
Times are Unix seconds (UTC); 0 in Moodle ("no date") is None here. Ids are distinct types, so that a course id
can't be handed where a user id is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NewType

CourseId = NewType("CourseId", int)
CategoryId = NewType("CategoryId", int)
GroupId = NewType("GroupId", int)
MoodleUserId = NewType("MoodleUserId", int)
RoomId = NewType("RoomId", str)
RoomAlias = NewType("RoomAlias", str)
UserId = NewType("UserId", str)
"""A Matrix user id, `@localpart:domain`."""
EventId = NewType("EventId", str)
Role = NewType("Role", str)
"""The short name of a Moodle role: `editingteacher`, `student`, or an institution's own."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


_LONGEST_NUMBER = 18
"""Digits: one more need not fit into the 64 bits that Moodle and the databases have."""


def user_number(words: str) -> MoodleUserId | None:
    """The Moodle user id that somebody has written; None where it is no number that one could be."""
    number = words.strip()
    is_one = number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER
    return MoodleUserId(int(number)) if is_one else None


def nothing() -> Mapping[Any, Any]:
    """The empty mapping, as a default of a field."""
    return NOTHING


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """Who we are talking to (`core_webservice_get_site_info`). `functions` are those that our token may call."""

    url: str
    name: str
    release: str
    user_id: MoodleUserId
    functions: frozenset[str]
    downloads: bool = False
    """Whether the service of our token may download files."""

    @property
    def version(self) -> tuple[int, int]:
        """`(4, 3)` from “4.3.2+ (Build: …)”, a release far in the future where it can't be read."""
        parts = self.release.split(".")
        try:
            return int(parts[0]), int("".join(letter for letter in parts[1][:2] if letter.isdigit()))
        except (IndexError, ValueError):
            return (999, 0)


@dataclass(frozen=True, slots=True)
class Category:
    """A course category; `path` holds the ids from the top down to itself. `idnumber` is empty if not shown."""

    id: CategoryId
    name: str
    parent: CategoryId | None
    path: tuple[CategoryId, ...]
    sort_order: int
    visible: bool = True
    idnumber: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """A course as its listing shows it. `custom_fields`: short name → text as a person reads it, set or default.

    `custom_field_types` gives Moodle's type of each of them (`select`, `checkbox`, `text`, `textarea`, …).
    Names are plain text: unescaped once, without tags, spaces collapsed.
    """

    id: CourseId
    shortname: str
    fullname: str
    category_id: CategoryId
    visible: bool
    start: float | None = None
    end: float | None = None
    idnumber: str = ""
    sort_order: int = 0
    group_mode: int = 0
    custom_fields: Mapping[str, str] = field(default_factory=nothing)
    custom_field_types: Mapping[str, str] = field(default_factory=nothing)
    image: str = ""
    """Where Moodle's file server has the picture of the course, its time behind it; empty where there is none."""
    own_room_url: str = ""
    """`communicationroomurl`: a room that Moodle itself made for this course; empty where there is none."""


class GroupVisibility(StrEnum):
    """Who may see in Moodle that a group exists and who is in it (`visibility`, since Moodle 4.2)."""

    ALL = "all"
    MEMBERS = "members"
    OWN = "own"
    """Each member sees the own membership only."""
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a course, hidden ones too: whether it may have a room says `groups.may_have_room`.

    `id` is ours and never changes: Moodle's number where we first met the group by it, else a number below zero.
    `participation` is None where it is not known; `groupings` are names, as far as they are known.
    """

    id: GroupId
    name: str
    idnumber: str = ""
    moodle_id: int | None = None
    visibility: GroupVisibility = GroupVisibility.UNKNOWN
    participation: bool | None = None
    groupings: frozenset[str] = frozenset()
    ambiguous: bool = False
    """Two groups of the course have this key, so that it is not known who is in which."""

    @property
    def key(self) -> str:
        """What tells the group from the others of its course: Moodle's id where readable, else idnumber, else name."""
        if self.moodle_id is not None:
            return f"id:{self.moodle_id}"
        return f"idnumber:{self.idnumber}" if self.idnumber else f"name:{self.name}"


@dataclass(frozen=True, slots=True)
class Person:
    """A Moodle account's own state (`core_user_get_users_by_field`), whatever course it is in."""

    id: MoodleUserId
    username: str
    full_name: str
    suspended: bool
    confirmed: bool
    auth: str
    email: str = ""
    idnumber: str = ""
    language: str = ""
    timezone: str = ""
    """An IANA name, or `99` for that of Moodle's server; empty where it is not known."""
    profile_fields: Mapping[str, str] = field(default_factory=nothing)
    """Short name → raw value; only fields that are set and that our token may read."""
    picture: str | None = None
    """Where Moodle's file server has the person's own picture, the revision in it: `100/user/icon/f3?rev=30`.

    Empty: the person has none. None: we were not told, or did not ask. No room depends on it.
    """

    @property
    def usable(self) -> bool:
        """Whether the person behind this account could sign in to Moodle at all."""
        return not self.suspended and self.confirmed and self.auth != "nologin"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One person's active place in one course: the union of all methods, roles and groups."""

    user_id: MoodleUserId
    roles: frozenset[Role]
    groups: frozenset[GroupId] = frozenset()


@dataclass(frozen=True, slots=True)
class CourseFacts:
    """All that decides one course. `read_at` is when Moodle was asked.

    `people` may lack somebody whose account Moodle does not show: the state of that account is unknown.
    """

    course: Course
    enrolments: tuple[Enrolment, ...]
    people: Mapping[MoodleUserId, Person]
    groups: tuple[Group, ...]
    read_at: float
    inherited: Mapping[MoodleUserId, frozenset[Role]] = field(default_factory=dict)
    """Who holds which roles from above: in a category of the course, or in the whole site. Not all are enrolled."""


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """The complete listing of courses and categories, never a partial one, without Moodle's front page (course 1)."""

    site: SiteInfo
    categories: Mapping[CategoryId, Category]
    courses: Mapping[CourseId, Course]
    read_at: float
    unreadable: frozenset[CourseId] = frozenset()
    """Courses that exist, but that our token may only see from the outside: not in `courses`, and not gone."""


class Membership(StrEnum):
    """Matrix membership of a person in a room (client-server API, `m.room.member`); NONE = no event at all."""

    NONE = "none"
    INVITE = "invite"
    JOIN = "join"
    LEAVE = "leave"
    BAN = "ban"
    KNOCK = "knock"


class Trust(StrEnum):
    """How sure we are that a Matrix id belongs to a Moodle person, from the least to the most."""

    DERIVED = "derived"
    DIRECTORY = "directory"
    PROVEN = "proven"

    @property
    def rank(self) -> int:
        """A number to compare by: the surer, the higher."""
        return list(Trust).index(self)


class Standing(StrEnum):
    """Whether the account behind a Matrix id may be invited now."""

    READY = "ready"
    WAITING = "waiting"
    """There is no such account yet; the person is on the waiting list."""
    BLOCKED = "blocked"
    """The homeserver has deactivated, suspended or locked the account: an invite would lead nowhere."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says about a person: an id with a degree of trust, or a reason why it gives none."""

    matrix_id: UserId | None
    trust: Trust = Trust.DERIVED
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the person key found out about one Moodle person: an id, or the reason why there is none.

    Only an id whose `standing` is READY is invited. `virtual_id` holds the person's place as long as that is not so;
    None where there are no virtual users.
    """

    user_id: MoodleUserId
    matrix_id: UserId | None
    trust: Trust | None
    reason: str = ""
    """Why nobody is invited for this person; where somebody is, a remark (such as what was not believed) or empty."""
    standing: Standing = Standing.READY
    virtual_id: UserId | None = None
    wanted: UserId | None = None
    """The id that another person holds, or whose account is not to be taken: as soon as that ends, it is this one's."""

    @property
    def invitable(self) -> UserId | None:
        """The id to invite, None where there is none or its account can't be invited now."""
        return self.matrix_id if self.standing is Standing.READY else None


@dataclass(frozen=True, slots=True)
class ActualMember:
    """One `m.room.member` as the mirror has it; `sender` tells who caused it (leave by the person = left by choice)."""

    membership: Membership
    sender: UserId | None = None
    admitted: bool = False
    """Joined without an invite, as a member of another room that the join rules name (a restricted join)."""
    declined: bool = False
    """Has refused the invite and was not in the room; False too where nobody can tell any more."""


@dataclass(frozen=True, slots=True)
class ActualRoom:
    """A room as the mirror has it. `state`: (type, state key) → content, without members."""

    room_id: RoomId
    version: str
    creator: UserId
    state: Mapping[tuple[str, str], Mapping[str, Any]]
    members: Mapping[UserId, ActualMember]
    senders: Mapping[tuple[str, str], UserId] = field(default_factory=dict, compare=False)
    """(type, state key) → who wrote what stands there, as far as it is known."""

    def content(self, event_type: str, state_key: str = "") -> Mapping[str, Any]:
        """Content of a state event; empty when the room has none."""
        return self.state.get((event_type, state_key), NOTHING)
