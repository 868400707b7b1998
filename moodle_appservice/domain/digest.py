"""A number for everything that decides a course: as long as it stays the same, so does the plan.

`digest` is only valid inside one process (Python salts the hashes of texts), which is all that one needs: after a start
every course is looked at anyway. Several processes compare `lasting` digests, which cost more.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b, sha256

from .model import Category, CourseFacts, Group, MoodleUserId, Person, Role


def digest(facts: CourseFacts, category: Category | None) -> int:
    """Changes when anything changes from which the rooms of this course are planned; people's pictures are not."""
    course = facts.course
    return hash(
        (
            (
                course.id,
                course.shortname,
                course.fullname,
                course.idnumber,
                course.category_id,
                course.visible,
            ),
            (course.start, course.end, course.group_mode, course.own_room_url, course.image),
            tuple(sorted(course.custom_fields.items())),
            None if category is None else (category.name, category.path),
            frozenset((one.user_id, one.roles, one.groups) for one in facts.enrolments),
            frozenset(_of_person(person) for person in facts.people.values()),
            frozenset(facts.groups),
            frozenset(facts.inherited.items()),
        )
    )


def lasting(facts: CourseFacts, category: Category | None) -> int:
    """The same for every process: 63 bits."""
    course = facts.course
    parts = (
        (course.id, course.shortname, course.fullname, course.idnumber, course.category_id, course.visible),
        (course.start, course.end, course.group_mode, course.own_room_url),
        sorted(course.custom_fields.items()),
        None if category is None else (category.name, category.path),
        sorted((one.user_id, sorted(one.roles), sorted(one.groups)) for one in facts.enrolments),
        sorted(_of_person(person) for person in facts.people.values()),
        sorted(_of_group(group) for group in facts.groups),
        sorted((user, sorted(roles)) for user, roles in facts.inherited.items()),
    )
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest()) >> 1


def _of_group(group: Group) -> tuple[object, ...]:
    return (
        (group.id, group.name, group.idnumber, str(group.moodle_id), str(group.visibility)),
        (str(group.participation), group.ambiguous, sorted(group.groupings)),
    )


def _of_person(person: Person) -> tuple[object, ...]:
    return (
        (person.id, person.usable, person.auth),
        (person.username, person.full_name, person.email, person.idnumber, person.language, person.timezone),
        tuple(sorted(person.profile_fields.items())),
    )


def facts_hash(roles: Mapping[MoodleUserId, frozenset[Role]]) -> str:
    """Changes when the people who count in a course or their roles change."""
    parts = sorted(f"{user_id}:{','.join(sorted(held))}" for user_id, held in roles.items())
    return sha256("\n".join(parts).encode()).hexdigest()[:32]
