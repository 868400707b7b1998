"""Custom reports of the sandbox Moodle: what the ready-made ones show and what goes missing without a word."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from moodle_appservice.demo.sandbox import Fault, SandboxMoodle, University, generate, rights
from moodle_appservice.demo.sandbox.records import GroupVisibility
from moodle_appservice.demo.sandbox.report_seed import (
    ACCOUNTS,
    COURSE_LIST,
    ENDS,
    GROUP_MEMBERS,
    MEMBERSHIPS,
    ROLE_HOLDERS,
    STARTS,
    sorted_by_course_and_user,
)
from moodle_appservice.demo.sandbox.report_table import Table
from moodle_appservice.demo.sandbox.report_view import View
from moodle_appservice.demo.sandbox.reports import COURSES, PARTICIPANTS, ReportColumn
from moodle_appservice.demo.sandbox.seed import account
from moodle_appservice.demo.sandbox.session import Session
from tests.adapters.sandbox_client import ask
from tests.lines_run import lines_run

NOW = 1795204800  # Friday, 20 November 2026, 8:00 PM UTC
DAY = 86400
URL = "https://moodle.example.org"


def small(version: str = "5.1") -> SandboxMoodle:
    """Two courses: three people and a group in the first, nobody but a role holder in the second."""
    university = University(lambda: NOW)
    university.add_person("guest", "Guest user", " ")
    university.add_person("admin", "Admin", "User", email="admin@uni.example")
    category = university.add_category("Arts & Crafts").id
    university.add_course("A&B", "Art & <b>Beauty</b>", category, startdate=NOW - DAY)
    university.add_course("EMPTY", "Empty", category, startdate=NOW - DAY, visible=False)
    for first, last, username in (
        ("Ünï", "Cödé & Söns", "ünï"), ("Miles", "O'Brien", "o'brien"), ("Zoë", "Zebra", "zoe"),
    ):  # fmt: skip
        university.enrol(university.add_person(username, first, last).id, 2)
    university.assign_role(5, 2, "teacher")
    university.assign_role(3, 3, "editingteacher")
    university.add_group(2, "One & only", idnumber="G1").members |= {3, 4}
    return SandboxMoodle(university, version=version, clock=lambda: NOW, site_url=URL)


async def answer(moodle: SandboxMoodle, name: str, **fields: object) -> dict[str, Any]:
    """The whole answer for the report with that name."""
    number = moodle.reports.named(name).id
    fields = {"perpage": 0, **fields}
    reply = await ask(moodle, "core_reportbuilder_retrieve_report", ("reportid", number), *fields.items())
    found: dict[str, Any] = reply.json
    assert "data" in found, found
    return found


async def table(moodle: SandboxMoodle, name: str, **fields: object) -> list[list[Any]]:
    """The cells of a report."""
    return [row["columns"] for row in (await answer(moodle, name, **fields))["data"]["rows"]]


def course(number: int, name: str) -> str:
    return f'<a href="{URL}/course/view.php?id={number}">{name}</a>'


def user(number: int, name: str) -> str:
    return f'<a href="{URL}/user/profile.php?id={number}">{name}</a>'


ART = course(2, "Art &amp; Beauty")
UNI, MILES, ZOE = user(3, "Ünï Cödé & Söns"), user(4, "Miles O'Brien"), user(5, "Zoë Zebra")


async def test_memberships_are_one_row_per_enrolment_and_role() -> None:
    async with small() as moodle:
        found = await answer(moodle, MEMBERSHIPS)
        assert found["data"]["headers"] == ["Course full name with link", "Full name with link", "Short name"]
        assert [row["columns"] for row in found["data"]["rows"]] == [
            [ART, UNI, "student"], [ART, MILES, "student"], [ART, ZOE, "teacher"], [ART, ZOE, "student"],
        ]  # fmt: skip
        assert found["data"]["totalrowcount"] == 4
        assert found["warnings"] == []
        # A second method of the same person multiplies once more, and so does every group.
        moodle.university.enrol(3, 2, method="self")
        assert Counter(row[1] for row in await table(moodle, MEMBERSHIPS))[UNI] == 2
        moodle.university.add_group(2, "Another").members.add(3)
        moodle.reports.named(MEMBERSHIPS).columns.append(ReportColumn("group:name"))
        assert Counter(row[1] for row in await table(moodle, MEMBERSHIPS))[UNI] == 4


async def test_without_conditions_unused_methods_are_rows_without_a_person() -> None:
    async with small() as moodle:
        for condition in ("enrolment:status", "user:suspended", "user:confirmed"):
            moodle.reports.named(MEMBERSHIPS).drop_condition(condition)
        rows = await table(moodle, MEMBERSHIPS)
        assert rows[-1] == [course(3, "Empty"), "", None]


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (lambda university: university.enrol(3, 2, suspended=True), {UNI}),
        (lambda university: university.enrol(3, 2, timeend=NOW - 1), {UNI}),
        (lambda university: university.enrol(3, 2, timestart=NOW + 1), {UNI}),
        (lambda university: university.enrol(3, 2, timestart=NOW, timeend=NOW), set()),
        (lambda university: setattr(university.people[4], "suspended", True), {MILES}),
        (lambda university: setattr(university.people[5], "confirmed", False), {ZOE}),
        (lambda university: setattr(university.methods(2)[0], "enabled", False), {UNI, MILES, ZOE}),
        (lambda university: university.delete_person(4), {MILES}),
    ],
)
async def test_the_conditions_keep_out_who_is_not_active_to_the_second(change: Any, lost: set[str]) -> None:
    async with small() as moodle:
        change(moodle.university)
        assert {row[1] for row in await table(moodle, MEMBERSHIPS)} == {UNI, MILES, ZOE} - lost


async def test_a_removed_condition_or_column_changes_nothing_that_the_details_tell() -> None:
    async with small() as moodle:
        moodle.university.people[4].suspended = True
        before = await answer(moodle, MEMBERSHIPS)
        moodle.reports.named(MEMBERSHIPS).drop_condition("user:suspended")
        moodle.reports.named(MEMBERSHIPS).drop_column("role:shortname")
        after = await answer(moodle, MEMBERSHIPS)
        assert after["details"] == before["details"]
        assert "user:suspended" in after["details"]["conditiondata"]
        assert (before["data"]["totalrowcount"], after["data"]["totalrowcount"]) == (3, 3)
        assert {row["columns"][1] for row in after["data"]["rows"]} == {UNI, MILES, ZOE}
        assert after["data"]["headers"] == before["data"]["headers"][:2]


async def test_an_upgrade_drops_what_it_does_not_know_without_a_word() -> None:
    async with small("4.4") as moodle:
        columns = ["course:fullname", "user:username", "enrolment:role", "enrol:plugin"]
        conditions = {"enrolment:role_operator": 3, "enrolment:role_value": "teacher"}
        moodle.reports.add("old", PARTICIPANTS, columns, conditions)
        found = await answer(moodle, "old")
        assert found["data"]["headers"][2:] == ["Role", "Plugin"]
        assert [row["columns"][1:] for row in found["data"]["rows"]] == [
            ["zoe", "Non-editing teacher", "Manual enrolments"]
        ]
        moodle.upgrade("5.1")
        found = await answer(moodle, "old")
        assert found["data"]["headers"] == ["Course full name", "Username", "Plugin"]
        assert (found["data"]["totalrowcount"], found["warnings"]) == (4, [])
        assert [row["columns"] for row in found["data"]["rows"]][-1] == ["Empty", "", "Manual enrolments"]
        moodle.reports.forget("enrolment:status", "role:shortname")
        moodle.university.enrol(3, 2, suspended=True)
        assert [row[1:] for row in await table(moodle, MEMBERSHIPS)] == [[UNI], [MILES], [ZOE]]


async def test_a_source_that_is_gone_is_an_error_and_has_no_name() -> None:
    async with small() as moodle:
        moodle.reports.forget(COURSES)
        number = moodle.reports.named(COURSE_LIST).id
        reply = await ask(moodle, "core_reportbuilder_retrieve_report", ("reportid", number))
        assert reply.errorcode == "errorsourceinvalid"
        listed = await ask(moodle, "core_reportbuilder_list_reports")
        assert {report["name"]: report["sourcename"] for report in listed.json["reports"]}[
            COURSE_LIST
        ] is None


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("4.4", "core_reportbuilder\\report_access_exception"),
        ("5.1", "core_reportbuilder\\exception\\report_access_exception"),
    ],
)
async def test_outside_the_audience_there_is_no_report(version: str, kind: str) -> None:
    async with small(version) as moodle:
        moodle.rights.only(rights.REST_USE)
        report = moodle.reports.named(MEMBERSHIPS)
        assert len(await table(moodle, MEMBERSHIPS)) == 4
        report.audience = {2}
        reply = await ask(moodle, "core_reportbuilder_retrieve_report", ("reportid", report.id))
        assert reply.json == {
            "exception": kind, "errorcode": "errorreportview", "message": "You cannot view this report",
        }  # fmt: skip
        listed = (await ask(moodle, "core_reportbuilder_list_reports")).json["reports"]
        assert MEMBERSHIPS not in {one["name"] for one in listed}
        report.audience.add(moodle.site.service_user)
        assert len(await table(moodle, MEMBERSHIPS)) == 4
        moodle.rights.revoke(rights.REPORT_VIEW)
        assert (await ask(moodle, "core_reportbuilder_list_reports")).errorcode == "errorreportview"


async def test_pages_count_from_zero_and_the_end_is_empty() -> None:
    for version, past_end in (("4.4", 4), ("5.1", 0)):
        async with small(version) as moodle:
            sorted_by_course_and_user(moodle.reports.named(MEMBERSHIPS))
            pages = [await answer(moodle, MEMBERSHIPS, page=page, perpage=3) for page in range(3)]
            assert [[row["columns"][1] for row in page["data"]["rows"]] for page in pages] == [
                [MILES, ZOE, ZOE], [UNI], [],
            ]  # fmt: skip
            assert [page["data"]["totalrowcount"] for page in pages] == [4, 4, past_end]
            assert len({str(page["data"]["headers"]) for page in pages}) == 1


async def test_an_unsorted_report_may_come_in_another_order_every_time() -> None:
    async with SandboxMoodle(generate(20, 20)) as moodle:
        moodle.reports.restless = True
        orders = [await table(moodle, MEMBERSHIPS) for _ in range(2)]
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1])
        sorted_by_course_and_user(moodle.reports.named(MEMBERSHIPS))
        assert await table(moodle, MEMBERSHIPS) == await table(moodle, MEMBERSHIPS)


async def test_known_starts_and_ends_have_the_precision_of_a_minute_in_the_zone_asked_for() -> None:
    async with small() as moodle:
        moodle.university.enrol(3, 2, timestart=NOW + DAY + 59, timeend=NOW + 2 * DAY)
        moodle.university.enrol(4, 2, timeend=NOW - DAY)
        (starting,) = await table(moodle, STARTS)
        assert starting == [
            ART, UNI, "student", "Manual enrolments", "Yes", "Not current",
            "Saturday, 21 November 2026, 8:00 PM", "Sunday, 22 November 2026, 8:00 PM",
        ]  # fmt: skip
        (ending,) = await table(
            moodle, ENDS, moodlewssettingtimezone="Asia/Kolkata", moodlewssettinglang="en"
        )
        assert ending[-1] == "Monday, 23 November 2026, 1:30 AM"
        (ending,) = await table(moodle, ENDS, moodlewssettingtimezone="No/Where")
        assert ending[-1] == "Sunday, 22 November 2026, 8:00 PM"


@pytest.mark.parametrize(("version", "shown"), [("4.4", "Visible to everyone"), ("5.1", "Visible")])
async def test_groups_come_with_all_that_decides_about_a_room(version: str, shown: str) -> None:
    async with small(version) as moodle:
        university = moodle.university
        one = next(iter(university.groups.values()))
        university.add_grouping(2, "Tutorials", {one.id})
        university.add_group(2, "Secret", visibility=GroupVisibility.OWN, participation=False)
        assert await table(moodle, GROUP_MEMBERS) == [
            [ART, "One &amp; only", "G1", shown, "Yes", "Tutorials", UNI],
            [ART, "One &amp; only", "G1", shown, "Yes", "Tutorials", MILES],
            [ART, "Secret", "", "Only see own membership", "No", "", ""],
            [course(3, "Empty"), "", None, "", "", "", ""],
        ]


async def test_accounts_have_sign_in_and_language_where_the_version_has_them() -> None:
    for version, extra in (("4.4", []), ("5.1", ["Manual accounts", "English \u200e(en)\u200e"])):
        async with small(version) as moodle:
            moodle.university.people[4].suspended = True
            rows = {row[0]: row[1:] for row in await table(moodle, ACCOUNTS)}
            assert rows[MILES] == ["o&#039;brien", "", "", "Yes", "Yes", *extra]
            assert not any("Guest" in person for person in rows)


async def test_courses_have_links_dates_and_only_the_fields_that_everyone_sees() -> None:
    async with SandboxMoodle(version="5.1", clock=lambda: NOW, site_url=URL) as moodle:
        found = await answer(moodle, COURSE_LIST)
        assert found["data"]["headers"][-3:] == ["Matrix room", "Matrix room name", "Matrix room topic"]
        first = found["data"]["rows"][0]["columns"]
        assert first[0] == course(2, "Algorithms &amp; Data Structures")
        assert first[4] == f'<a href="{URL}/course/management.php?categoryid=3">Winter term</a>'
        assert first[5] == "Faculty of Science &amp; Engineering / Computer Science / Winter term"
        assert first[8:] == ["on", 'Algo "A&amp;D" röom 1 &lt; 2', "<p>Questions are <b>welcome</b></p>"]
        teachers_only = type(moodle.university.course_fields["matrix_enabled"].visibility).TEACHERS
        moodle.university.course_fields["matrix_enabled"].visibility = teachers_only
        assert "Matrix room" not in (await answer(moodle, COURSE_LIST))["data"]["headers"]


async def test_role_assignments_show_categories_and_the_system_too() -> None:
    async with small() as moodle:
        moodle.university.assign_category_role(4, 1, "manager")
        moodle.university.assign_system_role(5, "coursecreator")
        rows = await table(moodle, ROLE_HOLDERS)
        category = f'<a href="{URL}/course/index.php?categoryid=1">Category: Arts &amp; Crafts</a>'
        assert rows[:2] == [
            [category, "Category", "manager", MILES],
            [f'<a href="{URL}/">System</a>', "System", "coursecreator", ZOE],
        ]
        in_a_course = [course(3, "Course: Empty"), "Course", "editingteacher", UNI]
        assert in_a_course not in rows
        moodle.reports.named(ROLE_HOLDERS).conditions = None
        rows = await table(moodle, ROLE_HOLDERS)
        assert in_a_course in rows
        moodle.university.unassign_category_role(4, 1, "manager")
        assert len(await table(moodle, ROLE_HOLDERS)) == len(rows) - 1
    async with small("4.4") as moodle:
        assert ROLE_HOLDERS not in {report.name for report in moodle.reports}


async def test_filters_are_a_state_of_the_account() -> None:
    async with small() as moodle:
        report = moodle.reports.named(MEMBERSHIPS)
        moodle.site.service.functions.append("core_reportbuilder_set_filters")
        report.filters.add("user:username")
        values = '{"user:username_operator": 3, "user:username_value": "zoe", "course:fullname_operator": 7}'
        for sent, expected in ((values, {ZOE}), ("{}", {UNI, MILES, ZOE})):
            reply = await ask(
                moodle, "core_reportbuilder_set_filters", ("reportid", report.id), ("values", sent)
            )
            assert reply.json is True
            assert {row[1] for row in await table(moodle, MEMBERSHIPS)} == expected


async def test_equal_rows_are_merged_and_values_joined_where_the_report_says_so() -> None:
    async with small() as moodle:
        report = moodle.reports.add("concat", PARTICIPANTS, ["course:shortname", "role:shortname"])
        report.conditions = {"user:suspended_operator": 2}
        report.uniquerows = True
        assert await table(moodle, "concat") == [["A&B", "student"], ["A&B", "teacher"]]
        report.columns.append(ReportColumn("user:fullname", "groupconcatdistinct", heading="Who"))
        found = await answer(moodle, "concat")
        assert found["data"]["headers"][-1] == "Who"
        cells = [row["columns"][2] for row in found["data"]["rows"]]
        assert [sorted(cell.split(", ")) for cell in cells] == [
            ["Miles O'Brien", "Zoë Zebra", "Ünï Cödé & Söns"], ["Zoë Zebra"],
        ]  # fmt: skip


async def test_a_shortened_report_looks_whole() -> None:
    async with small() as moodle:
        moodle.faults.fail(Fault.TRUNCATED, function="core_reportbuilder_retrieve_report", rows=1)
        found = await answer(moodle, MEMBERSHIPS)
        assert (len(found["data"]["rows"]), found["data"]["totalrowcount"]) == (1, 1)


async def test_what_the_sandbox_has_no_column_for_it_does_not_invent() -> None:
    async with small() as moodle:
        report = moodle.reports.add("odd", COURSES, ["course:fullname", "course:downloadcontent"])
        reply = await ask(moodle, "core_reportbuilder_retrieve_report", ("reportid", report.id))
        assert reply.status == 501


async def test_the_small_university_has_the_same_members_in_report_and_list() -> None:
    async with SandboxMoodle(clock=lambda: NOW, site_url=URL) as moodle:
        rows = await table(moodle, MEMBERSHIPS)
        listed = (
            await ask(
                moodle, "core_enrol_get_enrolled_users", ("courseid", 2), ("options[0][name]", "onlyactive"),
                ("options[0][value]", 1),
            )
        ).json  # fmt: skip
        usable = {
            row["id"] for row in listed
            if not (person := moodle.university.people[row["id"]]).suspended and person.confirmed
        }  # fmt: skip
        shown = {int(row[1].split("id=")[1].split('"')[0]) for row in rows if '?id=2"' in row[0]}
        assert shown == usable
        assert account(moodle.university, "suspended1") not in shown


def test_the_work_that_a_page_of_memberships_takes_grows_with_them_and_not_with_their_square() -> None:
    def work(courses: int) -> int:
        moodle = SandboxMoodle(generate(courses, 40), site_url=URL)
        table = Table(View(Session(moodle.site, moodle.university.now())), moodle.reports.named(MEMBERSHIPS))
        rows, total = table.page(0, 0)
        assert (len(rows), total) == (courses * 40, courses * 40)
        return lines_run(lambda: table.page(0, 0))

    small, large = work(20), work(100)
    assert 4 * small < large < 6 * small
