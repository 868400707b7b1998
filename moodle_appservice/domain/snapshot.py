"""The whole site at one moment: every course, everybody in it, and what is known to change by itself.

A snapshot is what a source that reads the whole site at once (reports) makes of one reading. Values that repeat are
shared between courses and with the snapshot before, so that a large site fits into memory twice. `hash_course` tells
which courses changed; it is the same in every process, so that it may be stored.

Groups and the people who hold a role above a course are in it, and decide the hash, like everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType

from .above import Above, roles_above
from .groups import SeenGroup
from .model import (
    Category,
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    Group,
    MoodleUserId,
    Person,
    Role,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A known change: at this time (Unix seconds) somebody's enrolment in a course begins or ends."""

    at: float
    course_id: CourseId
    user_id: MoodleUserId
    ends: bool


@dataclass(frozen=True, slots=True)
class SiteSnapshot:
    """One reading. `people` lacks whoever the list of users did not show: their state is unknown."""

    courses: Mapping[CourseId, Course]
    categories: Mapping[CategoryId, Category]
    enrolments: Mapping[CourseId, tuple[Enrolment, ...]]
    groups: Mapping[CourseId, tuple[SeenGroup, ...]]
    people: Mapping[MoodleUserId, Person]
    moments: tuple[Moment, ...]
    hashes: Mapping[CourseId, str]
    read_at: float
    above: Above = field(default_factory=dict)
    """Who holds roles in categories and in the whole site."""

    def inherited(self, course: Course) -> dict[MoodleUserId, frozenset[Role]]:
        """Who holds which roles above a course."""
        return roles_above(self.above, course.category_id, self.categories)

    def course_facts(self, course_id: CourseId) -> CourseFacts:
        """All that decides one course. Raises KeyError for a course that is not listed."""
        enrolments = self.enrolments.get(course_id, ())
        course = self.courses[course_id]
        inherited = self.inherited(course)
        found = {enrolment.user_id: self.people.get(enrolment.user_id) for enrolment in enrolments}
        found |= {user_id: self.people.get(user_id) for user_id in inherited}
        return CourseFacts(
            course=course,
            enrolments=enrolments,
            people={user_id: person for user_id, person in found.items() if person is not None},
            groups=tuple(seen.group for seen in self.groups.get(course_id, ())),
            read_at=self.read_at,
            inherited=inherited,
        )

    def changed_courses(self, previous: Mapping[CourseId, str]) -> frozenset[CourseId]:
        """Courses that are new, changed or gone since their hashes were `previous`."""
        now = self.hashes
        return frozenset(
            course_id
            for course_id in now.keys() | previous.keys()
            if now.get(course_id) != previous.get(course_id)
        )


def hash_people(people: Mapping[MoodleUserId, Person]) -> dict[MoodleUserId, str]:
    """A short digest of each person, of every field but the picture, on which no room depends."""
    return {user_id: _digest(_person_text(person)) for user_id, person in people.items()}


def _person_text(person: Person) -> str:
    state = f"{person.suspended:d}{person.confirmed:d}"
    fields = repr(sorted(person.profile_fields.items()))
    return "\0".join(
        (
            person.username, person.full_name, state, person.auth, person.email, person.idnumber, person.language,
            fields,
        )
    )  # fmt: skip


def hash_course(
    course: Course,
    enrolments: Sequence[Enrolment],
    groups: Iterable[SeenGroup],
    people: Mapping[MoodleUserId, str],
    spelled: dict[frozenset[Role], str],
    inherited: Mapping[MoodleUserId, frozenset[Role]] = MappingProxyType({}),
) -> str:
    """Changes when anything that decides a course changes. `people`: their digests; `spelled` is a store to share."""
    own = (
        course.shortname,
        course.fullname,
        int(course.category_id),
        course.visible,
        course.start,
        course.end,
    )
    more = (course.idnumber, course.group_mode, course.own_room_url, sorted(course.custom_fields.items()))
    parts = [repr(own + more)]
    parts += [_group_text(seen.group) for seen in groups]
    for enrolment in enrolments:
        roles = spelled.get(enrolment.roles)
        if roles is None:
            roles = spelled[enrolment.roles] = ",".join(sorted(enrolment.roles))
        into = ",".join(map(str, sorted(enrolment.groups))) if enrolment.groups else ""
        parts.append(f"{enrolment.user_id}:{roles}:{into}:{people.get(enrolment.user_id, '')}")
    for user_id in sorted(inherited):
        roles = ",".join(sorted(inherited[user_id]))
        parts.append(f"above {user_id}:{roles}:{people.get(user_id, '')}")
    return _digest("\n".join(parts))


def _group_text(group: Group) -> str:
    told = (
        group.id,
        group.name,
        group.idnumber,
        group.moodle_id,
        group.visibility.value,
        group.participation,
    )
    return repr((*told, sorted(group.groupings), group.ambiguous))


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def only_growing(
    last: SiteSnapshot,
    fresh: SiteSnapshot,
    held: Iterable[CourseId],
    leaving: Mapping[CourseId, frozenset[MoodleUserId]] | None = None,
) -> SiteSnapshot:
    """`fresh`, but in the courses that are `held` nobody and nothing is lost that `last` had; what is new is there.

    `leaving`: who goes all the same, by course.

    Courses that are held and not in `fresh` any more stay as they were, and so does everybody in them.
    """
    courses, enrolments, groups = dict(fresh.courses), dict(fresh.enrolments), dict(fresh.groups)
    people, hashes = dict(fresh.people), dict(fresh.hashes)
    for course_id in held:
        if course_id not in last.courses:
            continue
        courses.setdefault(course_id, last.courses[course_id])
        old, new = last.enrolments.get(course_id, ()), fresh.enrolments.get(course_id, ())
        away = (leaving or {}).get(course_id, frozenset())
        enrolments[course_id] = _union([one for one in old if one.user_id not in away], new)
        groups[course_id] = _all_groups(last.groups.get(course_id, ()), fresh.groups.get(course_id, ()))
        for enrolment in old:
            if enrolment.user_id in last.people:
                people.setdefault(enrolment.user_id, last.people[enrolment.user_id])
        inherited = fresh.inherited(courses[course_id])
        there = {*inherited, *(one.user_id for one in enrolments[course_id])}
        digests = hash_people({user: people[user] for user in there if user in people})
        facts = courses[course_id], enrolments[course_id], groups[course_id]
        hashes[course_id] = hash_course(*facts, digests, {}, inherited)
    return replace(
        fresh,
        courses=courses,
        categories={**last.categories, **fresh.categories},
        enrolments=enrolments,
        groups=groups,
        people=people,
        hashes=hashes,
    )


def _union(old: Sequence[Enrolment], new: Sequence[Enrolment]) -> tuple[Enrolment, ...]:
    found = {enrolment.user_id: enrolment for enrolment in old}
    for enrolment in new:
        before = found.get(enrolment.user_id, enrolment)
        found[enrolment.user_id] = Enrolment(
            enrolment.user_id, enrolment.roles | before.roles, enrolment.groups | before.groups
        )
    return tuple(found[user_id] for user_id in sorted(found))


def _all_groups(old: Sequence[SeenGroup], new: Sequence[SeenGroup]) -> tuple[SeenGroup, ...]:
    found = {seen.group.id: seen for seen in old}
    for seen in new:
        before = found.get(seen.group.id, seen)
        found[seen.group.id] = replace(seen, members=seen.members | before.members)
    return tuple(found[number] for number in sorted(found, reverse=True))
