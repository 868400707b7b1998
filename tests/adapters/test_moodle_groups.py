"""Groups out of both sources: the same numbers, hidden ones marked, and who may see one told or said to be unknown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle, University, rights
from moodle_appservice.demo.sandbox.records import Group as SandboxGroup
from moodle_appservice.demo.sandbox.records import GroupVisibility as Shown
from moodle_appservice.demo.sandbox.report_seed import GROUP_MEMBERS
from moodle_appservice.domain.groups import may_have_room, why_no_room
from moodle_appservice.domain.model import CourseFacts, CourseId, Group, GroupId, GroupVisibility
from moodle_appservice.moodle import MoodleClient, MoodleFacts
from moodle_appservice.moodle.course_groups import CourseGroups
from moodle_appservice.moodle.group_register import GroupRegister
from moodle_appservice.moodle.reports import ReportFacts
from moodle_appservice.moodle.shapes import COURSE_GROUPS, Roster

NOW = 1795204800
TWO = CourseId(2)


class HandClock:
    time = float(NOW)

    def now(self) -> float:
        return self.time


class Both:
    """A sandbox Moodle and both sources about it, which share one register."""

    def __init__(self, moodle: SandboxMoodle, courses: MoodleFacts, reports: ReportFacts) -> None:
        self.moodle, self.courses, self.reports, self.clock = moodle, courses, reports, HandClock()
        self.groups: dict[str, SandboxGroup] = {
            group.name: group for group in moodle.university.groups.values()
        }

    async def by_report(self) -> CourseFacts:
        self.clock.time += 10
        courses_clock.time = self.clock.time
        await self.reports.site(not_older_than=self.clock.time)
        return await self.reports.course_facts(TWO, not_older_than=self.clock.time)

    async def by_course(self) -> CourseFacts:
        self.clock.time += 10
        courses_clock.time = self.clock.time
        return await self.courses.course_facts(TWO, not_older_than=self.clock.time)

    async def by_hint(self) -> CourseFacts:
        """What a look at one course says while the reports are the source."""
        self.clock.time += 10
        courses_clock.time = self.clock.time
        return await self.reports.course_facts(TWO, not_older_than=self.clock.time)


courses_clock = HandClock()


@asynccontextmanager
async def both(register: GroupRegister | None = None) -> AsyncIterator[Both]:
    university = University(lambda: NOW)
    university.add_person("guest", "Guest user", " ")
    university.add_person("admin", "Admin", "User")
    university.add_course("C2", "Course 2", university.add_category("Arts").id, id=2, startdate=NOW)
    for number in range(8):
        university.enrol(university.add_person(f"u{number}", "U", f"{number}").id, 2)
    for name, visibility, members in (
        ("All", Shown.ALL, {3, 4}),
        ("Members", Shown.MEMBERS, {4, 5}),
        ("Own", Shown.OWN, {6}),
        ("None", Shown.NONE, {7, 8}),
        ("Empty", Shown.ALL, set[int]()),
    ):
        university.add_group(2, name, visibility=visibility).members.update(members)
    courses_clock.time = float(NOW)
    async with SandboxMoodle(university, clock=lambda: NOW) as moodle, aiohttp.ClientSession() as session:
        client = MoodleClient(moodle.url, moodle.token, session=session, attempts=1)
        courses = MoodleFacts(client, clock=courses_clock, groups=register or GroupRegister())
        reports = ReportFacts(client, courses, clock=courses_clock)
        yield Both(moodle, courses, reports)
        await reports.close()
        await courses.close()


def told(facts: CourseFacts) -> dict[str, tuple[GroupVisibility, bool]]:
    return {group.name: (group.visibility, may_have_room(group)) for group in facts.groups}


def numbers(facts: CourseFacts) -> dict[str, int]:
    return {group.name: group.id for group in facts.groups}


def members(facts: CourseFacts) -> dict[str, set[int]]:
    return {
        group.name: {int(one.user_id) for one in facts.enrolments if group.id in one.groups}
        for group in facts.groups
    }


async def test_a_report_tells_of_every_group_and_who_may_see_it() -> None:
    async with both() as at:
        facts = await at.by_report()
        assert told(facts) == {
            "All": (GroupVisibility.ALL, True),
            "Members": (GroupVisibility.MEMBERS, True),
            "Own": (GroupVisibility.OWN, False),
            "None": (GroupVisibility.NONE, False),
            "Empty": (GroupVisibility.ALL, True),
        }
        assert members(facts) == {
            "All": {3, 4},
            "Members": {4, 5},
            "Own": {6},
            "None": {7, 8},
            "Empty": set(),
        }


async def test_a_list_of_participants_never_leads_to_a_room_and_says_why() -> None:
    async with both() as at:
        facts = await at.by_course()
        assert told(facts) == dict.fromkeys(("All", "Members", "Own"), (GroupVisibility.UNKNOWN, False))
        assert "core_group_get_course_groups" in at.courses.groups.why_unknown()
        assert "not known who may see" in why_no_room(facts.groups[0])
        assert at.moodle.calls[COURSE_GROUPS] == 0


async def test_where_groups_can_be_listed_their_visibility_is_known() -> None:
    async with both() as at:
        at.moodle.site.service.functions.append(COURSE_GROUPS)
        at.moodle.rights.grant(rights.MANAGE_GROUPS)
        facts = await at.by_course()
        assert told(facts) == {
            "All": (GroupVisibility.ALL, True),
            "Members": (GroupVisibility.UNKNOWN, False),
            "Own": (GroupVisibility.UNKNOWN, False),
            "Empty": (GroupVisibility.ALL, True),
        }
        assert at.courses.groups.why_unknown() == ""


async def test_a_list_of_groups_that_is_refused_is_asked_for_once() -> None:
    async with both() as at:
        at.moodle.site.service.functions.append(COURSE_GROUPS)
        for _ in range(3):
            facts = await at.by_course()
            assert len(facts.enrolments) == 8
        assert at.moodle.calls[COURSE_GROUPS] == 1
        assert at.courses.groups.why_unknown()


async def test_both_sources_speak_of_the_same_groups_whichever_came_first() -> None:
    async with both() as at:
        first = numbers(await at.by_report())
        assert {name: first[name] for name in ("All", "Members", "Own")} == numbers(await at.by_course())
        assert numbers(await at.by_report()) == first
    async with both() as at:
        seen = numbers(await at.by_course())
        assert all(number > 0 for number in seen.values())
        assert numbers(await at.by_report()).items() >= seen.items()


async def test_a_hint_keeps_what_only_the_reports_tell() -> None:
    async with both() as at:
        before = await at.by_report()
        at.moodle.university.groups[at.groups["Members"].id].members.add(3)
        hint = await at.by_hint()
        assert at.moodle.calls["core_enrol_get_enrolled_users"] > 0
        assert told(hint) == told(before)
        assert numbers(hint) == numbers(before)
        assert members(hint) == {**members(before), "Members": {3, 4, 5}}


async def test_a_group_renamed_between_a_report_and_a_hint_keeps_its_number() -> None:
    async with both() as at:
        before = numbers(await at.by_report())
        await at.by_hint()
        at.groups["All"].name, at.groups["All"].members = "Everybody", {8}
        renamed = numbers(await at.by_hint())
        assert renamed["Everybody"] == before["All"]
        assert numbers(await at.by_report())["Everybody"] == before["All"]


async def test_groupings_multiply_the_rows_and_nobody_else() -> None:
    async with both() as at:
        plain = await at.by_report()
        for name in ("T1", "T2"):
            at.moodle.university.add_grouping(2, name, {at.groups["All"].id, at.groups["Members"].id})
        facts = await at.by_report()
        assert members(facts) == members(plain)
        assert {group.name: group.groupings for group in facts.groups} == {
            "All": {"T1", "T2"}, "Members": {"T1", "T2"}, "Own": set(), "None": set(), "Empty": set(),
        }  # fmt: skip


async def test_two_groups_of_one_name_get_no_room_where_they_contradict_each_other() -> None:
    async with both() as at:
        at.moodle.university.add_group(2, "All", visibility=Shown.NONE).members.add(9)
        (group,) = [one for one in (await at.by_report()).groups if one.name == "All"]
        assert group.ambiguous and not may_have_room(group)
        await at.by_course()
    async with both() as at:
        at.moodle.university.add_group(2, "All").members.add(9)
        await at.by_course()
        (group,) = [one for one in (await at.by_report()).groups if one.name == "All"]
        assert not may_have_room(group), "the ids of a list of participants told that there are two"


@pytest.mark.parametrize("lost", ["group:visibility", "group:participation"])
async def test_without_its_column_no_group_gets_a_room(lost: str) -> None:
    async with both() as at:
        at.moodle.reports.named(GROUP_MEMBERS).drop_column(lost)
        facts = await at.by_report()
        assert len(facts.groups) == 5
        assert not any(may_have_room(group) for group in facts.groups)
        found = [finding.sentence for finding in await at.reports.check() if finding.kind == "groups"]
        assert any("no group gets a room" in sentence for sentence in found)


def test_before_moodle_4_2_every_group_is_visible() -> None:
    groups = CourseGroups()
    groups.version = (4, 1)
    roster = Roster((), (Group(GroupId(7), "A", moodle_id=7),), 0)
    (group,) = groups.place(TWO, roster, None).groups
    assert (group.id, may_have_room(group), groups.why_unknown()) == (7, True, "")
