"""What the web service says about courses: `core_course_get_courses` and `core_course_get_courses_by_field`.

The two differ in what happens to a course that the caller may not enter: the first fails as a whole, the second
shows only what the public course list shows, or nothing when the course is hidden. Fields for managers need
moodle/course:update in that very course.
"""

from __future__ import annotations

import re
from typing import Any

from . import rights
from .errors import InvalidParameter, MoodleError, course_not_valid, php_error
from .parameters import php_int
from .records import SITE_COURSE_ID, Course, CourseField, CourseFieldVisibility, FieldKind
from .session import Session
from .text import format_string, format_text

_FILTERS = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")
_ROW = dict[str, Any]


def get_courses(session: Session, options: _ROW) -> list[_ROW]:
    """All courses, or those of `options[ids]`; a missing id is skipped, a shut course fails the whole call."""
    courses = session.university.courses
    wanted = set(options.get("ids") or courses)
    return [_course_row(session, course) for course in tuple(courses.values()) if course.id in wanted]


def _course_row(session: Session, course: Course) -> _ROW:
    try:
        session.enter(course)
    except MoodleError as failure:
        raise course_not_valid(course.id, failure.message) from None
    if course.id != SITE_COURSE_ID:
        session.require(rights.COURSE_VIEW, course)
    manages = session.allows(rights.COURSE_UPDATE, course)
    is_site = course.id == SITE_COURSE_ID
    summary, summaryformat = session.description(course.summary, course.summaryformat)
    row: _ROW = {"id": course.id, "shortname": session.name(course.shortname), "categoryid": course.category}
    if manages:
        row["categorysortorder"] = course.sortorder
    row |= {"fullname": session.name(course.fullname), "displayname": session.name(course.fullname)}
    if manages:
        row["idnumber"] = course.idnumber
    row |= {"summary": summary, "summaryformat": summaryformat, "format": course.format}
    if manages:
        row |= {"showgrades": 1, "newsitems": course.newsitems}
    row |= {"startdate": course.startdate, "enddate": course.enddate}
    if manages or is_site:
        row["numsections"] = course.numsections
    if manages:
        row |= _manager_columns(course, is_site)
    row |= {
        "showactivitydates": course.showactivitydates,
        "showcompletionconditions": course.showcompletionconditions,
    }
    return row | _custom_fields(session, course)


def _manager_columns(course: Course, is_site: bool) -> _ROW:
    options = (
        (("numsections", course.numsections),) if is_site else (("hiddensections", 1), ("coursedisplay", 0))
    )
    return {
        "maxbytes": 0,
        "showreports": 0,
        "visible": int(course.visible),
        **({} if is_site else {"hiddensections": 1}),
        "groupmode": int(course.groupmode),
        "groupmodeforce": course.groupmodeforce,
        "defaultgroupingid": course.defaultgroupingid,
        "timecreated": course.timecreated,
        "timemodified": course.timemodified,
        "enablecompletion": 0,
        "completionnotify": 0,
        "lang": course.lang,
        "forcetheme": course.theme,
        "courseformatoptions": [{"name": name, "value": value} for name, value in options],
    }


def get_courses_by_field(session: Session, field: str, value: str) -> _ROW:
    """`{courses, warnings}`; without `field` all courses, in the order of their ids."""
    warnings: list[_ROW] = []
    found = _find(session, field, value)
    if field == "ids":
        for course in found:
            try:
                session.enter(course)
            except MoodleError:
                warnings.append(
                    {
                        "item": "course",
                        "itemid": course.id,
                        "warningcode": "1",
                        "message": "No access rights in course context",
                    }
                )
    rows = (_listed_course(session, course) for course in found)
    return {"courses": [row for row in rows if row is not None], "warnings": warnings}


def _find(session: Session, field: str, value: str) -> list[Course]:
    courses = session.university.courses
    in_order = [courses[number] for number in sorted(courses)]
    if field == "ids":
        return _find_ids(courses, value)
    if field == "":
        return in_order
    if field in ("id", "category"):
        number = php_int(value)
        return [row for row in in_order if (row.id if field == "id" else row.category) == number]
    if field == "sectionid" and session.version.has_sectionid:
        return [row for row in in_order if php_int(value) in row.section_ids]
    if field in ("shortname", "idnumber"):
        return [row for row in in_order if getattr(row, field) == value]
    raise InvalidParameter("Invalid field name")


def _find_ids(courses: dict[int, Course], value: str) -> list[Course]:
    """One id that does not exist breaks the whole call (Moodle writes to a course that it did not load)."""
    numbers = list(dict.fromkeys(php_int(part) for part in re.sub(r"[^0-9,]", "", value).split(",")))
    if any(number not in courses for number in numbers):
        raise php_error('Attempt to assign property "contextvalidated" on null')
    return [courses[number] for number in numbers]


def _listed_course(session: Session, course: Course) -> _ROW | None:
    manages = session.allows(rights.COURSE_UPDATE, course)
    if not course.visible and not manages and not session.allows(rights.VIEW_HIDDEN_COURSES, course):
        return None
    row = _public_columns(session, course)
    try:
        session.enter(course)
    except MoodleError:
        return row
    if manages:
        row["idnumber"] = course.idnumber
    row |= _member_columns(course)
    if manages:
        row |= {
            "legacyfiles": 0,
            "calendartype": "",
            "timecreated": course.timecreated,
            "timemodified": course.timemodified,
            "requested": 0,
            "cacherev": course.cacherev,
        }
    row["filters"] = [{"filter": name, "localstate": 0, "inheritedstate": 1} for name in _FILTERS]
    if course.id != SITE_COURSE_ID:
        options = (("hiddensections", 1), ("coursedisplay", 0), ("indentation", "1"))
        row["courseformatoptions"] = [{"name": name, "value": option} for name, option in options]
    if session.version.has_communication and session.site.communication_enabled and course.communication:
        name, url = course.communication
        row |= {"communicationroomname": session.name(name), "communicationroomurl": url}
    return row


def _public_columns(session: Session, course: Course) -> _ROW:
    """What everybody sees in the course list (Moodle: `get_course_public_information`)."""
    category = session.university.categories.get(course.category)
    shown = category is not None and (
        category.visible or session.allows_in_category(rights.VIEW_HIDDEN_CATEGORIES, category.id)
    )
    summary, summaryformat = session.description(course.summary, course.summaryformat)
    return {
        "id": course.id,
        "fullname": session.name(course.fullname),
        "displayname": session.name(course.fullname),
        "shortname": session.name(course.shortname),
        "courseimage": f"{session.site.url}/pluginfile.php/{course.context_id}/course/generated/course.svg",
        "categoryid": course.category,
        "categoryname": session.name(category.name) if category and shown else "",
        "sortorder": course.sortorder,
        "summary": summary,
        "summaryformat": summaryformat,
        "summaryfiles": [],
        "overviewfiles": _overview_files(session, course),
        "showactivitydates": course.showactivitydates,
        "showcompletionconditions": course.showcompletionconditions,
        "contacts": _contacts(session, course),
        "enrollmentmethods": [way.kind for way in session.university.methods(course.id) if way.enabled],
        **_custom_fields(session, course),
    }


def _member_columns(course: Course) -> _ROW:
    """What only those see who may enter the course."""
    return {
        "format": course.format,
        "showgrades": 1,
        "newsitems": course.newsitems,
        "startdate": course.startdate,
        "enddate": course.enddate,
        "maxbytes": 0,
        "showreports": 0,
        "visible": int(course.visible),
        "groupmode": int(course.groupmode),
        "groupmodeforce": course.groupmodeforce,
        "defaultgroupingid": course.defaultgroupingid,
        "enablecompletion": 0,
        "completionnotify": 0,
        "lang": course.lang,
        "theme": course.theme,
        "marker": 0,
    }


def _overview_files(session: Session, course: Course) -> list[dict[str, Any]]:
    """The picture of the course, as `external_util` describes a file; what is drawn for one without is not listed."""
    if course.picture is None:
        return []
    path = f"{course.context_id}/course/overviewfiles/{course.picture_name}"
    return [
        {
            "filename": course.picture_name,
            "filepath": "/",
            "filesize": len(course.picture[1]),
            "fileurl": f"{session.site.url}/webservice/pluginfile.php/{path}",
            "timemodified": course.picture_time,
            "mimetype": course.picture[0],
        }
    ]


def _contacts(session: Session, course: Course) -> list[_ROW]:
    """The actively enrolled people with a contact role, by role and name (Moodle: `preload_course_contacts`)."""
    university = session.university
    rows = [
        (university.roles[role].sortorder, person.lastname, person.firstname, person.id, person.fullname)
        for user, held in university.role_holders(course.id).items()
        for role in held & session.site.contact_roles
        if not (person := university.people[user]).deleted and university.active(course.id, user, session.now)
    ]
    return [{"id": number, "fullname": fullname} for *_, number, fullname in sorted(rows)]


def _custom_fields(session: Session, course: Course) -> dict[str, list[_ROW]]:
    """`{"customfields": [...]}`, or nothing at all when the caller sees no field."""
    seen = [
        definition
        for definition in session.university.course_fields.values()
        if definition.visibility is CourseFieldVisibility.EVERYONE
        or (
            definition.visibility is CourseFieldVisibility.TEACHERS
            and session.allows(rights.COURSE_UPDATE, course)
        )
    ]
    rows = [
        _custom_field(session, definition, course.fields.get(definition.shortname)) for definition in seen
    ]
    return {"customfields": rows} if rows else {}


def _custom_field(session: Session, definition: CourseField, stored: int | str | None) -> _ROW:
    """One field with its stored value and the value as shown; never raw, whatever the caller asked for."""
    raw = _default(definition) if stored is None else stored
    empty = session.version.empty_textarea if definition.kind is FieldKind.TEXTAREA else None
    return {
        "name": definition.name,
        "shortname": definition.shortname,
        "type": definition.kind.value,
        "valueraw": raw,
        "value": custom_field_html(definition, raw) or empty,
    }


def custom_field_html(definition: CourseField, stored: int | str | None) -> str:
    """A course field's value, or its default, as Moodle shows it; empty when there is neither."""
    raw = _default(definition) if stored is None else stored
    if definition.kind is FieldKind.CHECKBOX:
        return "Yes" if raw else "No"
    if definition.kind is FieldKind.SELECT:
        known = 1 <= int(raw) <= len(definition.options)
        return format_string(definition.options[int(raw) - 1]) if known else ""
    return (format_string if definition.kind is FieldKind.TEXT else format_text)(str(raw))


def _default(definition: CourseField) -> int | str:
    if definition.kind is FieldKind.CHECKBOX:
        return int(definition.default == "1")
    if definition.kind is FieldKind.SELECT:
        options = definition.options
        return options.index(definition.default) + 1 if definition.default in options else 0
    return definition.default
