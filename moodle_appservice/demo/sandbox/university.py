"""The university: a mutable model in memory of what a Moodle database holds about courses and people.

It is the truth from which every answer of the sandbox is made. Tests and the demo's page change it by its methods
(`enrol`, `suspend_account`, `hide_category` …) or, for plain columns, on the records themselves
(`university.courses[2].fullname = "New name"`). Dictionaries keep the order in which rows were made: that is the
order in which a database answers a query without ORDER BY.

What a *viewer* may see is not decided here but in `session.py`. Time comes from `clock`, so a test can move it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from .records import (
    SITE_COURSE_ID,
    Category,
    Course,
    CourseField,
    Enrolment,
    EnrolMethod,
    Group,
    Grouping,
    Person,
    ProfileField,
    Role,
)

_TEACHES = frozenset({"moodle/course:viewhiddencourses", "moodle/course:viewparticipants"})
_EDITS = _TEACHES | {"moodle/course:update"}

SYSTEM = 0
"""Stands for the system where a category is asked for: a role held there counts in every course."""

STANDARD_ROLES = (
    Role(1, "manager", 1, title="Manager", capabilities=_EDITS),
    Role(2, "coursecreator", 2, title="Course creator", capabilities=frozenset({"moodle/course:create"})),
    Role(3, "editingteacher", 3, title="Teacher", capabilities=_EDITS),
    Role(4, "teacher", 4, title="Non-editing teacher", capabilities=_TEACHES),
    Role(5, "student", 5, title="Student", capabilities=frozenset({"moodle/course:viewparticipants"})),
)


class University:
    """Courses, people and everything between them; see the module's docstring."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Make an empty university that has only the front page course and the standard roles."""
        self.clock = clock
        self.categories: dict[int, Category] = {}
        self.courses: dict[int, Course] = {}
        self.people: dict[int, Person] = {}
        self.roles: dict[str, Role] = {role.shortname: role for role in STANDARD_ROLES}
        self.groups: dict[int, Group] = {}
        self.groupings: dict[int, Grouping] = {}
        self.course_fields: dict[str, CourseField] = {}
        self.profile_fields: dict[str, ProfileField] = {}
        self._methods: dict[int, list[EnrolMethod]] = {}
        self._enrolments: dict[int, dict[int, list[Enrolment]]] = {}
        self._courses_of: dict[int, set[int]] = {}
        self._course_roles: dict[int, dict[int, set[str]]] = {}
        self._category_roles: dict[int, dict[int, set[str]]] = {}
        self._roles_held: dict[int, dict[str, int]] = {}
        self._course_groups: dict[int, list[Group]] = {}
        self._access: dict[tuple[int, int], int] = {}
        self._made_in: dict[int, int] = {}
        self._last: dict[str, int] = {}
        self.add_course(
            "SITE",
            "Sandbox University",
            category=0,
            id=SITE_COURSE_ID,
            format="site",
            sortorder=1,
            summaryformat=0,
            showcompletionconditions=None,
            newsitems=3,
            numsections=1,
        )

    def now(self) -> int:
        """The present in whole seconds."""
        return int(self.clock())

    def _number(self, table: str, wanted: int | None = None) -> int:
        """The next id of a table, never one that was given before."""
        number = wanted or self._last.get(table, 0) + 1
        self._last[table] = max(self._last.get(table, 0), number)
        return number

    # ── making rows ──────────────────────────────────────────────────────────────────────────────────────────

    def add_category(self, name: str, parent: int = 0, *, id: int | None = None, **columns: Any) -> Category:
        """Make a category below `parent` (0: at the top); one below a hidden category starts hidden."""
        number = self._number("category", id)
        path = (*self.categories[parent].path, number) if parent else (number,)
        columns.setdefault("sortorder", 10000 * (len(self.categories) + 1))
        category = Category(number, name, path, parent, **columns)
        category.timemodified = category.timemodified or self.now()
        if parent and not self.categories[parent].visible:
            category.visible = False
        self.categories[number] = category
        return category

    def add_course(
        self, shortname: str, fullname: str, category: int, *, id: int | None = None, **columns: Any
    ) -> Course:
        """Make a course with an enabled `manual` enrolment method; columns as in `records.Course`."""
        number = self._number("course", id)
        if category:
            self._made_in[category] = self._made_in.get(category, 0) + 1
            columns.setdefault("sortorder", self.categories[category].sortorder + self._made_in[category])
        course = Course(number, shortname, fullname, category, **columns)
        course.context_id = course.context_id or number + 12
        course.section_ids = course.section_ids or tuple(
            range(number * 10, number * 10 + course.numsections + 1)
        )
        course.timecreated = course.timecreated or self.now()
        course.timemodified = course.timemodified or course.timecreated
        course.cacherev = course.cacherev or course.timecreated
        course.visible_old = course.visible
        if category and not self.categories[category].visible:
            course.visible = False
        self.courses[number] = course
        self._enrolments[number] = {}
        self._course_roles[number] = {}
        self._course_groups[number] = []
        self._methods[number] = []
        if category:
            self.add_method(number, "manual")
        return course

    def add_person(
        self, username: str, firstname: str, lastname: str, *, id: int | None = None, **columns: Any
    ) -> Person:
        """Make an account; Moodle keeps user names in lower case, so an upper-case one is refused."""
        if username != username.lower():
            raise ValueError(f"Moodle has no user name in upper case: {username!r}")
        number = self._number("person", id)
        person = Person(number, username, firstname, lastname, **columns)
        person.timecreated = person.timecreated or self.now()
        person.timemodified = person.timemodified or person.timecreated
        self.people[number] = person
        self._courses_of[number] = set()
        self._roles_held[number] = {}
        return person

    def add_method(self, course: int, kind: str, *, enabled: bool = True) -> EnrolMethod:
        """Add an enrolment method to a course."""
        method = EnrolMethod(self._number("method"), course, kind, enabled)
        self._methods[course].append(method)
        return method

    def add_group(self, course: int, name: str, *, id: int | None = None, **columns: Any) -> Group:
        """Add a group to a course."""
        group = Group(self._number("group", id), course, name, **columns)
        self.groups[group.id] = group
        self._course_groups[course].append(group)
        return group

    def add_grouping(self, course: int, name: str, groups: set[int], *, id: int | None = None) -> Grouping:
        """Add a grouping to a course."""
        grouping = Grouping(self._number("grouping", id), course, name, groups=groups)
        self.groupings[grouping.id] = grouping
        return grouping

    # ── enrolments, roles, groups ────────────────────────────────────────────────────────────────────────────

    def method(self, course: int, kind: str) -> EnrolMethod:
        """The course's method of that kind, made when it is missing."""
        for method in self._methods[course]:
            if method.kind == kind:
                return method
        return self.add_method(course, kind)

    def methods(self, course: int) -> list[EnrolMethod]:
        """All enrolment methods of a course."""
        return self._methods[course]

    def enrol(
        self,
        user: int,
        course: int,
        role: str | None = "student",
        *,
        method: str = "manual",
        suspended: bool = False,
        timestart: int = 0,
        timeend: int = 0,
    ) -> Enrolment:
        """Enrol a person through one method (again: the enrolment is updated) and give the role, if any."""
        way = self.method(course, method)
        mine = self._enrolments[course].setdefault(user, [])
        enrolment = next((known for known in mine if known.method is way), None)
        if enrolment is None:
            enrolment = Enrolment(user, way, timecreated=self.now())
            mine.append(enrolment)
            self._courses_of[user].add(course)
        enrolment.suspended, enrolment.timestart, enrolment.timeend = suspended, timestart, timeend
        if role is not None:
            self.assign_role(user, course, role)
        return enrolment

    def unenrol(self, user: int, course: int) -> None:
        """Take a person out of a course, with all methods, roles and groups."""
        self._enrolments[course].pop(user, None)
        self._courses_of[user].discard(course)
        for role in tuple(self._course_roles[course].get(user, ())):
            self.unassign_role(user, course, role)
        for group in self._course_groups[course]:
            group.members.discard(user)

    def assign_role(self, user: int, course: int, role: str) -> None:
        """Give a role in the course's context; needs no enrolment, as in Moodle."""
        held = self._course_roles[course].setdefault(user, set())
        if role not in held:
            held.add(self.roles[role].shortname)
            self._count_role(user, role, +1)

    def unassign_role(self, user: int, course: int, role: str) -> None:
        """Take a role in the course's context away."""
        held = self._course_roles[course].get(user, set())
        if role in held:
            held.remove(role)
            self._count_role(user, role, -1)

    def assign_category_role(self, user: int, category: int, role: str) -> None:
        """Give a role in a category's context: it counts in all courses below, but no course lists it."""
        self._category_roles.setdefault(category, {}).setdefault(user, set()).add(self.roles[role].shortname)
        self._count_role(user, role, +1)

    def unassign_category_role(self, user: int, category: int, role: str) -> None:
        """Take a role in a category's context away."""
        held = self._category_roles.get(category, {}).get(user, set())
        if role in held:
            held.remove(role)
            self._count_role(user, role, -1)

    def assign_system_role(self, user: int, role: str) -> None:
        """Give a role at the system: it counts everywhere, but no course lists it."""
        self.assign_category_role(user, SYSTEM, role)

    def _count_role(self, user: int, role: str, by: int) -> None:
        counts = self._roles_held[user]
        counts[role] = counts.get(role, 0) + by

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────

    def enrolments(self, course: int, user: int) -> list[Enrolment]:
        """A person's enrolments in a course, one per method."""
        return self._enrolments[course].get(user, [])

    def enrolments_in(self, course: int) -> Iterator[Enrolment]:
        """All enrolments in a course, of any state and method."""
        return (enrolment for mine in self._enrolments[course].values() for enrolment in mine)

    def enrolled(self, course: int) -> Iterator[int]:
        """The ids of all accounts with an enrolment in the course, of any state."""
        return (user for user in self._enrolments[course] if not self.people[user].deleted)

    def active(self, course: int, user: int, now: int) -> bool:
        """Whether at least one of a person's enrolments in the course is active."""
        return any(enrolment.active_at(now) for enrolment in self.enrolments(course, user))

    def courses_of(self, user: int, now: int) -> list[Course]:
        """The courses with an active enrolment, visible ones first, then by sort order.

        A hidden course is left out unless the person holds a role that sees it (Moodle: `enrol_get_users_courses`).
        """
        rows = [self.courses[number] for number in self._courses_of[user] if self.active(number, user, now)]
        seen = (
            row for row in rows if row.visible or self.holds(user, row, "moodle/course:viewhiddencourses")
        )
        return sorted(seen, key=lambda row: (not row.visible, row.sortorder))

    def roles_in(self, course: int, user: int) -> list[Role]:
        """A person's roles in the course's own context, in the site's order of roles."""
        held = self._course_roles[course].get(user, ())
        return sorted((self.roles[name] for name in held), key=attrgetter("sortorder"))

    def role_holders(self, course: int) -> dict[int, set[str]]:
        """The role assignments in the course's own context: user id → role short names."""
        return self._course_roles[course]

    def category_role_holders(self) -> dict[int, dict[int, set[str]]]:
        """The role assignments above the courses: category (or `SYSTEM`) → user id → role short names."""
        return self._category_roles

    def holds(self, user: int, course: Course, capability: str) -> bool:
        """Whether a role of the person in the course or a category above it carries the capability."""
        held = set(self._course_roles[course.id].get(user, ()))
        for category in (SYSTEM, *self.path_of(course)):
            held |= self._category_roles.get(category, {}).get(user, set())
        return any(capability in self.roles[name].capabilities for name in held)

    def has_role_anywhere(self, user: int, roles: frozenset[str]) -> bool:
        """Whether the person holds one of the roles in any course or category."""
        counts = self._roles_held[user]
        return any(counts.get(role, 0) > 0 for role in roles)

    def groups_in(self, course: int, user: int | None = None) -> list[Group]:
        """The course's groups by name, or only those that the person is a member of."""
        mine = (group for group in self._course_groups[course] if user is None or user in group.members)
        return sorted(mine, key=lambda group: group.name.casefold())

    def path_of(self, course: Course) -> tuple[int, ...]:
        """The categories from the top down to the course; empty for the front page."""
        return self.categories[course.category].path if course.category else ()

    def last_access(self, course: int, user: int) -> int:
        """When the person last opened the course, 0 for never."""
        return self._access.get((course, user), 0)

    def set_last_access(self, course: int, user: int, when: int) -> None:
        """Note when the person last opened the course."""
        self._access[course, user] = when

    # ── larger changes ───────────────────────────────────────────────────────────────────────────────────────

    def delete_person(self, user: int) -> None:
        """Delete an account as Moodle does: the row stays, with a user name that nobody had before."""
        person = self.people[user]
        for course in tuple(self._courses_of[user]):
            self.unenrol(user, course)
        for holders in (*self._course_roles.values(), *self._category_roles.values()):
            holders.pop(user, None)
        self._roles_held[user] = {}
        person.deleted = True
        person.username = f"{person.email or person.username}.{self.now()}"
        person.email = person.idnumber = ""
        person.profile.clear()

    def delete_course(self, course: int) -> None:
        """Delete a course with its groups, enrolments and roles."""
        for user in {*self._enrolments[course], *self._course_roles[course]}:
            self.unenrol(user, course)
        for group in tuple(self._course_groups[course]):
            self.delete_group(group.id)
        for name in [name for name, grouping in self.groupings.items() if grouping.course == course]:
            del self.groupings[name]
        del self._enrolments[course], self._course_roles[course], self._course_groups[course]
        del self._methods[course], self.courses[course]

    def delete_group(self, group: int) -> None:
        """Delete a group."""
        gone = self.groups.pop(group)
        self._course_groups[gone.course].remove(gone)

    def hide_course(self, course: int) -> None:
        """Hide a course."""
        self.courses[course].visible = self.courses[course].visible_old = False

    def show_course(self, course: int) -> None:
        """Show a course again."""
        self.courses[course].visible = self.courses[course].visible_old = True

    def hide_category(self, category: int) -> None:
        """Hide a category, all below it and their courses (Moodle: `core_course_category::hide`)."""
        row = self.categories[category]
        if row.visible:
            row.visible = row.visible_old = False
            for below in self._below(category):
                below.visible_old, below.visible = below.visible, False

    def show_category(self, category: int) -> None:
        """Show a category again; what was hidden on its own before stays hidden."""
        row = self.categories[category]
        if not row.visible:
            row.visible = row.visible_old = True
            for below in self._below(category):
                below.visible = below.visible_old

    def _below(self, category: int) -> list[Category | Course]:
        rows: list[Category | Course] = [row for row in self.categories.values() if category in row.path[:-1]]
        rows += [course for course in self.courses.values() if category in self.path_of(course)]
        return rows
