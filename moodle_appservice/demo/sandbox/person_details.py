"""What the web service says about one person: Moodle's `user_get_user_details`, the root of most silent failures.

Nothing here raises for a missing right. A person whom the caller may not see is left out, a column that the caller
may not see is left out, and the caller cannot tell either from a person or a value that does not exist. `course`
is the course whose participants are listed; without it the person is looked at from the system.

Keys come in the order of Moodle's description of the answer, which cleans the row: `suspended`, `auth` and
`confirmed` may be asked for in a list of participants, yet are not part of that answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from . import rights
from .errors import invalid_user_field
from .records import (
    SITE_COURSE_ID,
    Course,
    GroupMode,
    GroupVisibility,
    MailDisplay,
    Person,
    ProfileField,
    ProfileFieldVisibility,
)
from .session import Session
from .text import format_string, format_text

_ROW = dict[str, Any]

KNOWN_FIELDS = frozenset(
    {
        "id",
        "username",
        "fullname",
        "firstname",
        "lastname",
        "email",
        "address",
        "phone1",
        "phone2",
        "department",
        "institution",
        "interests",
        "firstaccess",
        "lastaccess",
        "auth",
        "confirmed",
        "idnumber",
        "lang",
        "theme",
        "timezone",
        "mailformat",
        "description",
        "descriptionformat",
        "city",
        "country",
        "profileimageurlsmall",
        "profileimageurl",
        "customfields",
        "groups",
        "roles",
        "preferences",
        "enrolledcourses",
        "suspended",
        "lastcourseaccess",
    }
)

PARTICIPANT_KEYS = (
    "id",
    "username",
    "firstname",
    "lastname",
    "fullname",
    "email",
    "department",
    "institution",
    "idnumber",
    "firstaccess",
    "lastaccess",
    "lastcourseaccess",
    "city",
    "country",
    "profileimageurlsmall",
    "profileimageurl",
    "customfields",
    "groups",
    "roles",
    "preferences",
    "enrolledcourses",
)

ACCOUNT_KEYS = (
    "id",
    "username",
    "firstname",
    "lastname",
    "fullname",
    "email",
    "department",
    "institution",
    "idnumber",
    "firstaccess",
    "lastaccess",
    "auth",
    "suspended",
    "confirmed",
    "lang",
    "theme",
    "timezone",
    "mailformat",
    "trackforums",
    "city",
    "country",
    "profileimageurlsmall",
    "profileimageurl",
    "customfields",
    "preferences",
)


def details(session: Session, person: Person, course: Course | None, fields: list[str]) -> _ROW | None:
    """All columns that were asked for (none named: all) and that the caller may see, or None for nobody to see."""
    for name in fields:
        if name not in KNOWN_FIELDS and not (name == "trackforums" and session.version.has_trackforums):
            raise invalid_user_field(name)
    if not may_see(session, person, course):
        return None
    wanted = {*fields, "id", "fullname"} if fields else None
    row = _name_columns(session, person, course)
    row |= _contact_columns(session, person, course)
    row |= _open_columns(session, person, course)
    if course is not None:
        row |= _course_columns(session, person, course)
    if wanted is None or "customfields" in wanted:
        row |= _profile_fields(session, person)
    if wanted is None or "enrolledcourses" in wanted:
        row |= _enrolled_courses(session, person, course)
    if person.id == session.user:
        row["preferences"] = [{"name": name, "value": value} for name, value in person.preferences]
    return row if wanted is None else {key: value for key, value in row.items() if key in wanted}


def in_order(row: _ROW, keys: tuple[str, ...], *, display_values: bool) -> _ROW:
    """The row as the function's description lets it out; only some functions show `displayvalue`."""
    clean = {key: row[key] for key in keys if key in row}
    if not display_values and "customfields" in clean:
        clean["customfields"] = [
            {key: value for key, value in one.items() if key != "displayvalue"}
            for one in clean["customfields"]
        ]
    return clean


def may_see(session: Session, person: Person, course: Course | None) -> bool:
    """Oneself, with moodle/user:viewdetails everybody, without it only people with a course contact role."""
    return (
        person.id == session.user
        or session.allows(rights.USER_VIEW_DETAILS, course)
        or session.university.has_role_anywhere(person.id, session.site.contact_roles)
    )


def _sees_all(session: Session, person: Person, course: Course | None) -> bool:
    return person.id == session.user or session.allows(rights.USER_VIEW_ALL_DETAILS, course)


def _name_columns(session: Session, person: Person, course: Course | None) -> _ROW:
    row: _ROW = {"id": person.id, "fullname": person.fullname}
    if session.version.names_without_viewfullnames or session.allows(rights.VIEW_FULL_NAMES, course):
        row |= {"firstname": person.firstname, "lastname": person.lastname}
    if _sees_all(session, person, course):
        row |= {
            "username": person.username,
            "auth": person.auth,
            "confirmed": person.confirmed,
            "lang": person.lang,
            "theme": "",
            "mailformat": 1,
        }
        if session.version.has_trackforums:
            row["trackforums"] = 0
    return row


def _contact_columns(session: Session, person: Person, course: Course | None) -> _ROW:
    """E-mail and the columns that are shown as "user identity"."""
    sees_identity = session.allows(rights.VIEW_USER_IDENTITY, course)
    identity = session.site.identity_fields if sees_identity else ()
    all_details = _sees_all(session, person, course)
    row: _ROW = {}
    shows_mail = "email" not in _hidden(session, course) and (
        person.maildisplay is MailDisplay.EVERYONE
        or (person.maildisplay is MailDisplay.COURSE_MEMBERS and _share_a_course(session, person))
        or (course is not None and session.allows(rights.COURSE_USER_EMAIL, course))
    )
    if person.id == session.user or shows_mail or "email" in identity:
        row["email"] = person.email
    if person.idnumber and (all_details or "idnumber" in identity):
        row["idnumber"] = person.idnumber
    if person.institution and (all_details or "institution" in identity):
        row["institution"] = person.institution
    if all_details or "department" in identity:
        row["department"] = person.department
    return row


def _share_a_course(session: Session, person: Person) -> bool:
    """Whether the caller is enrolled beside the person; a service user usually is nowhere."""
    mine = session.university.courses_of(session.user, session.now)
    return any(session.university.active(course.id, person.id, session.now) for course in mine)


def _hidden(session: Session, course: Course | None) -> set[str]:
    """The names of the columns that the site hides from this caller."""
    right = rights.VIEW_HIDDEN_DETAILS if course is None else rights.VIEW_HIDDEN_USER_FIELDS
    return set() if session.allows(right, course) else session.site.hidden_user_fields


def _open_columns(session: Session, person: Person, course: Course | None) -> _ROW:
    """What nobody hides unless the site names it in `hiddenuserfields`."""
    hidden = _hidden(session, course)
    row: _ROW = {
        "profileimageurlsmall": session.site.picture("f2", person),
        "profileimageurl": session.site.picture("f1", person),
        "suspended": person.suspended,
        "firstaccess": person.firstaccess,
        "lastaccess": person.lastaccess,
        "timezone": person.timezone,
    }
    if person.city:
        row["city"] = person.city
    if person.country:
        row["country"] = person.country
    if "lastaccess" not in hidden:
        row["lastcourseaccess"] = session.university.last_access(course.id, person.id) if course else 0
    return {key: value for key, value in row.items() if key not in hidden}


def _course_columns(session: Session, person: Person, course: Course) -> _ROW:
    """Roles in the course's own context only, and groups; the key `groups` is absent without a group."""
    row: _ROW = {
        "roles": [
            {"roleid": role.id, "name": role.name, "shortname": role.shortname, "sortorder": 0}
            for role in session.university.roles_in(course.id, person.id)
        ]
    }
    seen = [
        group
        for group in session.university.groups_in(course.id, person.id)
        if group.visibility is not GroupVisibility.NONE or session.allows(rights.VIEW_HIDDEN_GROUPS, course)
    ]
    if not seen:
        return row
    narrow = (
        course.groupmode is GroupMode.SEPARATE
        and person.id != session.user
        and not session.allows(rights.ACCESS_ALL_GROUPS, course)
    )
    row["groups"] = [
        {
            "id": group.id,
            "name": format_string(group.name),
            "description": format_text(group.description),
            "descriptionformat": group.descriptionformat,
        }
        for group in seen
        if not narrow or session.user in group.members
    ]
    return row


def _profile_fields(session: Session, person: Person) -> _ROW:
    """The filled profile fields that the caller may see; no key without any."""
    everything = person.id == session.user or session.allows(rights.USER_VIEW_ALL_DETAILS)
    rows = [
        {
            "type": "text",
            "value": value,
            "displayvalue": profile_field_html(definition, value),
            "name": format_string(definition.name),
            "shortname": definition.shortname,
        }
        for definition in session.university.profile_fields.values()
        if (value := person.profile.get(definition.shortname, ""))
        and (everything or definition.visibility is ProfileFieldVisibility.ALL)
    ]
    return {"customfields": rows} if rows else {}


def profile_field_html(definition: ProfileField, value: str) -> str:
    """A profile field's value as HTML, inside a link when the field has one."""
    shown = format_string(value)
    if not definition.link:
        return shown
    address = definition.link.replace("$$", quote(value, safe=""))
    target = f' target="{definition.linktarget}"' if definition.linktarget else ""
    return f'<a href="{address}"{target}>{shown}</a>'


def _enrolled_courses(session: Session, person: Person, course: Course | None) -> _ROW:
    """The courses with an active enrolment; no key without any, or when the site hides `mycourses`."""
    if "mycourses" in _hidden(session, course):
        return {}
    now = session.now_for_lists if session.version.rounds_own_courses else session.now
    rows = [
        {"id": row.id, "fullname": format_string(row.fullname), "shortname": format_string(row.shortname)}
        for row in session.university.courses_of(person.id, now)
        if row.id != SITE_COURSE_ID
    ]
    return {"enrolledcourses": rows} if rows else {}
