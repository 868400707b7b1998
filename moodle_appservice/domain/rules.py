"""What an institution has decided, as values: the settings that the pure part needs, and nothing else.

The composition root builds one `Rules` from the configuration. `Choice` is the last explicit decision of a person
about one course (the Moodle field, the bot, a page); it outranks every default, and only the admin's deny outranks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from .drift import DriftRules
from .model import (
    Category,
    CategoryId,
    Claim,
    Course,
    CourseId,
    MoodleUserId,
    Person,
    Role,
    RoomAlias,
    Trust,
    UserId,
    nothing,
)
from .rooms import RoomKind
from .space_rules import SpaceRules

DEFAULT_LEVELS: Mapping[Role, int] = MappingProxyType(
    {Role("manager"): 60, Role("editingteacher"): 60, Role("teacher"): 50, Role("student"): 0}
)


class AccountMode(StrEnum):
    """Where the accounts come from of people whose Matrix id we know."""

    MAP_ONLY = "map-only"
    """From elsewhere; who has none yet is on the waiting list."""
    EXPECT_SSO = "expect-sso"
    """From the first sign-in: the id is invited before its account exists."""
    CREATE = "create"
    """From us, by the homeserver's admin API."""
    VIRTUAL = "virtual"
    """From elsewhere; meanwhile a virtual user of ours holds the place."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A replacement in what the id template is filled with: `pattern` is a regular expression, searched everywhere."""

    pattern: str
    replacement: str


@dataclass(frozen=True, slots=True)
class OwnRule:
    """An institution's own rule, from an entry point: a pure function that knows nothing but the person."""

    name: str
    find: Callable[[Person], Claim | None]


SAME_DIRECTORY = frozenset({"manual", "ldap", "cas", "db", "shibboleth", "saml2", "oidc"})
"""Moodle's `auth` methods that ask a directory, or an administrator: nobody chooses the own user name."""


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """How a Moodle person becomes a Matrix id, by degree of trust; see `identity`.

    `template` and `external_id` know {username}, {idnumber}, {email}, {email_localpart}, {domain} and
    {profile_<short name>}. `sso_provider` is the homeserver's name of the identity provider, empty for none.
    """

    profile_field: str = ""
    field_is_locked: bool = False
    """Whether people can't change the profile field themselves: only then is what it says believed."""
    locked_since: float | None = None
    """Unix seconds: only values set since then are believed; None: all."""
    template: str = "@{username}:{domain}"
    rewrite: tuple[Rewrite, ...] = ()
    same_directory_auth: frozenset[str] = SAME_DIRECTORY
    """Moodle's `auth` methods whose user names are the homeserver's too: for the others nothing is derived."""
    by_email: bool = False
    sso_provider: str = ""
    external_id: str = "{username}"
    trust_for_moderators: Trust = Trust.DIRECTORY
    reserved: frozenset[str] = frozenset()
    allowed_domains: frozenset[str] = frozenset()
    """Homeservers beside our own whose accounts people may have; `*` = all."""
    own_rules: tuple[OwnRule, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What is done about the account behind a Matrix id."""

    mode: AccountMode = AccountMode.EXPECT_SSO
    wait_for_account: bool = False
    """In `expect-sso`: invite only once the account exists."""
    login: str = "sso"
    """In `create`: how people sign in, `sso` or `password`."""
    hand_out_password: bool = False
    name_template: str = "{full_name}"
    follow_name: bool = True
    follow_avatar: bool = False
    follow_email: bool = False


@dataclass(frozen=True, slots=True)
class PeopleRules:
    """Whom we leave alone, and what happens to people whose Moodle account is suspended or gone."""

    exclude: frozenset[str] = frozenset()
    """User names, or Moodle ids as text: never invited, never removed."""
    on_suspend: str = "remove"
    """`remove`, `mute`, `ban` or `keep`."""
    grace_period: float = 0.0
    """Seconds between the suspension or deletion of an account and what follows; an enrolment that ends has none."""
    when: str = "always"
    """`always`, or `on-request`: invite only who has asked for it."""

    def excludes(self, person: MoodleUserId, username: str) -> bool:
        """Whether this person is not managed. `username` is empty where it is not known."""
        return str(person) in self.exclude or (username != "" and username in self.exclude)


@dataclass(frozen=True, slots=True)
class FieldRules:
    """The course custom fields by short name, and the words that mean on, off and "as the site" in the drop-down."""

    enabled: str = "matrix_enabled"
    name: str = "matrix_room_name"
    topic: str = "matrix_room_topic"
    on_words: frozenset[str] = frozenset({"on"})
    off_words: frozenset[str] = frozenset({"off"})


@dataclass(frozen=True, slots=True)
class SafetyRules:
    """What is too much for a day. Where there is a number and a share, both must be exceeded.

    A share of id changes counts alone, from `max_removals` changes on; a growth must exceed number and factor.
    """

    max_removals_share: float = 0.25
    max_removals: int = 5
    max_site_removals_share: float = 0.05
    max_site_removals: int = 50
    max_closed_courses: int = 3
    max_growth: int = 200
    max_growth_factor: float = 3.0
    max_room_size: int = 3000
    max_id_changes: int = 20
    max_id_changes_share: float = 0.01
    max_new_moderators: int = 10


DAY = 86400.0


@dataclass(frozen=True, slots=True)
class LifeRules:
    """What the dates and the visibility of a course mean for its rooms, and what follows when it is gone.

    Delays are seconds; None: never. `read_only_after` and `archive_after` count from the end of the course,
    `export_after` and `purge_after` from the day on which it was archived.
    """

    before_start: str = "staff"
    """`staff` (nobody else is invited or writes), `muted` (everybody is invited, staff write) or `open`."""
    hidden: str = "keep"
    """`keep`, `read-only` (only staff write) or `hide` (only staff write and are invited; in no space)."""
    read_only_after: float | None = 30 * DAY
    archive_after: float | None = 180 * DAY
    archived_name: str = "{name} (archived)"
    export_after: float | None = None
    purge_after: float | None = None
    when_deleted: str = "archive"
    """`keep`, `archive`, `release` or `delete`: what happens to the rooms of a course that Moodle lists no more."""
    when_unselected: str = "keep"
    """The same for a course that is switched off, or not selected any more."""
    grace_period: float = 30 * DAY
    """Seconds between that and what follows."""
    release_to: tuple[UserId, ...] = ()
    """Who gets level 100 in rooms that are released, as far as they are members there."""


@dataclass(frozen=True, slots=True)
class RoomRule:
    """An institution's own rule for courses, from an entry point: a pure function of Moodle's facts.

    `differ` gets the course, and its category where that can be read, and returns the fields of `structure.SETTABLE`
    that are different for it, with their values; empty for none.
    """

    name: str
    differ: Callable[[Course, Category | None], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class KindRules:
    """What is different in rooms of one kind. Empty templates: as in the rooms of everybody.

    `levels`: of roles. `powers`: keys of `m.room.power_levels` such as `invite`, `ban` or `events_default`.
    """

    name_template: str = ""
    topic_template: str = ""
    levels: Mapping[Role, int] = field(default_factory=nothing)
    powers: Mapping[str, int] = field(default_factory=nothing)


NO_DIFFERENCE = KindRules()
DEFAULT_KINDS: Mapping[RoomKind, KindRules] = MappingProxyType(
    {
        RoomKind.ANNOUNCEMENTS: KindRules(name_template="{shortname} · Announcements"),
        RoomKind.STAFF: KindRules(name_template="{shortname} · Staff"),
        RoomKind.GROUP: KindRules(name_template="{shortname} · {group}"),
    }
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides, beside the facts. `site` is the short name in every alias and marker."""

    site: str
    domain: str
    bot: UserId
    site_url: str = ""
    room_version: str = "12"
    new_courses: bool = True
    existing_courses: bool = False
    allow_courses: frozenset[CourseId] = frozenset()
    deny_courses: frozenset[CourseId] = frozenset()
    allow_categories: frozenset[CategoryId] = frozenset()
    deny_categories: frozenset[CategoryId] = frozenset()
    name_template: str = "{shortname}: {fullname}"
    topic_template: str = "{fullname} ({shortname}) · {url}"
    levels: Mapping[Role, int] = field(default_factory=lambda: DEFAULT_LEVELS)
    inherited: str = "allow"
    """What a role above the course means for somebody who is not enrolled: `allow`, `invite` or `ignore`."""
    join_rule: str = "restricted"
    """`invite`, `restricted` (whoever is in the space of the course) or `knock_restricted` (others may ask)."""
    history_visibility: str = "shared"
    guest_access: str = "forbidden"
    federate: bool = True
    calls: str = "all"
    """Who may start calls: `all`, `staff` or `off`."""
    moderators: str = "staff"
    """Who may remove people and messages: `staff` (level 50 and above) or `teachers` (level 60 and above)."""
    layout: str = "room"
    """`room`: a course has one room and nothing else. `space`: a space with rooms below it."""
    announcements: bool = False
    staff: bool = False
    groups: tuple[str, ...] = ()
    """Regular expressions; a group whose whole name fits one of them gets a room."""
    groupings: frozenset[str] = frozenset()
    """Names of groupings; where there are any, only groups in one of them get rooms."""
    all_groups_roles: frozenset[Role] = frozenset({Role("manager"), Role("editingteacher")})
    """Who has one of these is in the rooms of all groups."""
    invite: str = "space+main"
    """Where people in a course space are invited to: `space`, `space+main` or `all`. Other rooms they may join."""
    how: str = "invite"
    """`invite`, or `join`: put people into rooms without asking them, where our rights allow that."""
    avatar: bool = False
    """Whether the picture of the course is that of its space and main room."""
    strict: bool = False
    """Whether names changed in the room are changed back, and people whom nobody here invited are removed."""
    members_may_invite: bool = False
    extra_members: Mapping[UserId, int] = field(default_factory=nothing)
    """Accounts that are never removed, such as moderation bots, with their levels."""
    additional_creators: tuple[UserId, ...] = ()
    encryption: bool = False
    retention: float | None = None
    """Seconds after which the homeserver may delete messages; None: it is not said."""
    kinds: Mapping[RoomKind, KindRules] = field(default_factory=lambda: DEFAULT_KINDS)
    by_category: Mapping[CategoryId, Mapping[str, Any]] = field(default_factory=nothing)
    by_course: Mapping[CourseId, Mapping[str, Any]] = field(default_factory=nothing)
    """Fields of these rules that are different in a category and all below it, and in a course; see `structure`."""
    room_rules: tuple[RoomRule, ...] = ()
    identity: IdentityRules = field(default_factory=IdentityRules)
    accounts: AccountRules = field(default_factory=AccountRules)
    people: PeopleRules = field(default_factory=PeopleRules)
    fields: FieldRules = field(default_factory=FieldRules)
    safety: SafetyRules = field(default_factory=SafetyRules)
    spaces: SpaceRules = field(default_factory=SpaceRules)
    drift: DriftRules = field(default_factory=DriftRules)
    life: LifeRules = field(default_factory=LifeRules)

    def virtual_user(self, person: MoodleUserId) -> UserId:
        """The virtual user that holds this person's places, `@moodle_<site>_<user id>:domain`: no name is in it."""
        return UserId(f"@moodle_{self.site}_{person}:{self.domain}")

    def person_of_virtual(self, user: UserId) -> MoodleUserId | None:
        """The person whose places this user holds; None where it is no virtual user of ours."""
        number = user.removeprefix(f"@moodle_{self.site}_").removesuffix(f":{self.domain}")
        if not (number.isascii() and number.isdigit()):
            return None
        person = MoodleUserId(int(number))
        return person if user == self.virtual_user(person) else None

    def kind(self, kind: RoomKind) -> KindRules:
        """What is different in rooms of this kind."""
        return self.kinds.get(kind, NO_DIFFERENCE)

    @property
    def control_alias(self) -> RoomAlias:
        """The alias of the room in which only the bot is, where the canary lives."""
        return RoomAlias(f"#moodle_{self.site}_control:{self.domain}")


@dataclass(frozen=True, slots=True)
class Choice:
    """The last explicit decision of a person about one course; `on` None = "as the site"."""

    on: bool | None
    by: str
    at: float
