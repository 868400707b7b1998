"""Every recorded report of real Moodles: rows that are understood, or the right complaint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moodle_appservice.domain.groups import may_have_room
from moodle_appservice.moodle import errors, report_errors, report_lists, report_tables
from moodle_appservice.moodle.answer import Json, Reply, read_answer
from moodle_appservice.moodle.report_fetch import Page, parse_list, parse_page
from moodle_appservice.moodle.report_kinds import COURSE_GROUPS, MEMBERSHIPS, PEOPLE, SITE_COURSES, Kind
from moodle_appservice.moodle.report_layout import Layout, recognise

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "moodle"
LISTS = "core_reportbuilder_list_reports"
NO_STATUS = "The condition “Enrolment > Status is equal to Active” is missing"
NO_ROLE = "The column “Short name” of Role is missing"
LINKS = "several links in one cell"

# recording without its function → kind, outcome
OUTCOMES: dict[tuple[str, str], tuple[Kind, str]] = {
    ("4.4", "courses"): (SITE_COURSES, "“Category name with link”"),
    ("4.4", "error-missing-report"): (MEMBERSHIPS, "RecordMissing"),
    ("4.4", "extra-R-concat-link-perpage2"): (MEMBERSHIPS, LINKS),
    ("4.4", "extra-R-concat-username-perpage2"): (MEMBERSHIPS, "“Full name with link” of User is missing"),
    ("4.4", "extra-R-fingerprint-perpage2"): (MEMBERSHIPS, "“Full name with link” of User is missing"),
    ("4.4", "extra-R-slim-perpage2"): (MEMBERSHIPS, "1 courses, 2 places, 2 kinds of role"),
    ("4.4", "filtered-timecreated"): (MEMBERSHIPS, NO_STATUS),
    ("4.4", "groups-concat"): (COURSE_GROUPS, LINKS),
    ("4.4", "leastpriv-groups"): (COURSE_GROUPS, "“Full name with link” of User is missing"),
    ("4.4", "leastpriv-perpage0"): (MEMBERSHIPS, NO_STATUS),
    ("4.4", "leastpriv-perpage100000"): (MEMBERSHIPS, NO_STATUS),
    ("4.4", "leastpriv-perpage5"): (MEMBERSHIPS, NO_STATUS),
    ("4.4", "onlyrestuse-concat-username"): (MEMBERSHIPS, "“Full name with link” of User is missing"),
    ("4.4", "timezone-lang-settings"): (MEMBERSHIPS, NO_STATUS),
    ("4.4", "users"): (PEOPLE, "3 people, 0 unusable, 1 Matrix ids"),
    ("5.1", "courses"): (SITE_COURSES, "6 courses, 3 categories"),
    ("5.1", "error-missing-report"): (MEMBERSHIPS, "RecordMissing"),
    ("5.1", "error-not-in-audience"): (MEMBERSHIPS, "ReportNotShared"),
    ("5.1", "filtered-timecreated"): (MEMBERSHIPS, NO_STATUS),
    ("5.1", "forum-posts"): (MEMBERSHIPS, "Its report source is mod_forum"),
    ("5.1", "forum-posts-after-edit-and-delete"): (MEMBERSHIPS, "Its report source is mod_forum"),
    ("5.1", "groups"): (COURSE_GROUPS, "groups: 3 of 3 shown"),
    ("5.1", "groups-visibility"): (COURSE_GROUPS, "groups: 3 of 7 shown"),
    ("5.1", "legacy-identifiers-after-upgrade"): (MEMBERSHIPS, NO_ROLE),
    ("5.1", "memberships"): (MEMBERSHIPS, NO_STATUS),
    ("5.1", "memberships-active"): (MEMBERSHIPS, "6 courses, 61 places, 3 kinds of role"),
    ("5.1", "memberships-active-concat"): (MEMBERSHIPS, LINKS),
    ("5.1", "memberships-all"): (MEMBERSHIPS, NO_STATUS),
    ("5.1", "memberships-page3-perpage5"): (MEMBERSHIPS, NO_STATUS),
    ("5.1", "memberships-past-end"): (MEMBERSHIPS, NO_STATUS),
    ("5.1", "memberships-perpage5"): (MEMBERSHIPS, NO_STATUS),
    ("5.1", "onlyrestuse-memberships-active"): (MEMBERSHIPS, "6 courses, 61 places, 3 kinds of role"),
    ("5.1", "users"): (PEOPLE, "41 people, 3 unusable, 0 Matrix ids"),
    ("5.1", "users-with-matrixid"): (PEOPLE, "41 people, 3 unusable, 1 Matrix ids"),
}


def answer(version: str, name: str, *, compact: bool = True) -> Json:
    response = json.loads((RECORDINGS / version / f"{name}.json").read_text())["response"]
    return read_answer(name, Reply(200, json.dumps(response["json"])), set(), compact=compact)


def retrieved(version: str, case: str, *, compact: bool = True) -> Page:
    return parse_page(answer(version, f"core_reportbuilder_retrieve_report--{case}", compact=compact))


def outcome(version: str, case: str, kind: Kind) -> str:
    try:
        page = retrieved(version, case)
        layout = recognise(kind, page.description, page.rows)
        return " ".join(layout.problems) or understood(kind, page, layout)
    except report_errors.ReportUnreadable as error:
        return str(error)
    except errors.MoodleError as error:
        return type(error).__name__


def understood(kind: Kind, page: Page, layout: Layout) -> str:
    if kind is MEMBERSHIPS:
        places = report_tables.memberships(page, layout)
        roles = {role for there in places.values() for held in there.values() for role in held}
        return f"{len(places)} courses, {sum(map(len, places.values()))} places, {len(roles)} kinds of role"
    if kind is COURSE_GROUPS:
        groups = [group for there in report_tables.groups(page, layout).values() for group in there]
        return f"groups: {sum(may_have_room(one.group) for one in groups)} of {len(groups)} shown"
    if kind is PEOPLE:
        people = report_lists.people(page, layout, fields={"matrixid": "Matrix ID"}, language="en").values()
        stated = sum(bool(person.profile_fields) for person in people)
        return f"{len(people)} people, {sum(not p.usable for p in people)} unusable, {stated} Matrix ids"
    courses = report_lists.courses(page, layout, fields={}, language="en")
    return f"{len(courses)} courses, {len(report_lists.categories(page, layout, 'en'))} categories"


@pytest.mark.parametrize(("version", "case"), OUTCOMES)
def test_a_recorded_report_comes_out_as_what_it_is(version: str, case: str) -> None:
    kind, expected = OUTCOMES[version, case]
    assert expected in outcome(version, case, kind)


def test_no_recording_is_left_out_of_the_table() -> None:
    there = {
        (path.parent.name, path.stem.partition("--")[2])
        for path in RECORDINGS.glob("*/core_reportbuilder_retrieve_report--*.json")
    }
    assert there == OUTCOMES.keys()


def test_compact_rows_are_the_same_rows() -> None:
    for version, case in OUTCOMES:
        if not case.startswith("error"):
            assert retrieved(version, case) == retrieved(version, case, compact=False)


def test_the_list_of_reports_names_each_with_its_source() -> None:
    listed = parse_list(answer("5.1", f"{LISTS}--leastpriv"))
    assert [report.name for report in listed][:3] == ["courses", "forum-posts", "groups"]
    assert len(parse_list(answer("4.4", f"{LISTS}--leastpriv"))) == 2


def test_a_course_of_a_report_is_the_course_that_it_is() -> None:
    page = retrieved("5.1", "courses")
    layout = recognise(SITE_COURSES, page.description, page.rows)
    fields = report_lists.headers_of(
        ("matrix_enabled", "matrix_room_name"),
        {"matrix_enabled": "Matrix room enabled", "matrix_room_name": "Matrix room name"},
        layout,
    )
    found = report_lists.courses(page, layout, fields=fields, language="en")
    algorithms = next(course for course in found.values() if course.id == 2)
    assert (algorithms.shortname, algorithms.fullname) == ("ALG&DS", "Algorithms & Data Structures")
    assert (algorithms.idnumber, algorithms.category_id, algorithms.visible) == ("INF-101", 4, True)
    assert algorithms.start == 1792606740.0
    assert algorithms.custom_fields["matrix_enabled"] == "1"
    assert algorithms.custom_field_types["matrix_enabled"] == "checkbox"
    assert algorithms.custom_fields["matrix_room_name"] == 'Algo "A&D" röom 1 < 2'
    categories = report_lists.categories(page, layout, "en")
    assert {int(number): tuple(map(int, one.path)) for number, one in categories.items()} == {
        2: (2,), 3: (2, 3), 4: (2, 3, 4),
    }  # fmt: skip
