"""The site on which the answers in `tests/fixtures/moodle` were recorded, rebuilt in a sandbox.

`Recorded(version)` rebuilds what all recordings of a version share: 24 students, five kinds of teachers, odd
accounts, seven courses, and one special enrolment of each kind in course 2. What was different for single
recordings stands in `sandbox_settings`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.demo.sandbox.records import (
    CourseField,
    CourseFieldVisibility,
    FieldKind,
    GroupMode,
    MailDisplay,
    ProfileField,
)

FIXTURES = Path(__file__).parent.parent / "fixtures" / "moodle"
SITE_URL = "https://moodle.example.org"
DAY = 86400
_RECORDED_AT = {"4.4": 1795195000, "5.1": 1795199000}
_TABLE_ORDER = {"4.4": (5, 1, 2, 7, 3, 4, 6), "5.1": (2, 4, 3, 1, 5, 6, 7)}
_COURSES = {
    # version → course → (context, start, end, created, changed, cache revision)
    "4.4": {
        1: (2, 0, 0, 1795194088, 1795194144, 0),
        2: (14, 1792602332, 1803834332, 1795194332, 1795194332, 1795194336),
        3: (15, 1792602498, 0, 1795194498, 1795194498, 1795194502),
        4: (16, 1792602498, 0, 1795194498, 1795194498, 0),
        5: (17, 1769274498, 1786554498, 1795194498, 1795194498, 0),
        6: (18, 1800378498, 1809018498, 1795194498, 1795194498, 0),
        7: (19, 1794330498, 0, 1795194499, 1795194499, 0),
    },
    "5.1": {
        1: (2, 0, 0, 1795198715, 1795198715, 0),
        2: (14, 1792606787, 1803838787, 1795198787, 1795198787, 1795198885),
        3: (16, 1792606808, 0, 1795198808, 1795198808, 0),
        4: (17, 1792606808, 0, 1795198808, 1795198808, 0),
        5: (18, 1769278808, 1786558808, 1795198808, 1795198808, 0),
        6: (19, 1800382808, 1809022808, 1795198808, 1795198808, 0),
        7: (20, 1794334808, 0, 1795198808, 1795198808, 0),
    },
}


def load(version: str, name: str) -> dict[str, Any]:
    """One recording: `{request: {method, url, params}, response: {status, headers, json | text, …}}`."""
    recording: dict[str, Any] = json.loads((FIXTURES / version / f"{name}.json").read_text("utf-8"))
    return recording


class Recorded:
    """The rebuilt site and the ids that differ between the two versions."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.shift = 0 if version == "4.4" else 1
        self.sent_token: str | None = None
        university = University(lambda: _RECORDED_AT[version])
        self.university = university
        self._define_fields()
        self._add_categories()
        self._add_courses()
        self._add_people()
        self._enrol()
        university.courses = {number: university.courses[number] for number in _TABLE_ORDER[version]}
        self.sandbox = SandboxMoodle(university, version=version, token="0" * 32, site_url=SITE_URL)
        site = self.sandbox.site
        site.theme_revision = 1795194128 if version == "4.4" else 1795198812
        site.private_access_key = "REDACTED"
        info = load(version, "core_webservice_get_site_info--leastpriv")["response"]["json"]
        site.service.functions = [function["name"] for function in info["functions"]]

    def student(self, number: int) -> int:
        return 2 + number + self.shift

    def other(self, number_on_4_4: int) -> int:
        return number_on_4_4 + self.shift

    def _define_fields(self) -> None:
        seen_by = CourseFieldVisibility.TEACHERS if self.version == "4.4" else CourseFieldVisibility.EVERYONE
        for field in (
            CourseField("matrix_enabled", "Matrix room enabled", FieldKind.CHECKBOX, visibility=seen_by),
            CourseField("matrix_room_name", "Matrix room name", FieldKind.TEXT),
            CourseField("matrix_room_topic", "Matrix room topic", FieldKind.TEXTAREA),
        ):
            self.university.course_fields[field.shortname] = field
        self.university.profile_fields["matrixid"] = ProfileField(
            "matrixid", "Matrix ID", link="https://matrix.to/#/$$", linktarget="_blank"
        )

    def _add_categories(self) -> None:
        first, later = (1795194088, 1795194332) if self.version == "4.4" else (1795198715, 1795198787)
        self.university.add_category("Category 1", timemodified=first)
        for name, parent, idnumber in (
            ("Faculty of Science & Engineering", 0, "FSE"),
            ("Computer Science", 2, "FSE-CS"),
            ("Winter 2026/27", 3, "FSE-CS-W26"),
        ):
            escaped = name.replace("&", "&amp;")
            self.university.add_category(
                name,
                parent,
                idnumber=idnumber,
                description=f"<p>{escaped} &amp; more</p>",
                timemodified=later,
            )

    def _add_courses(self) -> None:
        university = self.university
        for number, shortname, fullname, category, sortorder, idnumber in (
            (2, "ALG&DS", "Algorithms & Data <b>Structures</b>", 4, 40002, "INF-101"),
            (3, "DB1", "Datenbanken Übung 日本語", 4, 40001, "INF-102"),
            (4, "HID", "Hidden course", 3, 30002, ""),
            (5, "PAST", "Past course", 2, 20002, "OLD-1"),
            (6, "FUT", "Future course", 3, 30001, "FUT-1"),
            (7, "PLAIN", "Plain course", 2, 20001, "PL-1"),
        ):
            summary = f"<p>Summary of {fullname}</p>".replace("&", "&" if number == 2 else "&amp;")
            university.add_course(
                shortname,
                fullname,
                category,
                id=number,
                sortorder=sortorder,
                idnumber=idnumber,
                summary=summary,
                newsitems=1,
                numsections=2,
                section_ids=(number, 100 + number),
            )
        front = university.courses[1]
        front.fullname, front.shortname = (
            ("Lab Uni Moodle", "LAB") if self.version == "4.4" else ("Moodle 51 lab", "lab51")
        )
        for number, (context, start, end, created, changed, revision) in _COURSES[self.version].items():
            course = university.courses[number]
            course.context_id, course.startdate, course.enddate = context, start, end
            course.timecreated, course.timemodified, course.cacherev = created, changed, revision
            course.showactivitydates = self.version != "4.4"
        university.hide_course(4)
        university.courses[2].groupmode, university.courses[3].groupmode = (
            GroupMode.SEPARATE,
            GroupMode.VISIBLE,
        )
        university.courses[2].fields = {
            "matrix_enabled": 1,
            "matrix_room_name": 'Algo "A&D" röom 1 < 2',
            "matrix_room_topic": "<p>Topic with <b>bold</b> &amp; ümläut</p><script>x</script>",
        }
        university.courses[3].fields = {"matrix_enabled": 1}

    def _add_people(self) -> None:
        add = self.university.add_person
        add("guest", "Guest user", " ")
        add("admin", "Admin", "User", email="admin@lab.example", maildisplay=MailDisplay.EVERYONE)
        if self.version == "5.1":
            self._add_caller("1795198855", 1795198857)
        for number in range(1, 25):
            add(
                f"student{number:02}",
                f"Student{number}",
                f"Learner{number}",
                idnumber=f"M1000{number:02}",
                institution="Uni",
                department="CS",
            )
        for username, first, last in (
            ("teacher1", "Teach1", "Prof1"),
            ("teacher2", "Teach2", "Prof2"),
            ("teacher3", "Teach3", "Prof3"),
            ("teacher4", "Teach4", "Prof4"),
            ("tutor1", "Tutor1", "Assist1"),
            ("tutor2", "Tutor2", "Assist2"),
            ("manager1", "Mana", "Ger"),
            ("creator1", "Course", "Creator"),
            ("suspended1", "Sus", "Pended"),
            ("unconfirmed1", "Un", "Confirmed"),
            ("anna.müller@uni.example", "Anna", "Müller"),
            ("o'brien-x_y.z@tenant", "Seán", "O'Brien "),
            ("山田", "太郎", "山田"),
            ("a b+c=d/e#f", "Spa ce", "Plus"),
            ("nologin1", "No", "Login"),
            ("deleted1", "De", "Leted"),
        ):
            add(username, first, last)
        if self.version == "4.4":
            self._add_caller("1795194647", 1795195120)
            self.university.people[self.student(1)].profile["matrixid"] = "@student01:lab.example"
        people = self.university.people
        people[self.other(35)].suspended = True
        people[self.other(36)].confirmed = False
        people[self.other(41)].auth = "nologin"
        self.university.delete_person(self.other(42))
        people[self.other(42)].username = (
            "deleted1115@uni.example.1795194500"
            if self.version == "4.4"
            else "deleted1184@uni.example.1795198811"
        )

    def _add_caller(self, synced: str, loaded: int) -> None:
        self.university.add_person(
            "matrixsync",
            "Matrix",
            "Sync",
            auth="webservice",
            email="matrixsync@lab.example",
            preferences=[("last_time_enrolments_synced", synced), ("_lastloaded", loaded)],
        )

    def _enrol(self) -> None:
        university, now = self.university, self.university.now()
        for course in (2, 3, 4, 5, 6, 7):
            university.enrol(self.other(27), course, "editingteacher")
            for number in range(1, 7):
                university.enrol(self.student(number), course)
        university.enrol(self.student(7), 2, suspended=True)
        university.enrol(self.student(8), 2, timeend=now - DAY)
        university.enrol(self.student(9), 2, timestart=now + DAY)
        university.enrol(self.student(10), 2)
        university.assign_role(self.student(10), 2, "teacher")
        university.enrol(self.student(11), 2, suspended=True)
        university.enrol(self.student(11), 2, method="self")
        university.enrol(self.student(12), 2, None)
        university.enrol(self.other(28), 2, "teacher")
        university.enrol(self.other(31), 2, "teacher")
        for number in (35, 36, 37, 38, 39, 40, 41):
            university.enrol(self.other(number), 2)
        university.add_method(3, "self", enabled=False)
        university.enrol(self.student(13), 3, method="self")
        for number in range(14, 21):
            university.enrol(self.student(number), 3, method="cohort")
        university.enrol(self.other(33), 3)
        university.enrol(self.other(30), 7, "editingteacher")
        university.assign_category_role(self.other(33), 2, "manager")
        university.assign_role(self.other(32), 2, "teacher")
        first = university.add_group(2, "Tutorial A & B", description="<p>G</p>")
        second = university.add_group(2, "Tutorial 2", description="<p>G</p>")
        university.add_group(3, "Without members")
        first.members |= {self.student(number) for number in (1, 2, 3, 7, 8)} | {
            self.other(31),
            self.other(35),
        }
        second.members |= {self.student(number) for number in (3, 4, 10)}
