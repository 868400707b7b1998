"""What of the section `rooms` says which rooms a course has, and what may differ in a category or a course.

`Structure` are the keys for the whole site. `Different` are those that `rooms.categories` and `rooms.courses` may name
again; a key that is not named there is as above. `KindSettings` are the few things that differ by the kind of a room.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ..domain.identity import split_user_id
from ..domain.rooms import RoomKind
from ..domain.rules import DEFAULT_KINDS
from ..problems import either, wrong
from .section import Section
from .values import ROOM_PLACEHOLDERS, Duration, RoomTemplate, placeholders

KINDS = tuple(str(kind) for kind in RoomKind if kind.is_of_course)
KIND_PLACEHOLDERS = ROOM_PLACEHOLDERS | {"group"}
_POWERS = frozenset({"ban", "events_default", "invite", "kick", "redact", "state_default", "users_default"})


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise wrong(
            f"is a regular expression that can't be read ({error})",
            'Write it as Python\'s re has it, such as "Lab .*"; ".*" means every group.',
        ) from None
    return value


def _kind_template(value: str) -> str:
    placeholders(value, KIND_PLACEHOLDERS)
    return value


def _matrix_id(value: str) -> str:
    if split_user_id(value) is None:
        raise wrong("is not a Matrix id", "Write it as @anna:example.org.")
    return value


def _of_category(value: object) -> object:
    """Ids are numbers; YAML and the environment may give them as text."""
    if not isinstance(value, Mapping):
        return value
    for key in value:
        if not str(key).isascii() or not str(key).isdigit() or int(str(key)) < 1:
            raise wrong(f"names {key!r}, which is no id", "Write ids as Moodle shows them, such as 12.")
    return {str(key): inner for key, inner in value.items()}


def _kinds(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    unknown = sorted(str(key) for key in value if str(key) not in KINDS)
    if unknown:
        raise wrong(f"names a kind of room that does not exist: {unknown[0]}", f"Use {either(KINDS)}.")
    merged: dict[str, Any] = {}
    for kind in KINDS:
        given, usual = value.get(kind, {}), DEFAULT_KINDS.get(RoomKind(kind))
        default = {"name": usual.name_template, "topic": usual.topic_template} if usual else {}
        merged[kind] = {**default, **given} if isinstance(given, Mapping) else given
    return merged


def _powers(value: Mapping[str, int]) -> Mapping[str, int]:
    unknown = sorted(set(value) - _POWERS)
    if unknown:
        raise wrong(f"names a power that does not exist: {unknown[0]}", f"Use {either(sorted(_POWERS))}.")
    return value


_OTHER_NAMES = {"name": "name_template", "topic": "topic_template"}
"""Keys of the configuration whose field in `Rules` is called otherwise."""
Level = Annotated[int, Field(ge=0, le=99)]
Expressions = tuple[Annotated[str, AfterValidator(_expression)], ...]
KindTemplate = Annotated[str, AfterValidator(_kind_template)]
MatrixId = Annotated[str, AfterValidator(_matrix_id)]
Layout = Literal["room", "space"]
Invited = Literal["space", "space+main", "all"]
JoinRule = Literal["invite", "restricted", "knock_restricted"]
Calls = Literal["all", "staff", "off"]
Moderators = Literal["staff", "teachers"]
History = Literal["shared", "invited", "joined"]


class KindSettings(Section):
    """What differs in rooms of one kind."""

    name: KindTemplate = ""
    topic: KindTemplate = ""
    levels: Mapping[str, Level] = Field(default={})
    powers: Annotated[Mapping[str, Level], AfterValidator(_powers)] = Field(default={})


class Different(Section):
    """What is different in a category, with all below it, or in a course. None: as above."""

    layout: Layout | None = None
    announcements: bool | None = None
    staff: bool | None = None
    groups: Expressions | None = None
    groupings: tuple[str, ...] | None = None
    invite: Invited | None = None
    name: RoomTemplate | None = None
    topic: RoomTemplate | None = None
    avatar: bool | None = None
    calls: Calls | None = None
    moderators: Moderators | None = None
    history_visibility: History | None = None
    join_rule: JoinRule | None = None
    encryption: bool | None = None
    retention: Duration | None = None
    strict: bool | None = None
    members_may_invite: bool | None = None


Differences = Annotated[Mapping[str, Different], BeforeValidator(_of_category)]
Kinds = Annotated[Mapping[str, KindSettings], BeforeValidator(_kinds)]


class Structure(Section):
    """Which rooms a course has."""

    layout: Layout = Field(
        default="room",
        description="room: a course has one room and nothing else. space: a course has a space with its rooms in it.",
    )
    announcements: bool = Field(
        default=False,
        description="With layout space: a room in which the staff write, and all read and react.",
    )
    staff: bool = Field(default=False, description="With layout space: a room for the staff alone.")
    groups: Expressions = Field(
        default=(),
        description='With layout space: regular expressions such as "Lab .*". A group whose whole name fits one of '
        "them gets a room; empty: none. Groups that Moodle hides never get one.",
    )
    groupings: tuple[str, ...] = Field(
        default=(),
        description="Names of groupings. If there are any, only groups in one of them get rooms.",
    )
    all_groups_roles: tuple[str, ...] = Field(
        default=("manager", "editingteacher"),
        description="Roles by short name whose holders are in the rooms of all groups.",
    )
    invite: Invited = Field(
        default="space+main",
        description="Where people in a course space are invited to: space, space+main or all. The other rooms let "
        "everybody in who is in the space. Staff rooms and rooms of separate groups always invite.",
    )
    avatar: bool = Field(
        default=False,
        description="Whether the picture of the course in Moodle is that of its space and main room. Needs “Can "
        "download files” in the service of the token.",
    )
    strict: bool = Field(
        default=False,
        description="Whether names that were changed in a room are changed back, and people whom this service did not "
        "invite are removed. off: both stay.",
    )
    members_may_invite: bool = Field(
        default=False, description="Whether every member may invite others. off: level 50 and above."
    )
    extra_members: Mapping[MatrixId, Level] = Field(
        default={},
        description="Matrix ids, such as those of moderation bots, that are never removed, each with its level.",
    )
    additional_creators: tuple[MatrixId, ...] = Field(
        default=(),
        description="Matrix ids that get the same power as the bot in new rooms of version 12, for ever: it can't be "
        "taken back.",
    )
    encryption: bool = Field(
        default=False,
        description="Whether new rooms are encrypted. It can't be switched off again, and the bot reads no commands "
        "there.",
    )
    retention: Duration | None = Field(
        default=None,
        description="How long messages are kept, such as 400 days, for homeservers that honour m.room.retention. "
        "Empty: nothing is said.",
    )
    kinds: Kinds = Field(
        default={},
        description="What differs by the kind of a room: name, topic (templates that also know {group}), levels of "
        "roles, powers (keys of m.room.power_levels). Kinds: space, main, announcements, staff, group; "
        "the names of the last three are made of {shortname} and Announcements, Staff or {group} if nothing is said.",
    )
    categories: Differences = Field(
        default={},
        description="What is different in a category and all below it, by its id, such as {12: {layout: space}}. Keys "
        "that may differ: layout, announcements, staff, groups, groupings, invite, name, topic, avatar, calls, "
        "moderators, history_visibility, join_rule, encryption, retention, strict, members_may_invite.",
    )
    courses: Differences = Field(default={}, description="The same for single courses, by their id.")


def differs(given: Different) -> Mapping[str, Any]:
    """Fields of `Rules` that are different in a category or a course."""
    values: dict[str, Any] = {}
    for key in sorted(given.model_fields_set):
        value = getattr(given, key)
        if value is not None:
            values[_OTHER_NAMES.get(key, key)] = frozenset(value) if key == "groupings" else value
    return values
