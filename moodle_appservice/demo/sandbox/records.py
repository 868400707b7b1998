"""The rows of the sandbox's university: plain mutable records, one class per Moodle table.

Names follow Moodle's columns where Moodle's answers show them (`groupmode`, `timestart`), so that an answer is
easy to compare with the record it came from. A record knows nothing of other records: who belongs to whom is
`university.University`'s business. Times are Unix seconds, 0 means "not set", as in Moodle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

SITE_COURSE_ID = 1
"""Moodle's front page is a course too; everybody counts as enrolled in it."""


class GroupMode(IntEnum):
    """`course.groupmode` (Moodle: NOGROUPS, SEPARATEGROUPS, VISIBLEGROUPS)."""

    NONE = 0
    SEPARATE = 1
    VISIBLE = 2


class GroupVisibility(IntEnum):
    """`groups.visibility` (Moodle: GROUPS_VISIBILITY_*)."""

    ALL = 0
    MEMBERS = 1
    OWN = 2
    NONE = 3


class CourseFieldVisibility(IntEnum):
    """Who may see a course custom field (Moodle: `course_handler::NOTVISIBLE` and so on)."""

    NOBODY = 0
    TEACHERS = 1
    EVERYONE = 2


class ProfileFieldVisibility(IntEnum):
    """Who may see a profile field (Moodle: PROFILE_VISIBLE_*)."""

    NONE = 0
    PRIVATE = 1
    ALL = 2
    TEACHERS = 3


class MailDisplay(IntEnum):
    """`user.maildisplay`: to whom a person shows the e-mail address."""

    NOBODY = 0
    EVERYONE = 1
    COURSE_MEMBERS = 2


class FieldKind(Enum):
    """The kinds of course custom field that the sandbox knows."""

    CHECKBOX = "checkbox"
    SELECT = "select"
    TEXT = "text"
    TEXTAREA = "textarea"


@dataclass(slots=True)
class Category:
    """A course category; `path` is the ids from the top category down to this one."""

    id: int
    name: str
    path: tuple[int, ...]
    parent: int = 0
    sortorder: int = 0
    idnumber: str | None = None
    description: str = ""
    descriptionformat: int = 1
    visible: bool = True
    visible_old: bool = True
    timemodified: int = 0
    theme: str = ""


@dataclass(slots=True)
class Course:
    """A course; `fields` holds the stored values of custom fields by short name, unset ones are absent."""

    id: int
    shortname: str
    fullname: str
    category: int
    idnumber: str = ""
    summary: str = ""
    summaryformat: int = 1
    format: str = "topics"
    startdate: int = 0
    enddate: int = 0
    visible: bool = True
    visible_old: bool = True
    groupmode: GroupMode = GroupMode.NONE
    groupmodeforce: int = 0
    defaultgroupingid: int = 0
    sortorder: int = 0
    newsitems: int = 5
    showactivitydates: bool = True
    showcompletionconditions: bool | None = True
    lang: str = ""
    theme: str = ""
    timecreated: int = 0
    timemodified: int = 0
    cacherev: int = 0
    context_id: int = 0
    section_ids: tuple[int, ...] = ()
    numsections: int = 4
    communication: tuple[str, str] | None = None
    fields: dict[str, int | str] = field(default_factory=dict)
    picture: tuple[str, bytes] | None = None
    """Content type and bytes of the picture of the course."""
    picture_name: str = "picture.png"
    picture_time: int = 0

    def set_picture(self, data: bytes | None, content_type: str = "image/png") -> None:
        """Upload a picture, or take it away; each has a time of its own."""
        self.picture_time += 1
        self.picture = None if data is None else (content_type, data)


@dataclass(slots=True)
class Person:
    """A user account; `profile` holds custom profile fields by short name."""

    id: int
    username: str
    firstname: str
    lastname: str
    email: str = ""
    auth: str = "manual"
    confirmed: bool = True
    suspended: bool = False
    deleted: bool = False
    idnumber: str = ""
    department: str = ""
    institution: str = ""
    city: str = ""
    country: str = ""
    maildisplay: MailDisplay = MailDisplay.COURSE_MEMBERS
    lang: str = "en"
    timezone: str = "99"
    firstaccess: int = 0
    lastaccess: int = 0
    timecreated: int = 0
    timemodified: int = 0
    profile: dict[str, str] = field(default_factory=dict)
    preferences: list[tuple[str, str | int]] = field(default_factory=list)
    picture: tuple[str, bytes] | None = None
    """Content type and bytes of the person's own picture."""
    picture_revision: int = 0

    def set_picture(self, data: bytes | None, content_type: str = "image/png") -> None:
        """Upload a picture, or take it away; each has a revision of its own."""
        self.picture_revision += 1
        self.picture = None if data is None else (content_type, data)

    @property
    def fullname(self) -> str:
        """First and last name in Moodle's English order (Moodle: `fullname`); stray blanks stay."""
        return f"{self.firstname} {self.lastname}"


@dataclass(slots=True)
class Role:
    """A role; `name` is empty for the standard ones, whose names Moodle takes from the language pack."""

    id: int
    shortname: str
    sortorder: int
    name: str = ""
    title: str = ""
    capabilities: frozenset[str] = frozenset()


@dataclass(slots=True)
class EnrolMethod:
    """An enrolment method of a course (Moodle: `enrol`): `manual`, `self`, `cohort`, `guest`."""

    id: int
    course: int
    kind: str
    enabled: bool = True


@dataclass(slots=True)
class Enrolment:
    """One person through one method (Moodle: `user_enrolments`)."""

    user: int
    method: EnrolMethod
    suspended: bool = False
    timestart: int = 0
    timeend: int = 0
    timecreated: int = 0

    def active_at(self, now: int) -> bool:
        """Moodle's condition in `get_enrolled_join`: the start must lie strictly before `now`."""
        if self.suspended or not self.method.enabled or self.timestart >= now:
            return False
        return self.timeend == 0 or self.timeend > now


@dataclass(slots=True)
class Group:
    """A group of a course with its members."""

    id: int
    course: int
    name: str
    idnumber: str = ""
    description: str = ""
    descriptionformat: int = 1
    visibility: GroupVisibility = GroupVisibility.ALL
    participation: bool = True
    members: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Grouping:
    """A named set of groups of a course."""

    id: int
    course: int
    name: str
    idnumber: str = ""
    groups: set[int] = field(default_factory=set)


@dataclass(slots=True)
class CourseField:
    """The definition of a course custom field; `default` is a text, also for a checkbox ("1") or a select."""

    shortname: str
    name: str
    kind: FieldKind
    default: str = ""
    options: tuple[str, ...] = ()
    visibility: CourseFieldVisibility = CourseFieldVisibility.EVERYONE


@dataclass(slots=True)
class ProfileField:
    """The definition of a text profile field; `link` holds `$$` where the value goes."""

    shortname: str
    name: str
    visibility: ProfileFieldVisibility = ProfileFieldVisibility.ALL
    link: str = ""
    linktarget: str = ""
