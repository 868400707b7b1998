"""Who plays in the story, and an account at the homeserver for everybody at the sandbox university.

People get the Matrix ids that the service's own rules give them, so that its invites reach real accounts; those whom
the rules give none (reserved names such as admin) get no account either. Everybody has the same password.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.identity import resolve
from ..domain.model import CourseId, MoodleUserId, Person, UserId
from ..domain.rules import Rules
from .sandbox import University

PASSWORD = "demo"
COURSE = "LIN"
TEACHER = "teacher4"
STUDENT = "student078"
NEWCOMER = "student019"


@dataclass(frozen=True, slots=True)
class Part:
    """Somebody with a part in the story."""

    moodle_id: MoodleUserId
    username: str
    name: str
    matrix_id: UserId


@dataclass(frozen=True, slots=True)
class Cast:
    """The teacher of a course, a student in it, and a student who is not in it yet."""

    course_id: CourseId
    course_name: str
    teacher: Part
    student: Part
    newcomer: Part


def people_with_ids(university: University, rules: Rules) -> dict[str, Part]:
    """Everybody to whom the rules give a Matrix id, by user name."""
    found: dict[str, Part] = {}
    for row in university.people.values():
        person = Person(
            id=MoodleUserId(row.id),
            username=row.username,
            full_name=row.fullname,
            suspended=row.suspended,
            confirmed=row.confirmed,
            auth=row.auth,
            email=row.email,
            idnumber=row.idnumber,
        )
        matrix_id = resolve(person, rules).matrix_id
        if matrix_id is not None and not row.deleted:
            found[row.username] = Part(person.id, row.username, row.fullname.strip(), matrix_id)
    return found


def cast_of(university: University, people: dict[str, Part]) -> Cast:
    """Who plays whom, all around one course."""
    course = next(course for course in university.courses.values() if course.shortname == COURSE)
    return Cast(CourseId(course.id), course.fullname, people[TEACHER], people[STUDENT], people[NEWCOMER])
