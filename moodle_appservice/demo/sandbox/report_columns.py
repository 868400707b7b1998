"""The columns that a report can have: title, the record they are made of, how a cell is shown and compared.

A column looks at one field of a `Row` only (`course`, `person` …), so that a cell is made once per record and not
once per row. Where the join found no record the cell is empty, or null in the few columns that Moodle does not
format. Columns for custom fields are made from the university's fields, as far as the caller may see them.

Sign-in and language are words of the language pack in Moodle; the ones here are English and the most common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import rights
from .course_answers import custom_field_html
from .errors import NotAnswered
from .person_details import profile_field_html
from .records import (
    Course,
    CourseField,
    CourseFieldVisibility,
    Enrolment,
    ProfileField,
    ProfileFieldVisibility,
)
from .report_rows import Context
from .report_view import Cell, View, escaped, name, plain_name, yes_no
from .session import Session

METHODS = {
    "manual": "Manual enrolments",
    "self": "Self enrolment",
    "cohort": "Cohort sync",
    "guest": "Guest access",
}
_AUTH = {
    "manual": "Manual accounts",
    "nologin": "No login",
    "webservice": "Web services authentication",
    "ldap": "LDAP server",
    "shibboleth": "Shibboleth",
    "oauth2": "OAuth 2",
    "email": "Email-based self-registration",
}
_LANGUAGES = {"en": "English \u200e(en)\u200e", "de": "Deutsch \u200e(de)\u200e"}
_GROUP_MODES = ("No groups", "Separate groups", "Visible groups")
_VISIBILITIES = ("", "Only visible to members", "Only see own membership", "Hidden")
_ARCHETYPES = {
    "manager": "ARCHETYPE: Manager",
    "coursecreator": "ARCHETYPE: Course creator",
    "editingteacher": "ARCHETYPE: Teacher (editing)",
    "teacher": "ARCHETYPE: Teacher (non-editing)",
    "student": "ARCHETYPE: Student",
}
ACTIVE, SUSPENDED, NOT_CURRENT = 0, 1, 2
_STATUSES = {ACTIVE: "Active", SUSPENDED: "Suspended", NOT_CURRENT: "Not current"}


@dataclass(frozen=True)
class Column:
    """One kind of column; `show` and `raw` get the view and the record, `missing` stands in where there is none."""

    title: str
    record: str
    show: Callable[[View, Any], Cell]
    raw: Callable[[View, Any], Any]
    missing: Cell = ""


def status_of(enrolment: Enrolment, now: int) -> int:
    """An enrolment's status as reports see it, without the rounding of other functions."""
    if enrolment.suspended:
        return SUSPENDED
    over = 0 < enrolment.timeend < now
    return NOT_CURRENT if over or enrolment.timestart > now or not enrolment.method.enabled else ACTIVE


def _text(title: str, record: str, field: str, missing: Cell = "") -> Column:
    def raw(_view: View, found: Any) -> str:
        return str(getattr(found, field) or "")

    return Column(title, record, lambda view, found: escaped(raw(view, found)), raw, missing)


def _name(title: str, record: str, field: str = "name") -> Column:
    return Column(
        title, record, lambda _, found: name(getattr(found, field)), lambda _, found: getattr(found, field)
    )


def _flag(title: str, record: str, field: str) -> Column:
    return Column(
        title,
        record,
        lambda _, found: yes_no(getattr(found, field)),
        lambda _, found: int(getattr(found, field)),
    )


def _date(title: str, record: str, raw: Callable[[Any], int]) -> Column:
    return Column(title, record, lambda view, found: view.date(raw(found)), lambda _, found: raw(found))


def _when(title: str, record: str, field: str) -> Column:
    return _date(title, record, lambda found: int(getattr(found, field)))


def _one_of(title: str, record: str, field: str, words: dict[str, str]) -> Column:
    def show(_view: View, found: Any) -> str:
        value = str(getattr(found, field))
        return words.get(value) or escaped(value)

    return Column(title, record, show, lambda _, found: getattr(found, field))


def _course_link(title: str, field: str) -> Column:
    def show(view: View, course: Course) -> str:
        return view.link("/course/view.php", name(getattr(course, field)), id=course.id)

    return Column(title, "course", show, lambda _, course: getattr(course, field))


def _category(title: str, show: Callable[[View, Any], Cell], field: str = "name") -> Column:
    return Column(
        title,
        "course",
        lambda view, course: show(view, view.university.categories[course.category]),
        lambda view, course: getattr(view.university.categories[course.category], field),
    )


def _category_path(view: View, category: Any) -> str:
    return " / ".join(name(view.university.categories[number].name) for number in category.path)


def _context_name(view: View, context: Context) -> str:
    if context.level == "course":
        return f"Course: {name(view.university.courses[context.id].fullname)}"
    if context.level == "category":
        return f"Category: {name(view.university.categories[context.id].name)}"
    return "System"


def _context_link(view: View, context: Context) -> str:
    shown = _context_name(view, context)
    if context.level == "course":
        return view.link("/course/view.php", shown, id=context.id)
    if context.level == "category":
        return view.link("/course/index.php", shown, categoryid=context.id)
    return view.link("/", shown)


def _context(title: str, show: Callable[[View, Context], Cell]) -> Column:
    return Column(title, "context", show, lambda _, context: (context.level, context.id))


_LEVELS = {"system": 10, "category": 40, "course": 50}
"""`CONTEXT_SYSTEM` and so on."""

COLUMNS: dict[str, Column] = {
    "course:coursefullnamewithlink": _course_link("Course full name with link", "fullname"),
    "course:courseshortnamewithlink": _course_link("Course short name with link", "shortname"),
    "course:courseidnumberewithlink": _course_link("Course ID number with link", "idnumber"),
    "course:fullname": Column(
        "Course full name", "course", lambda _, it: plain_name(it.fullname), lambda _, it: it.fullname
    ),
    "course:shortname": Column(
        "Course short name", "course", lambda _, it: plain_name(it.shortname), lambda _, it: it.shortname
    ),
    "course:idnumber": _text("Course ID number", "course", "idnumber"),
    "course:startdate": _when("Course start date", "course", "startdate"),
    "course:enddate": _when("Course end date", "course", "enddate"),
    "course:visible": _flag("Course visibility", "course", "visible"),
    "course:groupmode": Column(
        "Group mode", "course", lambda _, it: _GROUP_MODES[it.groupmode], lambda _, it: int(it.groupmode)
    ),
    "course:lang": _one_of("Force language", "course", "lang", _LANGUAGES),
    "course:timecreated": _when("Time created", "course", "timecreated"),
    "course:timemodified": _when("Time modified", "course", "timemodified"),
    "course:url": Column(
        "Course URL",
        "course",
        lambda view, it: view.address("/course/view.php", id=it.id),
        lambda _, it: it.id,
    ),
    "course_category:name": _category("Category name", lambda _, it: name(it.name)),
    "course_category:namewithlink": _category(
        "Category name with link",
        lambda view, it: view.link("/course/management.php", name(it.name), categoryid=it.id),
    ),
    "course_category:path": _category("Category path", _category_path),
    "course_category:idnumber": _category("Category ID number", lambda _, it: it.idnumber, "idnumber"),
    "enrol:plugin": _one_of("Plugin", "method", "kind", METHODS),
    "enrol:enabled": _flag("Enabled", "method", "enabled"),
    "enrolment:method": _one_of("Method", "method", "kind", METHODS),
    "enrolment:timecreated": _when("Time created", "enrolment", "timecreated"),
    "enrolment:timestarted": _date("Time started", "enrolment", lambda it: it.timestart or it.timecreated),
    "enrolment:timeended": _when("Time ended", "enrolment", "timeend"),
    "enrolment:status": Column(
        "Status",
        "enrolment",
        lambda view, it: _STATUSES[status_of(it, view.now)],
        lambda view, it: status_of(it, view.now),
        None,
    ),
    "enrolment:role": Column("Role", "role", lambda _, it: it.name or it.title, lambda _, it: it.shortname),
    "user:fullname": Column("Full name", "person", lambda _, it: it.fullname, lambda _, it: it.fullname),
    "user:fullnamewithlink": Column(
        "Full name with link",
        "person",
        lambda view, it: view.link("/user/profile.php", it.fullname, id=it.id),
        lambda _, it: (it.firstname, it.lastname, it.id),
    ),
    "user:firstname": _text("First name", "person", "firstname"),
    "user:lastname": _text("Last name", "person", "lastname"),
    "user:username": _text("Username", "person", "username"),
    "user:idnumber": _text("ID number", "person", "idnumber"),
    "user:email": _text("Email address", "person", "email"),
    "user:institution": _text("Institution", "person", "institution"),
    "user:department": _text("Department", "person", "department"),
    "user:suspended": _flag("Suspended", "person", "suspended"),
    "user:confirmed": _flag("Confirmed", "person", "confirmed"),
    "user:auth": _one_of("Authentication", "person", "auth", _AUTH),
    "user:lang": _one_of("Language", "person", "lang", _LANGUAGES),
    "user:firstaccess": _when("First access", "person", "firstaccess"),
    "user:lastaccess": _when("Last access", "person", "lastaccess"),
    "user:timecreated": _when("Time created", "person", "timecreated"),
    "user:timemodified": _when("Time modified", "person", "timemodified"),
    "role:name": Column("Role name", "role", lambda _, it: it.name or it.title, lambda _, it: it.id),
    "role:originalname": Column(
        "Original name", "role", lambda _, it: it.name or it.title, lambda _, it: it.id
    ),
    "role:shortname": Column(
        "Short name", "role", lambda _, it: it.shortname, lambda _, it: it.shortname, None
    ),
    "role:archetype": Column(
        "Role archetype",
        "role",
        lambda _, it: _ARCHETYPES.get(it.shortname, "None"),
        lambda _, it: it.shortname,
    ),
    "group:name": _name("Name", "group"),
    "group:idnumber": Column(
        "ID number", "group", lambda _, it: it.idnumber, lambda _, it: it.idnumber, None
    ),
    "group:visibility": Column(
        "Visibility",
        "group",
        lambda view, it: _VISIBILITIES[it.visibility] or view.session.version.group_visible_to_all,
        lambda _, it: int(it.visibility),
    ),
    "group:participation": _flag("Participation", "group", "participation"),
    "grouping:name": _name("Name", "grouping"),
    "grouping:idnumber": Column(
        "ID number", "grouping", lambda _, it: it.idnumber, lambda _, it: it.idnumber, None
    ),
    "context:name": _context("Context name", _context_name),
    "context:link": _context("Context URL", _context_link),
    "context:level": Column(
        "Context level",
        "context",
        lambda _, it: it.level.capitalize(),
        lambda _, it: _LEVELS[it.level],
    ),
}


def column_of(session: Session, identifier: str) -> Column | None:
    """The column, or None where the version, an upgrade or the caller's rights leave the report without it."""
    if identifier in session.version.reports_lack or identifier in session.site.reports.forgotten:
        return None
    entity, _, shortname = identifier.partition("field_")
    if entity == "course:custom":
        field = session.university.course_fields.get(shortname)
        return _course_field(field) if field and field.visibility is CourseFieldVisibility.EVERYONE else None
    if entity == "user:profile":
        mine = session.university.profile_fields.get(shortname)
        everything = session.allows(rights.USER_VIEW_ALL_DETAILS)
        seen = mine is not None and (everything or mine.visibility is ProfileFieldVisibility.ALL)
        return _profile_field(mine) if mine is not None and seen else None
    if identifier not in COLUMNS:
        raise NotAnswered(f"core_reportbuilder_retrieve_report with {identifier}")
    return COLUMNS[identifier]


def _course_field(field: CourseField) -> Column:
    def show(_view: View, course: Course) -> str:
        return custom_field_html(field, course.fields.get(field.shortname))

    return Column(field.name, "course", show, show)


def _profile_field(field: ProfileField) -> Column:
    def raw(_view: View, person: Any) -> str:
        return str(person.profile.get(field.shortname, ""))

    def show(view: View, person: Any) -> str:
        return profile_field_html(field, raw(view, person)) if raw(view, person) else ""

    return Column(field.name, "person", show, raw)
