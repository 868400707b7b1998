"""From the JSON of each function that we call to our own nouns.

Fields that we do not know are ignored, numbers may come as digits in a string, and a row that breaks the shape makes
the whole answer a `BadAnswer`: a list with holes in it would look like people who left. What Moodle leaves out for want
of a right is different: it is told apart here, by the fields that only a right brings, and handed on as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from ..domain.model import (
    Category,
    CategoryId,
    Course,
    CourseId,
    Enrolment,
    Group,
    GroupId,
    GroupVisibility,
    MoodleUserId,
    Person,
    Role,
    SiteInfo,
)
from .answer import Json
from .fields import Row, id_of, is_true, moment_of, number_of, row_of, rows_of, text_of, whole_of
from .parse import collapse, plain_text

SITE_INFO: Final = "core_webservice_get_site_info"
COURSES: Final = "core_course_get_courses_by_field"
CATEGORIES: Final = "core_course_get_categories"
ENROLLED: Final = "core_enrol_get_enrolled_users"
USERS: Final = "core_user_get_users_by_field"
COURSE_GROUPS: Final = "core_group_get_course_groups"
"""Optional, because it needs moodle/course:managegroups, with which groups can be changed too."""

NEEDED: Final = (SITE_INFO, COURSES, CATEGORIES, ENROLLED, USERS)
"""The functions that our token's service must have; `bulk.BULK` is optional and saves requests."""

FRONT_PAGE: Final = CourseId(1)

_COURSE_FILE = re.compile(r"/pluginfile\.php(?:\?file=)?/(\d{1,19}/course/overviewfiles/[^?#]{1,500})")
# “/pluginfile.php/100/user/icon/boost/f1?rev=30”; “?file=/100/…&rev=30” where the site is set to no slash arguments.
_OWN_PICTURE: Final = re.compile(
    r"/pluginfile\.php(?:\?file=)?/(?P<context>\d{1,19})/user/icon/(?:[^/?&]+/)?f\d(?:[?&]rev=(?P<revision>\d{1,19}))?"
)


@dataclass(frozen=True, slots=True)
class Listing:
    """Courses that we may read, and the names of those that Moodle shows us from the outside only."""

    courses: Mapping[CourseId, Course]
    unreadable: Mapping[CourseId, str]
    front_page: bool
    """Whether Moodle's front page, course 1, was there: every complete listing has it."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Who has an active place in a course, sorted by id, and the groups that somebody is in."""

    enrolments: tuple[Enrolment, ...]
    groups: tuple[Group, ...]
    """By Moodle's ids; who may see them is not told."""
    nameless: int
    """Rows without `username`, which moodle/user:viewalldetails brings."""


def site_info(answer: Json, language: str) -> SiteInfo:
    """`core_webservice_get_site_info`. Raises `BadAnswer`."""
    row = row_of(SITE_INFO, answer, "the answer")
    functions = frozenset(
        text_of(SITE_INFO, entry, "name") for entry in rows_of(SITE_INFO, row.get("functions"), "functions")
    )
    return SiteInfo(
        url=text_of(SITE_INFO, row, "siteurl").rstrip("/"),
        name=plain_text(text_of(SITE_INFO, row, "sitename", ""), language),
        release=text_of(SITE_INFO, row, "release", ""),
        user_id=MoodleUserId(id_of(SITE_INFO, row, "userid")),
        functions=functions,
        downloads=is_true(row.get("downloadfiles")),
    )


def listing(answer: Json, language: str) -> Listing:
    """`core_course_get_courses_by_field`. Raises `BadAnswer`.

    Without moodle/course:view a row has only what the public may see: then the course is `unreadable`, not empty.
    """
    courses: dict[CourseId, Course] = {}
    unreadable: dict[CourseId, str] = {}
    front_page = False
    for row in rows_of(COURSES, row_of(COURSES, answer, "the answer").get("courses"), "courses"):
        course_id = CourseId(id_of(COURSES, row, "id"))
        if course_id == FRONT_PAGE:
            front_page = True
        elif any(row.get(key) is None for key in ("format", "visible", "startdate")):
            unreadable[course_id] = plain_text(text_of(COURSES, row, "fullname", ""), language)
        else:
            courses[course_id] = _course(course_id, row, language)
    return Listing(MappingProxyType(courses), MappingProxyType(unreadable), front_page)


def _course(course_id: CourseId, row: Row, language: str) -> Course:
    values, types = _custom_fields(row.get("customfields"), language)
    return Course(
        id=course_id,
        shortname=plain_text(text_of(COURSES, row, "shortname"), language),
        fullname=plain_text(text_of(COURSES, row, "fullname"), language),
        category_id=CategoryId(whole_of(COURSES, row, "categoryid")),
        visible=whole_of(COURSES, row, "visible") != 0,
        start=moment_of(COURSES, row, "startdate"),
        end=moment_of(COURSES, row, "enddate"),
        idnumber=collapse(text_of(COURSES, row, "idnumber", "")),
        sort_order=whole_of(COURSES, row, "sortorder", 0),
        group_mode=whole_of(COURSES, row, "groupmode", 0),
        custom_fields=values,
        custom_field_types=types,
        image=_image(row),
        own_room_url=text_of(COURSES, row, "communicationroomurl", "").strip(),
    )


def _image(row: Row) -> str:
    """The first picture among the files that a course is shown with; what Moodle draws itself is none."""
    files = row.get("overviewfiles")
    for file in files if isinstance(files, list) else ():
        if not isinstance(file, dict) or not str(file.get("mimetype", "")).startswith("image/"):
            continue
        found = _COURSE_FILE.search(str(file.get("fileurl", "")))
        if found:
            return f"{found[1]}?time={str(file.get('timemodified', ''))[:19]}"
    return ""


def _custom_fields(rows: Json, language: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Short name → text, short name → type. The key is absent where the site has no custom fields."""
    values: dict[str, str] = {}
    types: dict[str, str] = {}
    for row in rows_of(COURSES, [] if rows is None else rows, "customfields"):
        name = text_of(COURSES, row, "shortname")
        types[name] = text_of(COURSES, row, "type", "")
        values[name] = _custom_value(types[name], row, language)
    return MappingProxyType(values), MappingProxyType(types)


def _custom_value(kind: str, row: Row, language: str) -> str:
    """The text of one field as a person reads it (`core_course\\customfield\\course_handler`).

    A checkbox is taken raw, because its display is a translated yes or no. A text is taken raw, because its display may
    be a link and has lost its languages. Others display what was chosen; a `select` is a number when raw.
    """
    raw, shown = row.get("valueraw"), row.get("value")
    if kind == "checkbox":
        return "1" if is_true(raw) else "0"
    value = raw if kind == "text" and raw is not None else shown
    return plain_text(str(value), language) if isinstance(value, (str, int, float)) else ""


def categories(answer: Json, language: str) -> Mapping[CategoryId, Category]:
    """`core_course_get_categories`; `visible` is only sent to managers of categories. Raises `BadAnswer`."""
    found: dict[CategoryId, Category] = {}
    for row in rows_of(CATEGORIES, answer, "the answer"):
        category_id = CategoryId(id_of(CATEGORIES, row, "id"))
        parent = whole_of(CATEGORIES, row, "parent", 0)
        found[category_id] = Category(
            id=category_id,
            name=plain_text(text_of(CATEGORIES, row, "name"), language),
            parent=CategoryId(parent) if parent else None,
            path=tuple(_path(text_of(CATEGORIES, row, "path", f"/{category_id}"))),
            sort_order=whole_of(CATEGORIES, row, "sortorder", 0),
            visible=whole_of(CATEGORIES, row, "visible", 1) != 0,
            idnumber=collapse(text_of(CATEGORIES, row, "idnumber", "")),
        )
    return MappingProxyType(found)


def _path(path: str) -> Iterator[CategoryId]:
    for part in path.split("/"):
        if part:
            yield CategoryId(number_of(CATEGORIES, part, "path"))


def roster(answer: Json, language: str) -> Roster:
    """`core_enrol_get_enrolled_users` with `userfields=id,roles,groups,username`. Raises `BadAnswer`."""
    roles: dict[MoodleUserId, set[Role]] = {}
    places: dict[MoodleUserId, set[GroupId]] = {}
    names: dict[GroupId, str] = {}
    nameless = 0
    for row in rows_of(ENROLLED, answer, "the answer"):
        user_id = MoodleUserId(id_of(ENROLLED, row, "id"))
        nameless += not row.get("username")
        held = roles.setdefault(user_id, set())
        held.update(
            Role(text_of(ENROLLED, role, "shortname"))
            for role in rows_of(ENROLLED, row.get("roles"), "roles")
        )
        into = places.setdefault(user_id, set())
        groups = row.get("groups")
        for group in rows_of(ENROLLED, [] if groups is None else groups, "groups"):
            group_id = GroupId(id_of(ENROLLED, group, "id"))
            names[group_id] = plain_text(text_of(ENROLLED, group, "name"), language)
            into.add(group_id)
    # One object for equal sets: a site of 200,000 places has a handful of them.
    sets: dict[frozenset[Role], frozenset[Role]] = {}
    return Roster(
        enrolments=tuple(
            Enrolment(user_id, sets.setdefault(held, held), frozenset(places[user_id]))
            for user_id, held in ((user_id, frozenset(roles[user_id])) for user_id in sorted(roles))
        ),
        groups=tuple(Group(group_id, names[group_id], moodle_id=int(group_id)) for group_id in sorted(names)),
        nameless=nameless,
    )


_VISIBILITIES: Final = (
    GroupVisibility.ALL, GroupVisibility.MEMBERS, GroupVisibility.OWN, GroupVisibility.NONE,
)  # fmt: skip


def course_groups(answer: Json, language: str) -> tuple[Group, ...]:
    """`core_group_get_course_groups`: the groups that our account may see, empty ones too. Raises `BadAnswer`.

    Without moodle/course:viewhiddengroups only those that everybody sees. Before Moodle 4.2 there is no visibility.
    """
    return tuple(
        Group(
            GroupId(id_of(COURSE_GROUPS, row, "id")),
            plain_text(text_of(COURSE_GROUPS, row, "name"), language),
            collapse(text_of(COURSE_GROUPS, row, "idnumber", "")),
            moodle_id=id_of(COURSE_GROUPS, row, "id"),
            visibility=_visibility(row),
            participation=None if row.get("participation") is None else is_true(row["participation"]),
        )
        for row in rows_of(COURSE_GROUPS, answer, "the answer")
    )


def _visibility(row: Row) -> GroupVisibility:
    number = whole_of(COURSE_GROUPS, row, "visibility", -1)
    return _VISIBILITIES[number] if 0 <= number < len(_VISIBILITIES) else GroupVisibility.UNKNOWN


def user_ids(answer: Json) -> list[MoodleUserId]:
    """The ids alone of a `core_enrol_get_enrolled_users` answer, in its order. Raises `BadAnswer`."""
    return [MoodleUserId(id_of(ENROLLED, row, "id")) for row in rows_of(ENROLLED, answer, "the answer")]


@dataclass(frozen=True, slots=True)
class Account:
    """One row of `core_user_get_users_by_field`: a person, or the fields that are missing to make one."""

    id: MoodleUserId
    person: Person | None
    missing: frozenset[str]


def accounts(answer: Json, profile_fields: Iterable[str], *, pictures: bool = False) -> list[Account]:
    """`core_user_get_users_by_field`; a deleted account answers too, unmarked. Raises `BadAnswer`.

    `pictures`: whether to keep where people's own pictures are.
    """
    wanted = frozenset(profile_fields)
    return [_account(row, wanted, pictures) for row in rows_of(USERS, answer, "the answer")]


def pictures(answer: Json) -> dict[MoodleUserId, str]:
    """Whose own picture is where, of `core_user_get_users_by_field`; empty for who has none. Raises `BadAnswer`."""
    found = {id_of(USERS, row, "id"): _picture(row) for row in rows_of(USERS, answer, "the answer")}
    return {MoodleUserId(user): picture for user, picture in found.items() if picture is not None}


def _account(row: Row, wanted: frozenset[str], pictures: bool) -> Account:
    user_id = MoodleUserId(id_of(USERS, row, "id"))
    missing = frozenset(key for key in ("username", "suspended", "confirmed", "auth") if row.get(key) is None)
    if missing:
        return Account(user_id, None, missing)
    person = Person(
        id=user_id,
        username=text_of(USERS, row, "username"),
        full_name=collapse(text_of(USERS, row, "fullname", "")),
        suspended=is_true(row["suspended"]),
        confirmed=is_true(row["confirmed"]),
        auth=text_of(USERS, row, "auth"),
        email=text_of(USERS, row, "email", ""),
        idnumber=text_of(USERS, row, "idnumber", ""),
        language=text_of(USERS, row, "lang", ""),
        timezone=text_of(USERS, row, "timezone", ""),
        profile_fields=MappingProxyType(_profile(row.get("customfields"), wanted)),
        picture=_picture(row) if pictures else None,
    )
    return Account(user_id, person, missing)


def _picture(row: Row) -> str | None:
    """A picture of the theme (for who has none) or of Gravatar is nobody's own.

    The theme's name in the address says nothing about the picture. `f3` is the largest that there is.
    """
    address = row.get("profileimageurl")
    if not isinstance(address, str):
        return None
    own = _OWN_PICTURE.search(unquote(address))
    return f"{own['context']}/user/icon/f3?rev={own['revision'] or ''}" if own else ""


def _profile(rows: Json, wanted: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in rows_of(USERS, rows or [], "customfields") if wanted else []:
        name = text_of(USERS, field, "shortname")
        value = field.get("value")
        if name in wanted and isinstance(value, (str, int, float)) and str(value).strip():
            # Before Moodle 4.4 `value` was the HTML for display; since then that is `displayvalue`.
            text = str(value).strip()
            found[name] = text if "displayvalue" in field else plain_text(text)
    return found
