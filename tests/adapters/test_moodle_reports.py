"""`ReportFacts` against the sandbox Moodle: the facts of course after course, an error for every broken report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.demo.sandbox.report_seed import (
    ACCOUNTS,
    COURSE_LIST,
    GROUP_MEMBERS,
    MEMBERSHIPS,
    sorted_by_course_and_user,
)
from moodle_appservice.demo.sandbox.reports import USERS, ReportColumn
from moodle_appservice.domain.groups import may_have_room
from moodle_appservice.domain.model import CourseFacts, CourseId, GroupVisibility, MoodleUserId
from moodle_appservice.errors import CourseGone, PermanentFailure
from moodle_appservice.moodle import MoodleClient, MoodleFacts, State, errors, report_errors
from moodle_appservice.moodle.report_fetch import RETRIEVE, Choice
from moodle_appservice.moodle.report_snapshot import Fields
from moodle_appservice.moodle.reports import ReportFacts
from moodle_appservice.ports import Facts

NOW = 1795204800  # Friday, 20 November 2026, 8:00 PM UTC
TWO = CourseId(2)


class HandClock:
    """Moved by hand."""

    time = float(NOW)

    def now(self) -> float:
        return self.time


class Desk:
    """A sandbox Moodle, both sources about it, and the clock."""

    def __init__(
        self,
        moodle: SandboxMoodle,
        facts: ReportFacts,
        single: MoodleFacts,
        client: MoodleClient,
        clock: HandClock,
    ) -> None:
        self.moodle, self.facts, self.single, self.client, self.clock = moodle, facts, single, client, clock

    async def members(self, course_id: int = 2) -> set[int]:
        """Who is in a course by a new look at the whole site."""
        self.clock.time += 10
        await self.facts.site(not_older_than=self.clock.time)
        facts = await self.facts.course_facts(CourseId(course_id), not_older_than=self.clock.time)
        return {int(enrolment.user_id) for enrolment in facts.enrolments}


@asynccontextmanager
async def desk(moodle: SandboxMoodle | None = None, **more: Any) -> AsyncIterator[Desk]:
    clock = HandClock()
    async with moodle or SandboxMoodle(clock=lambda: NOW) as running, aiohttp.ClientSession() as session:
        client = MoodleClient(running.url, running.token, session=session, attempts=1)
        single = MoodleFacts(client, clock=clock)
        facts = ReportFacts(client, single, clock=clock, **more)
        yield Desk(running, facts, single, client, clock)
        await facts.close()
        await single.close()


def crowd(people: int = 30) -> SandboxMoodle:
    """One course with many, a second one with one of them."""
    university = University(lambda: NOW)
    university.add_person("guest", "Guest user", " ")
    university.add_person("admin", "Admin", "User")
    category = university.add_category("Arts").id
    for number in (2, 3):
        university.add_course(f"C{number}", f"Course {number}", category, startdate=NOW)
    for number in range(people):
        person = university.add_person(f"user{number}", f"User {number:03}", "Sur & Name").id
        university.enrol(person, 2)
    university.enrol(3, 3)
    return SandboxMoodle(university, clock=lambda: NOW)


@pytest.mark.parametrize("version", ["4.4", "5.1"])
async def test_reports_tell_the_same_as_the_functions_of_each_course(version: str) -> None:
    async with desk(SandboxMoodle(version=version, clock=lambda: NOW)) as at:
        port: Facts = at.facts
        site, other = await port.site(not_older_than=0), await at.single.site(not_older_than=0)
        assert site.courses.keys() == other.courses.keys()
        assert {c.id: c.path for c in site.categories.values()} == {
            c.id: c.path for c in other.categories.values()
        }
        for course_id, course in other.courses.items():
            mine = site.courses[course_id]
            assert (mine.shortname, mine.fullname, mine.visible) == (
                course.shortname,
                course.fullname,
                course.visible,
            )
            seen = await port.course_facts(course_id, not_older_than=0)
            facts = await at.single.course_facts(course_id, not_older_than=0)
            usable = {e.user_id: e.roles for e in facts.enrolments if facts.people[e.user_id].usable}
            nologin = {u for u, person in facts.people.items() if person.auth == "nologin"}
            assert {e.user_id: e.roles for e in seen.enrolments if e.user_id not in nologin} == usable
            assert {seen.people[user].username for user in usable} == {
                facts.people[user].username for user in usable
            }
            hidden = {group.name for group in seen.groups if group.visibility is GroupVisibility.NONE}
            shown = {group.name for group in seen.groups if may_have_room(group)}
            assert shown <= {group.name for group in facts.groups} - hidden
            assert {group.name for group in facts.groups} <= {group.name for group in seen.groups} - hidden
            assert not any(may_have_room(group) for group in facts.groups)


async def test_a_pass_over_an_unchanged_site_costs_one_request_and_one_per_report() -> None:
    async with desk() as at:
        await at.members()
        before, hashes = at.client.requests, at.facts.hashes()
        last = at.facts._last
        await at.members()
        assert at.client.requests - before == 6
        assert at.facts.changed_courses(hashes) == frozenset()
        assert last is not None and at.facts._last is not None
        assert all(at.facts._last.enrolments[number] is there for number, there in last.enrolments.items())
        assert all(at.facts._last.people[number] is person for number, person in last.people.items())
        assert all(at.facts._last.groups[number] is there for number, there in last.groups.items())


async def test_all_who_wait_share_one_reading() -> None:
    async with desk() as at:
        await asyncio.gather(*(at.facts.site(not_older_than=0) for _ in range(5)))
        assert at.moodle.counts["core_reportbuilder_retrieve_report"] == 7


async def test_only_changed_courses_are_dirty() -> None:
    async with desk(crowd()) as at:
        await at.members()
        hashes = at.facts.hashes()
        assert at.facts.changed_courses({}) == {2, 3}
        at.moodle.university.assign_role(3, 3, "editingteacher")
        await at.members()
        assert at.facts.changed_courses(hashes) == {3}
        hashes = at.facts.hashes()
        at.moodle.university.people[20].firstname = "Renamed"
        await at.members()
        assert at.facts.changed_courses(hashes) == {2}


def _without_condition(moodle: SandboxMoodle, *identifiers: str, column: str = "") -> None:
    """As after an upgrade, or after somebody clicked: `conditiondata` stays as it was."""
    found = moodle.reports.named(MEMBERSHIPS)
    moodle.university.add_method(2, "guest")
    for identifier in identifiers:
        found.drop_condition(identifier)
    if column:
        found.columns.append(ReportColumn(column))


BROKEN: dict[str, tuple[Callable[[SandboxMoodle], object], type[Exception], str]] = {
    "no role column": (
        lambda m: m.reports.named(MEMBERSHIPS).drop_column("role:shortname"),
        report_errors.ReportIncomplete, "The column “Short name” of Role is missing",
    ),
    "no user column": (
        lambda m: m.reports.named(MEMBERSHIPS).drop_column("user:fullnamewithlink"),
        report_errors.ReportIncomplete, "The column “Full name with link” of User is missing",
    ),
    "never a condition": (
        lambda m: setattr(m.reports.named(MEMBERSHIPS), "conditions", None),
        report_errors.ReportIncomplete, "The condition “Enrolment > Status is equal to Active” is missing",
    ),
    "another status": (
        lambda m: m.reports.named(MEMBERSHIPS).conditions.update({"enrolment:status_value": 1}),  # type: ignore[union-attr]
        report_errors.ReportIncomplete, "The condition “Enrolment > Status is equal to Active” is missing",
    ),
    "only the suspended": (
        lambda m: m.reports.named(MEMBERSHIPS).conditions.update({"user:suspended_operator": 1}),  # type: ignore[union-attr]
        report_errors.ReportIncomplete, "The condition user:suspended leaves out the wrong people",
    ),
    "concatenated people": (
        lambda m: setattr(m.reports.named(MEMBERSHIPS).column("user:fullnamewithlink"), "aggregation", "groupconcat"),
        report_errors.ReportUnreadable, "several links in one cell",
    ),
    "counted people": (
        lambda m: setattr(m.reports.named(MEMBERSHIPS).column("user:fullnamewithlink"), "aggregation", "count"),
        report_errors.ReportUnreadable, "counted",
    ),
    "concatenated roles": (
        lambda m: setattr(m.reports.named(MEMBERSHIPS).column("role:shortname"), "aggregation", "groupconcat"),
        report_errors.ReportUnreadable, "in the column “Short name”",
    ),
    "a condition that is reported and gone, seen by the status": (
        lambda m: _without_condition(m, "enrolment:status", column="enrolment:status"),
        report_errors.ReportUnreadable, "was taken out",
    ),
    "conditions that are reported and gone, seen by a row without a person": (
        lambda m: _without_condition(m, "enrolment:status", "user:suspended", "user:confirmed"),
        report_errors.ReportUnreadable, "was taken out",
    ),
    "the users without the suspended": (
        lambda m: setattr(m.reports.named(ACCOUNTS), "conditions", {"user:suspended_operator": 2}),
        report_errors.ReportIncomplete, "Take the condition user:suspended out",
    ),
    "users without names": (
        lambda m: m.reports.named(ACCOUNTS).drop_column("user:username"),
        report_errors.ReportIncomplete, "The column “Username” of User is missing",
    ),
    "courses without categories": (
        lambda m: m.reports.named(COURSE_LIST).drop_column("course_category:namewithlink"),
        report_errors.ReportIncomplete, "The column “Category name with link”",
    ),
    "another source": (
        lambda m: setattr(m.reports.named(COURSE_LIST), "source", USERS),
        report_errors.ReportIncomplete, "Its report source is",
    ),
    "not shared": (
        lambda m: setattr(m.reports.named(MEMBERSHIPS), "audience", set()),
        report_errors.ReportMissing, "“Matrix memberships”: who is in which course",
    ),
    "renamed": (
        lambda m: setattr(m.reports.named(ACCOUNTS), "name", "People"),
        report_errors.ReportMissing, "“Matrix users”",
    ),
    "two of one name": (
        lambda m: setattr(m.reports.named(COURSE_LIST), "name", "matrix - users"),
        report_errors.ReportAmbiguous, "“Matrix users”",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_report_holds_the_source_and_says_why(name: str) -> None:
    change, kind, words = BROKEN[name]
    async with desk() as at:
        change(at.moodle)
        with pytest.raises(kind) as failed:
            await at.facts.site(not_older_than=0)
        assert words in str(failed.value)
        assert "Nothing was changed." in str(failed.value)
        assert isinstance(failed.value, PermanentFailure)
        found = [finding for finding in await at.facts.check() if finding.state is State.MISSING]
        assert found
        assert all(finding.clicks for finding in found)


async def test_what_was_set_up_is_compared_at_every_look() -> None:
    async with desk() as at:
        await at.members()
        stored = at.facts.fingerprint()
        assert set(stored) == {"memberships", "groups", "roles", "starts", "ends", "users", "courses"}
        at.moodle.reports.named(MEMBERSHIPS).columns.append(ReportColumn("course:idnumber"))
        with pytest.raises(report_errors.ReportChanged, match="Its columns were"):
            await at.members()
        said = await at.facts.accept_reports()
        assert len(said) == 1 and "“Matrix memberships”: Its columns were" in said[0]
        assert await at.facts.accept_reports() == ()
        await at.members()
        assert at.facts.fingerprint() != stored
    async with desk(expected=stored) as at:
        await at.members()
        at.moodle.reports.named(GROUP_MEMBERS).name = "gone"
    async with desk(expected={**stored, "users": "{}"}) as at:
        with pytest.raises(report_errors.ReportChanged):
            await at.members()


async def test_the_check_names_a_report_that_was_changed_and_how_to_accept_it() -> None:
    async with desk() as at:
        await at.members()
        at.moodle.reports.named(COURSE_LIST).columns.append(ReportColumn("course:timemodified"))
        (wrong,) = [finding for finding in await at.facts.check() if finding.state is State.MISSING]
        assert (wrong.kind, "Its columns were" in wrong.sentence) == ("courses", True)
        assert "doctor --reports --accept" in wrong.clicks[0]


@pytest.mark.parametrize("added", [("enrol:plugin",), ("group:name",), ("enrol:plugin", "group:name")])
async def test_a_column_that_multiplies_rows_adds_and_removes_nobody(added: tuple[str, ...]) -> None:
    async with desk() as plain, desk() as at:
        at.moodle.university.enrol(3, 2, method="self")
        plain.moodle.university.enrol(3, 2, method="self")
        at.moodle.reports.named(MEMBERSHIPS).columns += [ReportColumn(column) for column in added]
        await plain.members()
        await at.members()
        for course_id in (await at.facts.site(not_older_than=0)).courses:
            seen = await at.facts.course_facts(course_id, not_older_than=0)
            known = await plain.facts.course_facts(course_id, not_older_than=0)
            assert seen.enrolments == known.enrolments


async def test_a_moodle_before_4_3_is_told_to_be_read_course_by_course() -> None:
    moodle = SandboxMoodle(clock=lambda: NOW)
    moodle.site.version = replace(moodle.site.version, release="4.2.11+ (Build: 20241007)")
    async with desk(moodle) as at:
        columns = at.moodle.reports.named(MEMBERSHIPS).columns
        columns[:] = [column for column in columns if column.identifier != "role:shortname"]
        with pytest.raises(
            report_errors.ReportIncomplete, match=r"since Moodle 4\.3: on this site set moodle\.source"
        ):
            await at.members()


async def test_unique_rows_that_are_switched_on_later_hold_the_source() -> None:
    async with desk() as at:
        before = await at.members()
        at.moodle.reports.named(MEMBERSHIPS).uniquerows = True
        with pytest.raises(report_errors.ReportChanged, match="Its unique rows were false and are true"):
            await at.members()
        await at.facts.accept_reports()
        assert await at.members() == before


async def test_a_column_that_stands_twice_is_not_guessed() -> None:
    async with desk() as at:
        at.moodle.reports.named(MEMBERSHIPS).columns.append(ReportColumn("role:shortname"))
        with pytest.raises(report_errors.ReportIncomplete, match="2 columns are called “Short name”"):
            await at.members()


async def test_a_report_that_can_not_be_read_is_not_accepted_either() -> None:
    async with desk() as at:
        await at.members()
        at.moodle.reports.named(MEMBERSHIPS).drop_column("role:shortname")
        with pytest.raises(report_errors.ReportIncomplete):
            await at.facts.accept_reports()
        with pytest.raises(report_errors.ReportChanged, match="doctor --reports --accept"):
            await at.members()


async def test_an_optional_report_that_was_there_may_not_vanish() -> None:
    async with desk() as at:
        stored_at = at.facts
        await at.members()
        at.moodle.reports.named(GROUP_MEMBERS).name = "gone"
        assert await stored_at.accept_reports() == ("“Matrix groups”: It is not there any more.",)
        await at.members()
    async with desk(expected={"groups": "{}"}) as at:
        at.moodle.reports.named(GROUP_MEMBERS).name = "gone"
        with pytest.raises(report_errors.ReportMissing, match="Matrix groups"):
            await at.members()


@pytest.mark.parametrize("size", [1000, 31, 30, 17, 7, 5])
async def test_a_sorted_report_is_read_page_by_page(size: int) -> None:
    async with desk(crowd(), rows_per_request=size) as at:
        for name in (MEMBERSHIPS, ACCOUNTS, COURSE_LIST, GROUP_MEMBERS):
            found = sorted_by_course_and_user(at.moodle.reports.named(name))
            known = {column.identifier for column in found.columns}
            found.sorting = [identifier for identifier in found.sorting if identifier in known]
        assert await at.members() == set(range(3, 33))


async def test_a_report_is_found_by_number_or_name() -> None:
    async with desk(choice=Choice("X", {
        "memberships": 1, "users": ACCOUNTS, "courses": COURSE_LIST, "groups": GROUP_MEMBERS,
    })) as at:  # fmt: skip
        assert at.moodle.reports.named(MEMBERSHIPS).id == 1
        assert await at.members()


async def test_a_hint_reads_one_course_and_counts_until_the_next_look_at_the_site() -> None:
    async with desk(crowd()) as at:
        await at.members()
        at.moodle.university.enrol(4, 3)
        at.clock.time += 10
        before = at.moodle.counts["core_reportbuilder_retrieve_report"]
        facts = await at.facts.course_facts(CourseId(3), not_older_than=at.clock.time)
        assert {int(e.user_id) for e in facts.enrolments} == {3, 4}
        assert at.moodle.counts["core_reportbuilder_retrieve_report"] == before
        assert await at.facts.course_facts(CourseId(3), not_older_than=0) == facts
        assert at.facts.remembered(CourseId(3), not_older_than=at.clock.time) == facts
        assert at.facts.remembered(TWO, not_older_than=at.clock.time) is None
        assert at.facts.remembered(CourseId(4711), not_older_than=0) is None
        person = await at.facts.person(MoodleUserId(4), not_older_than=at.clock.time)
        assert person is not None and person == facts.people[MoodleUserId(4)]
        await at.members()
        again = await at.facts.course_facts(CourseId(3), not_older_than=0)
        assert (again.enrolments, dict(again.people)) == (facts.enrolments, dict(facts.people))


async def test_who_came_with_a_hint_is_known_though_the_last_reading_of_the_reports_was_before() -> None:
    async with desk(crowd()) as at:
        await at.members()
        newcomer = at.moodle.university.add_person("late", "La", "Te").id
        at.moodle.university.enrol(newcomer, 3)
        at.clock.time += 10
        before = at.moodle.counts["core_reportbuilder_retrieve_report"]
        facts = await at.facts.course_facts(CourseId(3), not_older_than=at.clock.time)
        person = await at.facts.person(MoodleUserId(newcomer), not_older_than=0.0)
        assert person is not None and person == facts.people[MoodleUserId(newcomer)]
        assert at.moodle.counts["core_reportbuilder_retrieve_report"] == before


def rounding(at: Desk, user_id: int) -> None:
    """From now on the per-course function leaves somebody out, as while Moodle rounds the time of the enrolment."""
    read = at.single.course_facts

    async def leave_out(course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        facts = await read(course_id, not_older_than=not_older_than)
        left = tuple(one for one in facts.enrolments if one.user_id != user_id)
        return replace(facts, enrolments=left)

    at.single.course_facts = leave_out  # type: ignore[method-assign]


@pytest.mark.parametrize(("seconds", "is_there"), [(1, True), (99, True), (100, False)])
async def test_a_hint_does_not_miss_who_came_a_moment_ago(seconds: int, is_there: bool) -> None:
    """The reports know the second, the per-course functions round it."""
    async with desk(crowd()) as at:
        await at.members()
        at.moodle.university.enrol(4, 3)
        assert await at.members(3) == {3, 4}
        rounding(at, 4)
        at.clock.time += seconds
        facts = await at.facts.course_facts(CourseId(3), not_older_than=at.clock.time)
        assert (4 in {int(one.user_id) for one in facts.enrolments}) is is_there


@pytest.mark.parametrize("named", [{"timestart": NOW + 1200}, {"timeend": NOW + 1200}])
async def test_at_a_known_start_or_end_the_reports_have_the_word(named: dict[str, Any]) -> None:
    async with desk(crowd()) as at:
        at.moodle.university.enrol(4, 3, **named)
        await at.members()
        (moment,) = at.facts.moments(after=NOW, until=NOW + 86400)
        for after, by_report in ((0, True), (99, True), (100, False)):
            at.clock.time = moment.at + after
            before = at.moodle.counts[RETRIEVE]
            await at.facts.course_facts(CourseId(3), not_older_than=at.clock.time)
            assert (at.moodle.counts[RETRIEVE] > before) is by_report


async def test_a_hint_that_shows_far_fewer_people_is_judged_like_the_whole_site() -> None:
    async with desk(crowd()) as at:
        everybody = await at.members()
        for user in range(3, 23):
            at.moodle.university.unenrol(user, 2)
        at.clock.time += 10
        facts = await at.facts.course_facts(TWO, not_older_than=at.clock.time)
        assert {int(one.user_id) for one in facts.enrolments} == everybody
        assert list(at.facts.held) == [2]


async def test_without_rights_a_hint_is_a_look_at_the_whole_site() -> None:
    async with desk(crowd(), hybrid=False) as at:
        await at.members()
        at.moodle.university.enrol(4, 3)
        at.clock.time += 10
        facts = await at.facts.course_facts(CourseId(3), not_older_than=at.clock.time)
        assert len(facts.enrolments) == 2
        assert at.moodle.counts["core_enrol_get_enrolled_users"] == 0


async def test_a_course_that_lost_many_keeps_them_until_a_person_confirms() -> None:
    async with desk(crowd()) as at:
        everybody = await at.members()
        for user in range(3, 23):
            at.moodle.university.unenrol(user, 2)
        newcomer = at.moodle.university.add_person("new", "New", "Comer").id
        at.moodle.university.enrol(newcomer, 2)
        assert await at.members() == everybody | {newcomer}
        assert list(at.facts.held) == [2]
        assert await at.members() == everybody | {newcomer}
        await at.facts.confirm([TWO])
        assert await at.members() == set(range(23, 33)) | {newcomer}
        assert at.facts.held == {}
        marks = at.facts.marks
        assert marks.members[TWO].most == 11


async def test_after_a_restart_a_shrunken_course_is_refused() -> None:
    async with desk(crowd()) as at:
        await at.members()
        marks = at.facts.marks
    async with desk(crowd(), marks=marks) as at:
        for user in range(3, 23):
            at.moodle.university.unenrol(user, 2)
        with pytest.raises(errors.SourceHeld, match="Course 2 is held"):
            await at.members()
        assert at.facts.remembered(TWO, not_older_than=0) is None
        assert await at.members(3) == {3}


async def test_a_course_that_is_not_listed_is_gone_and_the_front_page_is_no_course() -> None:
    async with desk() as at:
        await at.facts.site(not_older_than=0)
        with pytest.raises(CourseGone):
            await at.facts.course_facts(CourseId(4711), not_older_than=0)
        with pytest.raises(ValueError, match="front page"):
            await at.facts.course_facts(CourseId(1), not_older_than=0)


async def test_fields_come_by_short_name_or_by_the_header_that_is_configured() -> None:
    fields = Fields(course=("matrix_enabled",), headers={"matrix_enabled": "Matrix room"})
    async with desk(fields=fields) as at:
        listed = at.moodle.reports.named(COURSE_LIST)
        own = next(column for column in listed.columns if column.identifier.startswith("course:customfield_"))
        own.heading = "Matrix room"
        site = await at.facts.site(not_older_than=0)
        assert all("matrix_enabled" in course.custom_fields for course in site.courses.values())


async def test_a_room_that_moodle_made_itself_is_known_where_courses_can_be_listed() -> None:
    for right in (True, False):
        async with desk(crowd()) as at:
            at.moodle.site.communication_enabled = True
            at.moodle.university.courses[3].communication = ("Room", "https://matrix.to/#/!abc")
            if not right:
                at.moodle.rights.revoke("moodle/course:view")
            site = await at.facts.site(not_older_than=0)
            assert site.courses[CourseId(3)].own_room_url == ("https://matrix.to/#/!abc" if right else "")
            facts = await at.facts.course_facts(CourseId(3), not_older_than=0)
            assert bool(facts.course.own_room_url) is right
            assert not site.courses[TWO].own_room_url
            assert at.facts.shows_own_rooms is right
            asked = at.moodle.counts["core_course_get_courses_by_field"]
            await at.members()
            assert at.moodle.counts["core_course_get_courses_by_field"] == asked == 1


async def test_known_starts_and_ends_are_told() -> None:
    async with desk(crowd()) as at:
        at.moodle.university.enrol(3, 2, timeend=NOW + 3601)
        await at.members()
        (moment,) = at.facts.moments(after=NOW, until=NOW + 86400)
        assert (moment.course_id, moment.user_id, moment.ends) == (2, 3, True)
        assert NOW + 3601 <= moment.at <= NOW + 3601 + 60


async def test_the_check_of_a_whole_set_finds_nothing_missing() -> None:
    async with desk() as at:
        found = await at.facts.check()
        assert {finding.kind for finding in found if finding.state is State.HELD} == {
            "memberships", "groups", "roles", "starts", "ends", "users", "courses",
        }  # fmt: skip
        assert not [finding for finding in found if finding.state is State.MISSING]
