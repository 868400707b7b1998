"""A number for everything that decides a course: as long as it stays the same, so does the plan.

Only valid inside one process (Python salts the hashes of texts), which is all that is needed: after a start every
course is looked at anyway.
"""

from __future__ import annotations

from .model import Category, CourseFacts, Person


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
            (course.start, course.end, course.group_mode, course.own_room_url),
            tuple(sorted(course.custom_fields.items())),
            None if category is None else (category.name, category.path),
            frozenset((one.user_id, one.roles, one.groups) for one in facts.enrolments),
            frozenset(_of_person(person) for person in facts.people.values()),
            frozenset(facts.groups),
            frozenset(facts.inherited.items()),
        )
    )


def _of_person(person: Person) -> tuple[object, ...]:
    return (
        (person.id, person.usable, person.auth),
        (person.username, person.full_name, person.email, person.idnumber, person.language, person.timezone),
        tuple(sorted(person.profile_fields.items())),
    )
