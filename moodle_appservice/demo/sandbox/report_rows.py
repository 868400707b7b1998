"""How a report's source joins tables into rows.

A source starts at its main table and joins another one only when a column or a condition of the report needs it:
memberships without a user column are one row per course, a group column gives one row per group of a person. All
joins keep the left side, so an enrolment method that nobody uses is a row without a person, a course without groups
a row without a group. What multiplies rows here multiplies them in Moodle: two roles, two methods, two groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .records import SITE_COURSE_ID, Course, Enrolment, EnrolMethod, Group, Grouping, Person, Role
from .reports import COURSES, GROUPS, PARTICIPANTS, ROLES, USERS
from .university import University

GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Context:
    """Where a role is assigned: `level` is `course`, `category` or `system`, `id` that of the course or category."""

    level: str
    id: int = 0


@dataclass(slots=True)
class Row:
    """One joined row: the records that its cells are made of, None where the join found nothing."""

    course: Course | None = None
    method: EnrolMethod | None = None
    enrolment: Enrolment | None = None
    person: Person | None = None
    role: Role | None = None
    group: Group | None = None
    grouping: Grouping | None = None
    context: Context | None = None


def rows_of(university: University, source: str, needed: frozenset[str]) -> Iterator[Row]:
    """All rows of a source; `needed` names the fields of `Row` that the report uses."""
    return _SOURCES[source](university, needed)


def _courses(university: University) -> Iterator[Course]:
    return (course for course in tuple(university.courses.values()) if course.id != SITE_COURSE_ID)


def _plain_courses(university: University, _needed: frozenset[str]) -> Iterator[Row]:
    return (Row(course) for course in _courses(university))


def _people(university: University, _needed: frozenset[str]) -> Iterator[Row]:
    for person in tuple(university.people.values()):
        if not person.deleted and person.username != GUEST:
            yield Row(person=person)


def _participants(university: University, needed: frozenset[str]) -> Iterator[Row]:
    below = not needed.isdisjoint(("enrolment", "person", "role", "group"))
    for course in _courses(university):
        methods = tuple(university.methods(course.id)) if below or "method" in needed else ()
        if not methods:
            yield Row(course)
        enrolments: dict[int, list[Enrolment]] = {}
        for enrolment in university.enrolments_in(course.id) if below else ():
            enrolments.setdefault(enrolment.method.id, []).append(enrolment)
        for method in methods:
            for enrolment in enrolments.get(method.id, ()):
                yield from _memberships(university, needed, course, enrolment)
            if method.id not in enrolments:
                yield Row(course, method)


def _memberships(
    university: University, needed: frozenset[str], course: Course, enrolment: Enrolment
) -> Iterator[Row]:
    person: Person | None = university.people[enrolment.user]
    roles: list[Role | None] = [None]
    groups: list[Group | None] = [None]
    if person is None or person.deleted:
        person = None
    else:
        if "role" in needed:
            roles = [*university.roles_in(course.id, person.id)] or roles
        if "group" in needed:
            groups = [*university.groups_in(course.id, person.id)] or groups
    for role in roles:
        for group in groups:
            yield Row(course, enrolment.method, enrolment, person, role, group)


def _groups(university: University, needed: frozenset[str]) -> Iterator[Row]:
    below = not needed.isdisjoint(("group", "grouping", "person"))
    for course in _courses(university):
        groups = university.groups_in(course.id) if below else []
        if not groups:
            yield Row(course)
        for group in groups:
            groupings: list[Grouping | None] = [None]
            members: list[Person | None] = [None]
            if "grouping" in needed:
                groupings = [
                    one for one in university.groupings.values() if group.id in one.groups
                ] or groupings
            if "person" in needed:
                members = [university.people[user] for user in sorted(group.members)] or members
            for grouping in groupings:
                for person in members:
                    yield Row(course, person=person, group=group, grouping=grouping)


@cache
def _context(level: str, number: int) -> Context:
    """One object per context: cells are remembered by the record that they are made of."""
    return Context(level, number)


def _role_assignments(university: University, _needed: frozenset[str]) -> Iterator[Row]:
    for category, held in university.category_role_holders().items():
        context = _context("category", category) if category else _context("system", 0)
        for user, names in held.items():
            for name in names:
                yield Row(person=university.people[user], role=university.roles[name], context=context)
    for course in tuple(university.courses):
        context = _context("course", course)
        for user in tuple(university.role_holders(course)):
            for role in university.roles_in(course, user):
                yield Row(person=university.people[user], role=role, context=context)


_SOURCES = {
    PARTICIPANTS: _participants,
    COURSES: _plain_courses,
    GROUPS: _groups,
    USERS: _people,
    ROLES: _role_assignments,
}
