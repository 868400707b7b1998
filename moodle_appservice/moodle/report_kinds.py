"""The reports that an administrator makes once, and what each must consist of.

A report has a source (Moodle's class), columns and conditions. A column is known by its English header, a link column
also by its cells; headers of our own choice are possible, because Moodle lets a heading be renamed. `needed` columns
must be there; without the others something is lost, which `without` says. Moodle names sources and headers the same
from 4.1 to 5.1, as far as they exist there (`core_course\\reportbuilder`, `core_group\\reportbuilder`, `core_user`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

PARTICIPANTS: Final = "core_course\\reportbuilder\\datasource\\participants"
USERS: Final = "core_user\\reportbuilder\\datasource\\users"
COURSES: Final = "core_course\\reportbuilder\\datasource\\courses"
ROLES: Final = "core_role\\reportbuilder\\datasource\\roles"
GROUPS: Final = "core_group\\reportbuilder\\datasource\\groups"

SOURCE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        PARTICIPANTS: "Course participants",
        USERS: "Users",
        COURSES: "Courses",
        GROUPS: "Groups",
        ROLES: "Roles",
    }
)
"""As Moodle's page for a new report lists them."""


class Cell(StrEnum):
    """What the cells of a column hold."""

    COURSE = "a link to a course"
    USER = "a link to a person"
    CATEGORY = "a link to a category"
    ROLE = "the short name of one role"
    CONTEXT = "a link to where something is"
    YES_NO = "Yes or No"
    DATE = "a date"
    TEXT = "text"


LINKS: Final = frozenset({Cell.COURSE, Cell.USER, Cell.CATEGORY})


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `entity` and the first of `headers` are where Moodle's editor lists it."""

    key: str
    entity: str
    headers: tuple[str, ...]
    cell: Cell = Cell.TEXT
    needed: bool = True
    without: str = ""
    twin_of: str = ""
    """The column that Moodle heads with the same word: of two such columns this is the one that is sometimes empty."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition. `forms`: the identifiers, operators and values (empty: any) that do, as text; one must be there."""

    forms: tuple[tuple[str, str, str], ...]
    click: str
    why: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of report. `tolerated`: conditions that may be there as well."""

    name: str
    source: str
    columns: tuple[Column, ...]
    purpose: str
    needed: bool = True
    conditions: tuple[Condition, ...] = ()
    tolerated: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    sort: str = ""
    advice: str = ""
    """About a condition that is good to have and not needed."""


COURSE_LINK: Final = Column(
    "course",
    "Course",
    ("Course full name with link", "Course short name with link", "Course ID number with link"),
    Cell.COURSE,
)
USER_LINK: Final = Column(
    "user",
    "User",
    ("Full name with link", "Full name with picture and link", "User full name with link"),
    Cell.USER,
)
ACTIVE: Final = Condition(
    (("enrolment:status", "1", "0"),),
    "Enrolment > Status is equal to Active",
    "people whose enrolment is suspended, over or not begun would count as members",
)
# What Moodle puts into a new report by itself, with the only values that do no harm.
_USABLE: Final = MappingProxyType({"user:suspended": ("2", ""), "user:confirmed": ("1", "")})

MEMBERSHIPS: Final = Kind(
    "memberships",
    PARTICIPANTS,
    (
        COURSE_LINK,
        USER_LINK,
        Column("role", "Role", ("Short name", "Role short name"), Cell.ROLE),
        Column(
            "status",
            "Enrolment",
            ("Status",),
            needed=False,
            without="it is not seen when somebody takes the condition on the status out: Moodle goes on reporting it "
            "(the column makes the report a fifth slower)",
        ),
    ),
    "who is in which course, and as what",
    conditions=(ACTIVE,),
    tolerated=_USABLE,
    sort="Sort it by the course, then by the user.",
)
PEOPLE: Final = Kind(
    "users",
    USERS,
    (
        USER_LINK,
        Column("username", "User", ("Username",)),
        Column("suspended", "User", ("Suspended",), Cell.YES_NO),
        Column("confirmed", "User", ("Confirmed",), Cell.YES_NO),
        Column("email", "User", ("Email address", "Email"), needed=False),
        Column("idnumber", "User", ("ID number",), needed=False),
        Column(
            "auth",
            "User",
            ("Authentication", "Authentication method"),
            needed=False,
            without="accounts that are set to No login count as usable (the column exists since Moodle 4.5)",
        ),
        Column("language", "User", ("Language", "Preferred language"), needed=False),
    ),
    "people's names, user names and whether an account is suspended",
    sort="Sort it by the user.",
)
SITE_COURSES: Final = Kind(
    "courses",
    COURSES,
    (
        COURSE_LINK,
        Column("fullname", "Course", ("Course full name",), needed=False),
        Column("shortname", "Course", ("Course short name",), needed=False),
        Column("idnumber", "Course", ("Course ID number",), needed=False),
        Column("visible", "Course", ("Course visibility",), Cell.YES_NO),
        Column("category", "Course category", ("Category name with link",), Cell.CATEGORY),
        Column(
            "path",
            "Course category",
            ("Category path",),
            needed=False,
            without="a category above the course's own is not recognised in rooms.allow_categories and deny_categories",
        ),
        Column("start", "Course", ("Course start date",), Cell.DATE, needed=False),
        Column("end", "Course", ("Course end date",), Cell.DATE, needed=False),
        Column("group_mode", "Course", ("Group mode",), needed=False),
    ),
    "the list of courses with their categories and dates",
    sort="Sort it by the course.",
)
COURSE_GROUPS: Final = Kind(
    "groups",
    GROUPS,
    (
        COURSE_LINK,
        Column("name", "Group", ("Name", "Group name")),
        Column("idnumber", "Group", ("ID number", "Group ID number"), needed=False),
        Column(
            "visibility",
            "Group",
            ("Visibility",),
            needed=False,
            without="no group gets a room, because a room for a hidden group would show who is in it",
        ),
        Column(
            "participation",
            "Group",
            ("Participation",),
            Cell.YES_NO,
            needed=False,
            without="no group gets a room, because it is not known which groups take part in activities",
        ),
        Column("grouping", "Grouping", ("Grouping name", "Grouping"), needed=False, twin_of="name"),
        USER_LINK,
    ),
    "the groups of each course and who is in them",
    needed=False,
    sort="Sort it by the course, then by the group's name, then by the user.",
)
STARTS: Final = Kind(
    "starts",
    PARTICIPANTS,
    (COURSE_LINK, USER_LINK, Column("moment", "Enrolment", ("Time started",), Cell.DATE)),
    "enrolments that begin later, so that people come in to the minute",
    needed=False,
    conditions=(
        Condition(
            (("enrolment:status", "1", "2"), ("enrolment:timestarted", "8", "")),
            "Enrolment > Status is equal to Not current",
            "the report would list every enrolment of the site and take minutes",
        ),
    ),
    tolerated=_USABLE,
)
ENDS: Final = Kind(
    "ends",
    PARTICIPANTS,
    (COURSE_LINK, USER_LINK, Column("moment", "Enrolment", ("Time ended",), Cell.DATE)),
    "enrolments that end by themselves, so that people leave to the minute",
    needed=False,
    conditions=(
        Condition(
            (("enrolment:timeended", "1", ""), ("enrolment:timeended", "8", "")),
            "Enrolment > Time ended is not empty",
            "the report would list every enrolment of the site and take minutes",
        ),
    ),
    tolerated=MappingProxyType({**_USABLE, "enrolment:status": ("1", "0")}),
)

ROLE_HOLDERS: Final = Kind(
    "roles",
    ROLES,
    (
        Column("context", "Context", ("Context URL",), Cell.CONTEXT),
        Column("level", "Context", ("Context level",)),
        Column("role", "Role", ("Short name", "Role short name"), Cell.ROLE),
        USER_LINK,
    ),
    "who holds a role in a category or in the whole site, since Moodle 4.5",
    needed=False,
    tolerated=MappingProxyType({"context:level": ("2", "50")}),
    advice="To keep it short, add the condition Context > Context level is not equal to Course, and no other one.",
    sort="Sort it by the context, then by the user.",
)

KINDS: Final = (MEMBERSHIPS, COURSE_GROUPS, ROLE_HOLDERS, STARTS, ENDS, PEOPLE, SITE_COURSES)
"""In the order of reading: whoever is in a course is looked up after it, and the list of courses has the last word, so
that a course that is deleted meanwhile is gone and not empty."""


def clicks(kind: Kind, name: str) -> tuple[str, ...]:
    """What to click in Moodle to make this report, a sentence each. `name`: what to call it."""
    found = [
        f"Site administration > Reports > Report builder > Custom reports > New report: name “{name}”, report source "
        f"“{SOURCE_NAMES[kind.source]}”, “Include default setup” off.",
        f"Add these columns from the left side: {_titles(kind, needed=True)}.",
    ]
    if further := _titles(kind, needed=False):
        found.append(f"Add these too, as far as this Moodle has them: {further}.")
    found.append("Leave the aggregation of each column at None.")
    if kind.conditions:
        wanted = "; ".join(condition.click for condition in kind.conditions)
        found.append(f"On the right side open Conditions, add and apply: {wanted}. No other condition.")
    else:
        found.append(kind.advice or "On the right side open Conditions: there must be none.")
    if kind.sort:
        found.append(f"On the right side open Sorting. {kind.sort}")
    found.append(
        "Open the tab Audience, add “Manually added users” and choose the account of our token, then save."
    )
    return tuple(found)


def _titles(kind: Kind, *, needed: bool) -> str:
    return "; ".join(
        f"{column.entity} > {_title(column, kind)}" for column in kind.columns if column.needed is needed
    )


def _title(column: Column, kind: Kind) -> str:
    """What Moodle's editor calls a column."""
    twin = next((other for other in kind.columns if other.key == column.twin_of), column)
    return twin.headers[0]
