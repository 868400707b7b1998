"""Universities to start from: a small one full of odd cases, and large ones for measurements.

Both are deterministic: the same arguments give the same ids, names and enrolments. Dates lie around the clock's
present, so that the ended course has ended and the coming one has not begun.

The small one has three levels of categories (one hidden), eight courses and about 120 people. Course 2 holds most
oddities: separate groups, and enrolments that are suspended, expired, not yet begun, without a role, with two roles
or by two methods; course 3 has one through a disabled method. `ODD_ACCOUNTS` lists names that are hard to turn into
a Matrix id, and accounts that may not log in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .records import (
    CourseField,
    FieldKind,
    GroupMode,
    GroupVisibility,
    MailDisplay,
    ProfileField,
    ProfileFieldVisibility,
)
from .university import University

DAY = 86400

_FIRST = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Elif",
    "Fatima",
    "Grzegorz",
    "Hana",
    "Íñigo",
    "Jürgen",
    "Κώστας",
    "Ольга",
    "Mehmet",
    "Nguyễn",
    "Óscar",
    "Priya",
    "Qiu",
    "Renée",
    "Søren",
    "Tomáš",
    "Uma",
    "Vlad",
    "Wiebke",
    "小明",
    "Yusuf",
    "Zoë",
)
_LAST = (
    "Almeida",
    "Bauer",
    "Čapek",
    "D'Angelo",
    "Eriksson",
    "Fernández",
    "Gruß",
    "Håkansson",
    "Ionescu",
    "Jansen",
    "Kowalski",
    "Löwe",
    "Müller-Lüdenscheidt",
    "Nowak",
    "O'Connor",
    "Петров",
    "Quist",
    "Rodríguez",
    "Şahin",
    "Tanaka",
    "Urban",
    "van der Berg",
    "Weiß",
    "王",
    "Yılmaz",
    "Ždanov",
)
_TEACHERS = (
    ("teacher1", "Emmy", "Noether"),
    ("teacher2", "Alan", "Kay"),
    ("teacher3", "Barbara", "Liskov"),
    ("teacher4", "Noam", "Sprach"),
    ("teacher5", "Sofja", "Kowalewskaja"),
    ("tutor1", "Tu", "Torres"),
    ("tutor2", "Assi", "Stent"),
    ("tutor3", "Hilda", "Hiwi"),
)

ODD_ACCOUNTS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("o'brien-x_y.z@tenant", "Seán", "O'Brien ", {}),
    ("山田", "太郎", "山田", {}),
    ("a b+c=d/e#f", "Spa ce", "Plus", {}),
    ("müller", "Anna", "Müller", {}),
    ("a@b.example", "At", "Sign", {}),
    ("a.b.example", "Dot", "Instead", {}),
    ("_under", "Under", "Score", {}),
    ("20261234", "Only", "Digits", {}),
    ("suspended1", "Sus", "Pended", {"suspended": True}),
    ("unconfirmed1", "Un", "Confirmed", {"confirmed": False}),
    ("nologin1", "No", "Login", {"auth": "nologin"}),
)


def small_university(clock: Callable[[], float] = time.time) -> University:
    """The small one; see the module's docstring."""
    university = University(clock)
    _define_fields(university)
    _add_categories(university)
    _add_courses(university, university.now())
    students = _add_accounts(university)
    _enrol_regulars(university, students)
    _enrol_oddities(university, students)
    _form_groups(university, students)
    return university


def _define_fields(university: University) -> None:
    for definition in (
        CourseField(
            "matrix_enabled",
            "Matrix room",
            FieldKind.SELECT,
            default="as the site",
            options=("as the site", "on", "off"),
        ),
        CourseField("matrix_room_name", "Matrix room name", FieldKind.TEXT),
        CourseField("matrix_room_topic", "Matrix room topic", FieldKind.TEXTAREA),
    ):
        university.course_fields[definition.shortname] = definition
    university.profile_fields["matrixid"] = ProfileField(
        "matrixid",
        "Matrix ID",
        ProfileFieldVisibility.ALL,
        link="https://matrix.to/#/$$",
        linktarget="_blank",
    )


def _add_categories(university: University) -> None:
    science = university.add_category("Faculty of Science & Engineering", idnumber="FSE").id
    computing = university.add_category("Computer Science", science, idnumber="FSE-CS").id
    university.add_category("Winter term", computing, idnumber="FSE-CS-W")
    university.add_category("Mathematics", science, idnumber="FSE-M")
    arts = university.add_category("Faculty of Arts", idnumber="FA").id
    university.add_category("言語学 · Linguistics", arts)
    archive = university.add_category("Archive").id
    university.hide_category(archive)
    university.add_category("Last year", archive)


def _add_courses(university: University, now: int) -> None:
    """Courses 2 to 9; number 1 is the front page."""
    begun, end = now - 40 * DAY, now + 90 * DAY
    university.add_course(
        "ALG&DS",
        "Algorithms & Data <b>Structures</b>",
        3,
        idnumber="INF-101",
        startdate=begun,
        enddate=end,
        summary="<p>Sorting, searching &amp; more</p>",
        groupmode=GroupMode.SEPARATE,
        fields={
            "matrix_enabled": 2,
            "matrix_room_name": 'Algo "A&D" röom 1 < 2',
            "matrix_room_topic": "<p>Questions are <b>welcome</b></p><script>alert(1)</script>",
        },
    )
    university.add_course(
        "DB1",
        "Datenbanken Übung 日本語",
        3,
        idnumber="INF-102",
        startdate=begun,
        enddate=end,
        groupmode=GroupMode.VISIBLE,
        fields={"matrix_enabled": 2},
    )
    university.add_course("HID", "Hidden workshop", 2, startdate=begun, visible=False)
    university.add_course(
        "PAST", "Introduction to Programming", 2, startdate=now - 200 * DAY, enddate=now - 30 * DAY
    )
    university.add_course("FUT", "Machine Learning", 3, startdate=now + 30 * DAY, enddate=now + 150 * DAY)
    university.add_course("LIN", "言語学入門 – Introduction to Linguistics", 6, startdate=begun)
    university.add_course(
        "ANA1", "Analysis I", 4, idnumber="MAT-1", startdate=begun, fields={"matrix_enabled": 3}
    )
    university.add_course(
        "COMP", "Compiler Construction", 8, startdate=now - 400 * DAY, enddate=now - 220 * DAY
    )


def _add_accounts(university: University) -> list[int]:
    """Accounts 1 guest, 2 admin, 3 the service user, then teachers, odd ones, students; returns the students."""
    university.add_person("guest", "Guest user", " ")
    university.add_person(
        "admin", "Admin", "User", email="admin@uni.example", maildisplay=MailDisplay.EVERYONE
    )
    university.add_person("matrixsync", "Matrix", "Sync", auth="webservice", email="matrixsync@uni.example")
    for username, first, last in (*_TEACHERS, ("manager1", "Mana", "Ger")):
        university.add_person(username, first, last, email=f"{username}@uni.example")
    for username, first, last, columns in ODD_ACCOUNTS:
        university.add_person(username, first, last, **columns)
    students = []
    for number in range(1, 101):
        person = university.add_person(
            f"student{number:03}",
            _FIRST[number * 7 % len(_FIRST)],
            _LAST[(number * 11 + number // 26) % len(_LAST)],
            email=f"student{number:03}@uni.example",
            idnumber=f"M{100000 + number}",
            institution="Uni",
            department="CS" if number % 2 else "Math",
        )
        students.append(person.id)
    university.people[students[0]].profile["matrixid"] = "@student001:uni.example"
    university.people[students[4]].profile["matrixid"] = "@someone:elsewhere.example"
    return students


def account(university: University, username: str) -> int:
    """The id of the account with that user name."""
    return next(person.id for person in university.people.values() if person.username == username)


def _enrol_regulars(university: University, students: list[int]) -> None:
    def who(username: str) -> int:
        return account(university, username)

    for course in (2, 3, 4, 5, 6):
        university.enrol(who("teacher1"), course, "editingteacher")
    university.enrol(who("teacher2"), 2, "teacher")
    university.enrol(who("teacher3"), 9, "editingteacher")
    university.enrol(who("teacher4"), 7, "editingteacher")
    university.enrol(who("teacher5"), 8, "editingteacher")
    university.enrol(who("tutor1"), 2, "teacher")
    university.enrol(who("tutor2"), 3, "teacher")
    university.enrol(who("tutor3"), 8, "teacher")
    university.enrol(who("manager1"), 3)
    university.enrol(who("admin"), 3, "manager")
    university.assign_category_role(who("manager1"), 1, "manager")
    spread = (
        (2, 0, 30),
        (3, 10, 40),
        (4, 0, 6),
        (5, 0, 50),
        (6, 20, 45),
        (7, 60, 80),
        (8, 30, 100),
        (9, 80, 95),
    )
    for course, first, last in spread:
        for user in students[first:last]:
            university.enrol(user, course)


def _enrol_oddities(university: University, students: list[int]) -> None:
    now = university.now()
    for username, *_ in ODD_ACCOUNTS:
        university.enrol(account(university, username), 2)
    university.enrol(students[20], 2, suspended=True)
    university.enrol(students[21], 2, timeend=now - DAY)
    university.enrol(students[22], 2, timestart=now + DAY)
    university.assign_role(students[23], 2, "teacher")
    university.method(2, "self")
    university.enrol(students[24], 2, suspended=True)
    university.enrol(students[24], 2, method="self")
    university.unassign_role(students[25], 2, "student")
    university.add_method(3, "self", enabled=False)
    university.enrol(students[50], 3, method="self")
    university.enrol(students[51], 3, timestart=now - DAY, timeend=now + DAY)
    # A role without an enrolment: Moodle allows it, and no list of participants shows it.
    university.assign_role(account(university, "tutor3"), 2, "teacher")


def _form_groups(university: University, students: list[int]) -> None:
    first = university.add_group(2, "Tutorial A & B", description="<p>Mondays</p>", idnumber="T1")
    second = university.add_group(2, "Tutorial 2")
    resit = university.add_group(2, "Resit", visibility=GroupVisibility.NONE)
    private = university.add_group(2, "Reading circle", visibility=GroupVisibility.MEMBERS)
    first.members |= {*students[:12], account(university, "tutor1"), account(university, "suspended1")}
    second.members |= {*students[10:25]}
    resit.members |= {students[3], students[15]}
    private.members |= {students[1], students[2]}
    university.add_grouping(2, "Tutorials", {first.id, second.id})
    for place, name in enumerate(("Übung 1", "Übung 2", "練習 3")):
        group = university.add_group(3, name)
        group.members |= set(students[10 + place : 40 : 3])


def generate(
    courses: int,
    people: int,
    *,
    accounts: int | None = None,
    groups: int = 0,
    clock: Callable[[], float] = time.time,
) -> University:
    """A large university: `courses` courses with `people` people each, one of them an editing teacher.

    `accounts` is the number of accounts they are drawn from; by default everybody is in about five courses. Students
    are dealt out among the `groups` of their course. Every 50 courses share a category, ten categories a faculty.
    """
    university = University(clock)
    _define_fields(university)
    _add_service_accounts(university)
    number = max(people, accounts if accounts is not None else courses * people // 5)
    users = [_generated_person(university, place) for place in range(number)]
    started = university.now() - 30 * DAY
    institutes = _institutes(university, -(-courses // 50))
    # Strides without a common pattern: courses overlap in a few people, not in whole classes.
    stride = 7 if number > 7 * people else 1
    for place in range(courses):
        course = university.add_course(
            f"C{place + 1:05}",
            f"Course {place + 1}",
            institutes[place // 50],
            startdate=started,
            groupmode=GroupMode.VISIBLE if groups else GroupMode.NONE,
            fields={"matrix_enabled": 2},
        )
        seats = [users[(place * people + seat * stride) % number] for seat in range(people)]
        for seat, user in enumerate(seats):
            university.enrol(user, course.id, "student" if seat else "editingteacher")
        for part in range(groups):
            university.add_group(course.id, f"Group {part + 1}").members |= set(seats[1 + part :: groups])
    return university


def _institutes(university: University, number: int) -> list[int]:
    faculties = [university.add_category(f"Faculty {place + 1}").id for place in range(-(-number // 10))]
    return [
        university.add_category(f"Institute {place + 1}", faculties[place // 10]).id
        for place in range(number)
    ]


def _add_service_accounts(university: University) -> None:
    university.add_person("guest", "Guest user", " ")
    university.add_person("admin", "Admin", "User", email="admin@uni.example")
    university.add_person("matrixsync", "Matrix", "Sync", auth="webservice")


def _generated_person(university: University, place: int) -> int:
    return university.add_person(
        f"user{place + 1:06}",
        _FIRST[place % len(_FIRST)],
        _LAST[place // len(_FIRST) % len(_LAST)],
        email=f"user{place + 1:06}@uni.example",
    ).id
