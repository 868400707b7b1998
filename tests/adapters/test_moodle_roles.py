"""Roles above the courses, from the report of roles and from the configuration, in both sources."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.demo.sandbox.report_seed import MEMBERSHIPS, ROLE_HOLDERS
from moodle_appservice.domain.above import Assignment, ExtraRole
from moodle_appservice.domain.groups import may_have_room
from moodle_appservice.domain.model import Category, CategoryId, CourseFacts, CourseId, MoodleUserId, Role
from moodle_appservice.moodle import MoodleClient, MoodleFacts, State, report_errors
from moodle_appservice.moodle.report_fetch import Page, ReportReader, parse_page
from moodle_appservice.moodle.report_kinds import COURSE_GROUPS, clicks
from moodle_appservice.moodle.report_kinds import ROLE_HOLDERS as KIND
from moodle_appservice.moodle.report_layout import Description, recognise
from moodle_appservice.moodle.report_roles import place_categories, role_holders
from moodle_appservice.moodle.report_tables import groups
from moodle_appservice.moodle.reports import ReportFacts

NOW = 1795204800
MANAGER = Role("manager")


class HandClock:
    time = float(NOW)

    def now(self) -> float:
        return self.time


def university() -> University:
    """Arts (1) > Music (2) with course 2, Sciences (3) with course 3; 10 and 11 manage, 3 is in both courses."""
    made = University(lambda: NOW)
    made.add_person("guest", "Guest user", " ")
    made.add_person("admin", "Admin", "User")
    arts = made.add_category("Arts").id
    music = made.add_category("Music", arts).id
    sciences = made.add_category("Sciences").id
    made.add_course("C2", "Course 2", music, id=2, startdate=NOW)
    made.add_course("C3", "Course 3", sciences, id=3, startdate=NOW)
    for number in range(3, 12):
        made.add_person(f"u{number}", "U", f"{number}", id=number)
    for course in (2, 3):
        made.enrol(3, course)
    return made


@asynccontextmanager
async def sources(
    site: University, *, version: str = "5.1", extra: tuple[ExtraRole, ...] = (), tree: bool = True
) -> AsyncIterator[tuple[SandboxMoodle, ReportFacts, MoodleFacts, HandClock]]:
    clock = HandClock()
    moodle = SandboxMoodle(site, version=version, clock=lambda: NOW)
    async with moodle, aiohttp.ClientSession() as session:
        if not tree:
            moodle.site.service.functions.remove("core_course_get_categories")
        client = MoodleClient(moodle.url, moodle.token, session=session, attempts=1)
        courses = MoodleFacts(client, clock=clock, extra=extra)
        reports = ReportFacts(client, MoodleFacts(client, clock=clock), clock=clock, extra=extra)
        yield moodle, reports, courses, clock
        await reports.close()
        await courses.close()


async def facts_of(source: ReportFacts | MoodleFacts, course: int, clock: HandClock) -> CourseFacts:
    clock.time += 10
    await source.site(not_older_than=clock.time)
    return await source.course_facts(CourseId(course), not_older_than=clock.time)


def held(facts: CourseFacts) -> dict[int, set[str]]:
    return {int(user): set(roles) for user, roles in facts.inherited.items()}


@pytest.mark.parametrize("tree", [True, False], ids=["with the tree", "by names"])
async def test_a_report_of_roles_tells_who_holds_one_above_a_course(tree: bool) -> None:
    site = university()
    site.assign_category_role(10, 1, "manager")
    site.assign_category_role(11, 3, "teacher")
    site.assign_role(4, 2, "teacher")
    async with sources(site, tree=tree) as (_, reports, _, clock):
        music = await facts_of(reports, 2, clock)
        assert held(music) == {10: {"manager"}}
        assert music.people[MoodleUserId(10)].username == "u10"
        assert held(await facts_of(reports, 3, clock)) == {11: {"teacher"}}
        hashes = reports.hashes()
        site.assign_category_role(11, 1, "manager")
        clock.time += 10
        await reports.site(not_older_than=clock.time)
        assert reports.changed_courses(hashes) == {2}
        clock.time += 5
        by_itself = await reports.course_facts(CourseId(2), not_older_than=clock.time)
        assert held(by_itself) == {10: {"manager"}, 11: {"manager"}}


async def test_a_category_whose_name_stands_twice_is_left_out_and_said() -> None:
    site = university()
    below = site.add_category("Arts", 3).id
    site.add_course("C4", "Course 4", site.add_category("Deep", below).id, id=4, startdate=NOW)
    site.assign_category_role(10, 1, "manager")
    site.assign_category_role(11, 3, "manager")
    async with sources(site, tree=False) as (_, reports, _, clock):
        assert held(await facts_of(reports, 2, clock)) == {}
        assert held(await facts_of(reports, 4, clock)) == {11: {"manager"}}
        said = [finding.sentence for finding in await reports.check() if "left out" in finding.sentence]
        assert said and "category 1, “Arts”" in said[0] and "core_course_get_categories" in said[0]
    async with sources(site) as (_, reports, _, clock):
        assert held(await facts_of(reports, 2, clock)) == {10: {"manager"}}


async def test_an_older_moodle_has_no_report_of_roles_and_the_rest_goes_on() -> None:
    site = university()
    site.assign_category_role(10, 1, "manager")
    async with sources(site, version="4.4") as (_, reports, _, clock):
        assert held(await facts_of(reports, 2, clock)) == {}
        (finding,) = [one for one in await reports.check() if one.kind == "roles"]
        assert finding.state is State.OPTIONAL
        assert any("Report builder" in click for click in finding.clicks)


@pytest.mark.parametrize("kind", ["reports", "courses"])
async def test_the_configuration_gives_roles_in_both_sources(kind: str) -> None:
    extra = (
        ExtraRole("Arts", "u10", MANAGER),
        ExtraRole("3", "id:11", Role("teacher")),
        ExtraRole("Nowhere", "u10", MANAGER),
        ExtraRole("Arts", "nobody", MANAGER),
    )
    async with sources(university(), version="4.4", extra=extra) as (_, reports, courses, clock):
        source = reports if kind == "reports" else courses
        music = await facts_of(source, 2, clock)
        assert held(music) == {10: {"manager"}}
        assert music.people[MoodleUserId(10)].username == "u10"
        assert {int(one.user_id) for one in music.enrolments} == {3}
        assert held(await facts_of(source, 3, clock)) == {11: {"teacher"}}
        said = reports.left_out if kind == "reports" else courses.extra.left_out
        assert ["Nowhere" in said[0], "nobody" in said[1]] == [True, True]


async def test_a_course_that_is_asked_for_before_the_site_has_its_roles_too() -> None:
    extra = (ExtraRole("Arts", "u10", MANAGER),)
    async with sources(university(), extra=extra) as (_, _, courses, _):
        assert held(await courses.course_facts(CourseId(2), not_older_than=0)) == {10: {"manager"}}


async def test_a_report_of_roles_with_several_in_one_cell_holds_the_source() -> None:
    site = university()
    site.assign_category_role(10, 1, "manager")
    site.assign_category_role(11, 1, "manager")
    async with sources(site) as (moodle, reports, _, clock):
        moodle.reports.named(ROLE_HOLDERS).column("user:fullnamewithlink").aggregation = "groupconcat"
        with pytest.raises(report_errors.ReportUnreadable, match="several links"):
            await facts_of(reports, 2, clock)
        assert moodle.reports.named(MEMBERSHIPS)


def page(*rows: tuple[Any, ...]) -> Page:
    headers = ("Context URL", "Context level", "Short name", "Full name with link")
    seen = Description(4, "Matrix roles", KIND.source, headers, {})
    return Page(seen, list(rows), len(rows))


def link(path: str, text: str) -> str:
    return f'<a href="https://moodle.example.org{path}">{text}</a>'


def test_only_categories_and_the_site_count_whatever_a_link_leads_to() -> None:
    anna = link("/user/profile.php?id=7", "Anna")
    category = link("/course/index.php?categoryid=4", "Category: A &amp; B")
    rows = page(
        (category, "Category", "manager", anna),
        (link("/", "System"), "System", "manager", anna),
        (link("/course/index.php?categoryid=4", "Block: Text"), "Block", "teacher", anna),
        (link("/course/view.php?id=2", "Course: C"), "Course", "teacher", anna),
        (category, "Category", "manager", ""),
    )
    layout = recognise(KIND, rows.description, rows.rows)
    assert layout.problems == ()
    found = role_holders(rows, layout)
    assert found.assignments == (
        Assignment(MoodleUserId(7), MANAGER, CategoryId(4)),
        Assignment(MoodleUserId(7), MANAGER, None),
    )
    assert found.names == {4: "A & B"}


def test_a_category_without_a_link_is_not_guessed() -> None:
    rows = page(("Category: Arts", "Category", "manager", link("/user/profile.php?id=7", "Anna")))
    with pytest.raises(report_errors.ReportUnreadable):
        role_holders(rows, recognise(KIND, rows.description, rows.rows))


def test_categories_that_only_a_path_names_are_put_in_their_place() -> None:
    known = {CategoryId(5): Category(CategoryId(5), "Jazz", None, (CategoryId(5),), 0)}
    names = {CategoryId(1): "Arts", CategoryId(2): "Music", CategoryId(9): "Elsewhere"}
    placed, said = place_categories(known, {CategoryId(5): "Arts / Music / Jazz"}, names)
    assert (placed[CategoryId(5)].path, said) == ((1, 2, 5), ())
    _, said = place_categories(known, {CategoryId(5): ""}, names)
    assert len(said) == 3
    _, said = place_categories(
        known, {CategoryId(5): "Arts / Music / Jazz"}, {**names, CategoryId(3): "Arts"}
    )
    assert len(said) == 2


RECORDINGS = Path(__file__).parents[1] / "fixtures" / "moodle-above"


def recorded(name: str) -> Page:
    return parse_page(json.loads((RECORDINGS / f"{name}.json").read_text()))


@pytest.mark.parametrize("version", ["4.5", "5.1"])
def test_a_recorded_report_of_roles_comes_out_as_what_it_is(version: str) -> None:
    rows = recorded(f"{version}-roles")
    layout = recognise(KIND, rows.description, rows.rows)
    assert layout.problems == ()
    found = role_holders(rows, layout)
    above = {(int(one.user_id), str(one.role), one.category_id) for one in found.assignments}
    assert above >= {
        (44, "manager", 8), (44, "manager", 10), (45, "teacher", 9), (46, "manager", None), (46, "coursecreator", None),
    }  # fmt: skip
    assert {found.names[CategoryId(8)], found.names[CategoryId(10)]} == {"Music"}, "a name says nothing"


async def test_the_sandbox_writes_a_context_as_the_recorded_moodle_does() -> None:
    site = university()
    site.assign_category_role(10, 1, "manager")
    site.assign_system_role(11, "manager")
    async with sources(site) as (moodle, _, _, _), aiohttp.ClientSession() as session:
        report = moodle.reports.named(ROLE_HOLDERS)
        report.conditions = None
        client = MoodleClient(moodle.url, moodle.token, session=session, attempts=1)
        mine = await ReportReader(client).read(report.id)
        theirs = recorded("5.1-roles")
        for header in mine.description.headers:
            at, there = mine.description.headers.index(header), theirs.description.headers.index(header)
            if header != "Short name":
                shapes = {shape(row[there]) for row in theirs.rows}
                assert {shape(row[at]) for row in mine.rows} <= shapes, header


def shape(cell: object) -> str:
    """A cell without names, numbers and the site's address."""
    text = re.sub(r"https?://[^/\"]+", "", str(cell))
    return re.sub(r"\d+", "7", re.sub(r">(Category|Course): [^<]*<|>[^<:]*<", r">\1<", text))


@pytest.mark.parametrize("version", ["4.4", "4.5", "5.1"])
def test_recorded_groups_in_two_groupings_come_out_once_with_everybody(version: str) -> None:
    rows = recorded(f"{version}-groups-groupings")
    layout = recognise(COURSE_GROUPS, rows.description, rows.rows)
    assert layout.problems == () and layout.has("grouping")
    found = {one.group.name: one for one in groups(rows, layout)[CourseId(10)]}
    told = {
        name: (
            one.group.visibility.value,
            may_have_room(one.group),
            len(one.members),
            len(one.group.groupings),
        )
        for name, one in found.items()
    }
    assert told == {
        "Open group": ("all", True, 2, 2),
        "Members' group": ("members", True, 2, 1),
        "Own group": ("own", False, 1, 0),
        "Hidden group": ("none", False, 1, 0),
        "Empty group": ("all", True, 0, 0),
    }


def test_the_clicks_call_every_column_as_moodles_editor_does() -> None:
    said = " ".join(clicks(COURSE_GROUPS, "Matrix groups"))
    assert "from the left side: Course > Course full name with link; Group > Name; User > " in said
    assert "as far as this Moodle has them: Group > ID number; " in said and "; Grouping > Name." in said
    said = " ".join(clicks(KIND, "Matrix roles"))
    assert "report source “Roles”" in said
    assert (
        "Context > Context URL; Context > Context level; Role > Short name; User > Full name with link"
        in said
    )
    assert "Context > Context level is not equal to Course" in said
