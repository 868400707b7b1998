"""What the web service says about people: the participants of a course, and accounts by a field.

`core_enrol_get_enrolled_users` lists every enrolment of any state unless told otherwise, and pages before it drops
the people whom the caller may not see. `core_user_get_users_by_field` looks at accounts, deleted ones too when asked
by id, and returns a person only if the very field that was searched is visible to the caller.
"""

from __future__ import annotations

from typing import Any

from . import rights
from .errors import InvalidParameter, coding_error
from .parameters import clean, php_int
from .person_details import ACCOUNT_KEYS, PARTICIPANT_KEYS, details, in_order
from .records import SITE_COURSE_ID, Course, GroupMode, Person
from .session import Session

_ROW = dict[str, Any]


class _Wish:
    """The options of `core_enrol_get_enrolled_users`, read in the order given; an unknown name is ignored."""

    def __init__(self, options: list[dict[str, str]]) -> None:
        self.capability = ""
        self.group = 0
        self.only_active = self.only_suspended = False
        self.fields: list[str] = []
        self.skip = self.limit = 0
        self.sort_by, self.descending = "id", False
        for option in options:
            self._take(option["name"], option["value"])

    def _take(self, name: str, value: str) -> None:
        if name == "withcapability":
            self.capability = value
        elif name == "groupid":
            self.group = php_int(value)
        elif name == "onlyactive":
            self.only_active = value not in ("", "0")
        elif name == "onlysuspended":
            self.only_suspended = value not in ("", "0")
        elif name == "userfields":
            self.fields += [clean("alphanumext", part) for part in value.split(",")]
        elif name == "limitfrom":
            self.skip = php_int(value)
        elif name == "limitnumber":
            self.limit = php_int(value)
        elif name == "sortby":
            self.sort_by = _one_of(name, value, ("id", "firstname", "lastname", "siteorder"))
        elif name == "sortdirection":
            self.descending = _one_of(name, value.upper(), ("ASC", "DESC")) == "DESC"


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidParameter(
            f"Invalid value for {name} parameter (value: {value}), allowed values are: {','.join(allowed)}"
        )
    return value


def get_enrolled_users(session: Session, courseid: int, options: list[dict[str, str]]) -> list[_ROW]:
    """The participants of a course (1: all accounts of the site) as far as the caller sees them."""
    wish = _Wish(options)
    course = session.course(courseid)
    _require_rights(session, course, wish)
    people = _participants(session, course, wish)
    page = _sorted(people, wish)[wish.skip : wish.skip + wish.limit if wish.limit else None]
    rows = (details(session, person, course, wish.fields) for person in page)
    return [in_order(row, PARTICIPANT_KEYS, display_values=False) for row in rows if row is not None]


def _require_rights(session: Session, course: Course, wish: _Wish) -> None:
    """The checks of the function in Moodle's order."""
    is_site = course.id == SITE_COURSE_ID
    view = rights.SITE_VIEW_PARTICIPANTS if is_site else rights.VIEW_PARTICIPANTS
    if not session.allows(rights.ENROL_REVIEW, course):
        session.require(view, course)
    if wish.capability:
        session.require(rights.ROLE_REVIEW, course)
    if wish.group and not _is_member(session, wish.group):
        session.require(rights.ACCESS_ALL_GROUPS, course)
    if wish.only_active or wish.only_suspended:
        session.require(rights.ENROL_REVIEW, course)
    if wish.only_active and wish.only_suspended:
        raise coding_error("Both onlyactive and onlysuspended are set, this is probably not what you want!")
    if is_site and wish.only_suspended:
        raise coding_error("onlysuspended is not supported on frontpage; please add your own early-exit!")


def _is_member(session: Session, group: int) -> bool:
    known = session.university.groups.get(group)
    return known is not None and session.user in known.members


def _participants(session: Session, course: Course, wish: _Wish) -> list[Person]:
    university = session.university
    people = university.people
    if course.id == SITE_COURSE_ID:
        chosen = [person for person in people.values() if not person.deleted]
    else:
        chosen = [people[user] for user in university.enrolled(course.id)]
    now = session.now_for_lists
    if course.id != SITE_COURSE_ID and (wish.only_active or wish.only_suspended):
        chosen = [one for one in chosen if university.active(course.id, one.id, now) == wish.only_active]
    if wish.capability:
        chosen = [one for one in chosen if university.holds(one.id, course, wish.capability)]
    if wish.group:
        group = university.groups.get(wish.group)
        chosen = [one for one in chosen if group is not None and one.id in group.members]
    elif course.groupmode is GroupMode.SEPARATE and not session.allows(rights.ACCESS_ALL_GROUPS, course):
        mine = [group for group in university.groups_in(course.id) if session.user in group.members]
        chosen = [one for one in chosen if any(one.id in group.members for group in mine)]
    return chosen


def _sorted(people: list[Person], wish: _Wish) -> list[Person]:
    """By one column, or in the site's order: last name, first name, id, of which DESC turns only the id."""
    if wish.sort_by != "siteorder":
        return sorted(people, key=lambda one: _column(one, wish.sort_by), reverse=wish.descending)
    by_id = sorted(people, key=lambda one: one.id, reverse=wish.descending)
    return sorted(by_id, key=lambda one: (one.lastname.casefold(), one.firstname.casefold()))


def _column(person: Person, name: str) -> tuple[str, int]:
    return ("", person.id) if name == "id" else (str(getattr(person, name)).casefold(), person.id)


def get_users_by_field(session: Session, field: str, values: list[str]) -> list[_ROW]:
    """The accounts with one of the values in `id`, `idnumber`, `username` or `email`, by id."""
    if field not in ("id", "idnumber", "username", "email"):
        raise coding_error(
            "invalid field parameter",
            f"The search field '{field}' is not supported, look at the web service documentation",
        )
    for value in values:
        if value != (cleaned := _cleaned(session, field, value)):
            raise InvalidParameter(f"The field '{field}' value is invalid: {value}(cleaned value: {cleaned})")
    people, wanted = session.university.people, set(values)
    if field == "id":
        found = [people[number] for number in sorted(map(int, wanted)) if number in people]
    else:
        found = [people[number] for number in sorted(people) if getattr(people[number], field) in wanted]
    rows = (_account(session, person) for person in found)
    return [in_order(row, ACCOUNT_KEYS, display_values=True) for row in rows if row and row.get(field)]


def _cleaned(session: Session, field: str, value: str) -> str:
    """What Moodle makes of a searched value; a difference fails the whole call."""
    if field == "id":
        return str(php_int(value))
    if field == "email":
        return value.strip()
    if field == "username":
        return clean_username(value, extended=session.site.extended_usernames)
    return value


def clean_username(value: str, *, extended: bool) -> str:
    """Moodle's PARAM_USERNAME; `extended` is the site setting that lets other characters in."""
    lowered = value.strip().lower()
    if extended:
        return lowered
    return "".join(one for one in lowered if one.isascii() and (one.isalnum() or one in "-.@_"))


def _account(session: Session, person: Person) -> _ROW | None:
    """The person seen from the system, else from the last of the courses that let the caller see the profile.

    Moodle: `user_get_user_details_courses`. A person without any such course is silently nobody.
    """
    university = session.university
    contact = university.has_role_anywhere(person.id, session.site.contact_roles)
    if person.id == session.user or contact or session.allows(rights.USER_VIEW_DETAILS):
        return details(session, person, None, [])
    row = None
    for course in university.courses_of(person.id, session.now):
        allowed = session.allows(rights.USER_VIEW_DETAILS, course) or session.allows(
            rights.USER_VIEW_ALL_DETAILS, course
        )
        if allowed and not person.deleted and session.shares_group(course, person.id):
            row = details(session, person, course, [])
    return row
