"""`MoodleFacts` against a small Moodle that takes rights away as the real one does: whole facts, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.domain.model import CourseFacts, CourseId, GroupId, MoodleUserId, Role
from moodle_appservice.domain.shrink import ShrinkRules
from moodle_appservice.errors import AppError, CourseGone, PermanentFailure
from moodle_appservice.moodle import Finding, MoodleClient, MoodleFacts, State, errors
from moodle_appservice.moodle.people import read_people
from moodle_appservice.moodle.shapes import COURSES, ENROLLED, SITE_INFO, USERS
from moodle_appservice.ports import Facts
from tests.adapters.moodle_server import FUNCTIONS, TOKEN, Moodle

TWO = CourseId(2)
THREE = CourseId(3)


class HandClock:
    """Moved by hand."""

    time = 1000.0

    def now(self) -> float:
        return self.time


class Desk:
    """A Moodle, our facts about it, and the clock."""

    def __init__(self, moodle: Moodle, facts: MoodleFacts, client: MoodleClient, clock: HandClock) -> None:
        self.moodle = moodle
        self.facts = facts
        self.client = client
        self.clock = clock

    async def course(self, course_id: int = 2) -> set[int]:
        """Who is in a course by a new reading."""
        self.clock.time += 1
        facts = await self.facts.course_facts(CourseId(course_id), not_older_than=self.clock.time)
        return {int(enrolment.user_id) for enrolment in facts.enrolments}


@asynccontextmanager
async def desk(moodle: Moodle | None = None, **more: Any) -> AsyncIterator[Desk]:
    if moodle is None:
        moodle = Moodle()
        moodle.add_course(2, 11, 12, 13)
        moodle.add_course(3, 12, 14, groupmode=1)
        moodle.teachers = {11}
    clock = HandClock()
    async with TestServer(moodle.application()) as server, aiohttp.ClientSession() as session:
        client = MoodleClient(str(server.make_url("/")), TOKEN, session=session, attempts=1)
        facts = MoodleFacts(client, clock=clock, **more)
        yield Desk(moodle, facts, client, clock)
        await facts.close()


async def test_it_is_the_port_that_the_engine_needs() -> None:
    async with desk() as at:
        port: Facts = at.facts
        info = await port.site_info()
        assert (info.name, info.url, info.user_id) == ("Uni & more", "https://moodle.example.org", 99)
        assert info.functions == set(FUNCTIONS)


async def test_the_site_is_all_courses_but_the_front_page() -> None:
    async with desk() as at:
        site = await at.facts.site(not_older_than=0)
        assert set(site.courses) == {2, 3}
        assert [category.name for category in site.categories.values()] == ["Faculty"]
        assert site.read_at == 1000.0
        assert at.client.requests == 3
        assert await at.facts.site(not_older_than=1000) is site
        assert at.client.requests == 3


async def test_a_course_is_its_row_its_people_their_roles_and_groups() -> None:
    async with desk() as at:
        at.moodle.enrol(2, 15, roles=("teacher", "student"), groups=(7,))
        at.moodle.users[15] |= {"suspended": True}
        facts = await at.facts.course_facts(TWO, not_older_than=0)
        assert facts.course.fullname == "Course 2"
        assert set(facts.people) == {11, 12, 13, 15}
        assert facts.enrolments[-1].roles == {Role("teacher"), Role("student")}
        assert facts.enrolments[-1].groups == {GroupId(7)}
        assert [group.name for group in facts.groups] == ["Group 7 & more"]
        assert not facts.people[MoodleUserId(15)].usable
        assert facts.read_at == 1000.0


async def test_a_prefetched_course_costs_no_further_request() -> None:
    async with desk() as at:
        await at.facts.site(not_older_than=1000)
        before = at.client.requests
        await at.facts.prefetch([TWO, THREE, CourseId(1)], not_older_than=1000)
        assert at.client.requests - before == 3
        assert at.moodle.count(COURSES) == 1
        for course_id in (TWO, THREE):
            await at.facts.course_facts(course_id, not_older_than=1000)
        assert at.client.requests - before == 3


async def test_when_nothing_changed_a_course_in_bulk_costs_one_row_and_one_roster() -> None:
    async with desk() as at:
        await at.course()
        before = at.client.requests
        at.clock.time += 1
        await at.facts.prefetch([TWO], not_older_than=at.clock.time)
        assert at.client.requests - before == 1
        await at.course()
        assert at.client.requests - before == 3


async def test_a_course_is_gone_when_two_functions_agree() -> None:
    async with desk() as at:
        with pytest.raises(CourseGone, match="course 404"):
            await at.facts.course_facts(CourseId(404), not_older_than=0)
        await at.facts.site(not_older_than=0)
        del at.moodle.courses[2]
        with pytest.raises(CourseGone):
            await at.facts.course_facts(TWO, not_older_than=0)


async def test_a_course_that_goes_while_it_is_read_is_read_again_later() -> None:
    async with desk() as at:
        await at.facts.site(not_older_than=0)

        async def gone(form: dict[str, str]) -> web.StreamResponse | None:
            if ENROLLED in form.values():
                exception = '{"errorcode": "invalidrecord", "message": "m"}'
                return web.json_response({"responses": [{"error": True, "exception": exception}]})
            return None

        at.moodle.hook = gone
        with pytest.raises(errors.ListChanged):
            await at.facts.course_facts(TWO, not_older_than=0)


async def test_a_function_taken_out_of_the_service_is_not_a_vanished_course() -> None:
    async with desk() as at:
        at.moodle.functions = tuple(name for name in FUNCTIONS if name != ENROLLED)
        with pytest.raises(errors.FunctionMissing, match=ENROLLED):
            await at.facts.course_facts(TWO, not_older_than=0)
        at.moodle.functions = FUNCTIONS
        assert await at.course() == {11, 12, 13}
        at.moodle.functions = tuple(name for name in FUNCTIONS if name != ENROLLED)
        with pytest.raises(errors.AccessDenied):
            await at.course()


async def test_the_front_page_is_no_course() -> None:
    async with desk() as at:
        with pytest.raises(ValueError, match="front page"):
            await at.facts.course_facts(CourseId(1), not_older_than=0)


async def test_without_course_view_a_course_is_unreadable_and_neither_empty_nor_gone() -> None:
    async with desk() as at:
        at.moodle.rights.discard("moodle/course:view")
        with pytest.raises(errors.RightMissing, match="moodle/course:view") as caught:
            await at.facts.course_facts(TWO, not_older_than=0)
        assert not isinstance(caught.value, CourseGone)
        with pytest.raises(errors.RightMissing, match="every course"):
            await at.facts.site(not_older_than=0)


async def test_one_unreadable_course_is_named_and_the_listing_goes_on() -> None:
    async with desk() as at:
        for key in ("format", "visible", "startdate"):
            del at.moodle.courses[3][key]
        site = await at.facts.site(not_older_than=0)
        assert set(site.courses) == {2}
        assert dict(at.facts.unreadable) == {3: "Course 3"}


async def test_a_hidden_course_without_the_right_to_see_it_is_not_gone() -> None:
    async with desk() as at:
        at.moodle.courses[2]["visible"] = 0
        at.moodle.rights.discard("moodle/course:viewhiddencourses")
        with pytest.raises(errors.CourseNotAccessible, match="viewhiddencourses"):
            await at.facts.course_facts(TWO, not_older_than=0)


async def test_a_listing_without_the_front_page_is_no_listing() -> None:
    async def nothing(form: dict[str, str]) -> web.StreamResponse | None:
        return web.json_response({"courses": [], "warnings": []}) if form["wsfunction"] == COURSES else None

    async with desk(Moodle(hook=nothing)) as at:
        with pytest.raises(errors.BadAnswer, match="front page"):
            await at.facts.site(not_older_than=0)


@pytest.mark.parametrize("seen_before", [False, True])
async def test_without_viewdetails_the_shortened_list_is_never_used(seen_before: bool) -> None:
    async with desk() as at:
        if seen_before:
            await at.course()
        at.moodle.rights.discard("moodle/user:viewdetails")
        with pytest.raises(errors.ListIncomplete, match="moodle/user:viewdetails"):
            await at.course()


@pytest.mark.parametrize("hidden", [11, 12, 13])
async def test_one_hidden_person_anywhere_in_the_list_is_noticed(hidden: int) -> None:
    async with desk() as at:
        at.moodle.hidden_users = {hidden}
        with pytest.raises(errors.ListIncomplete):
            await at.course()


async def test_a_list_that_becomes_empty_because_everybody_is_hidden_is_never_used() -> None:
    async with desk() as at:
        await at.course()
        at.moodle.hidden_users = {11, 12, 13}
        with pytest.raises(errors.ListIncomplete):
            await at.course()


async def test_a_course_that_failed_is_not_answered_from_before_and_its_people_are_still_missed() -> None:
    async with desk() as at:
        await at.course()
        at.moodle.hidden_users = {11, 12, 13}
        for _ in range(3):
            with pytest.raises(errors.ListIncomplete):
                await at.course()
            with pytest.raises(errors.ListIncomplete):
                await at.facts.course_facts(TWO, not_older_than=0)
        at.moodle.hidden_users = set()
        assert await at.course() == {11, 12, 13}


async def test_while_moodle_is_down_what_was_read_before_can_still_be_shown() -> None:
    async with desk() as at:
        await at.course()

        async def down(form: dict[str, str]) -> web.StreamResponse:
            return web.Response(status=502)

        at.moodle.hook = down
        with pytest.raises(errors.GatewayFailed):
            await at.course()
        assert (await at.facts.course_facts(TWO, not_older_than=0)).read_at == 1001.0


async def test_a_course_that_everybody_left_is_empty() -> None:
    async with desk() as at:
        await at.course()
        at.moodle.places[2].clear()
        assert await at.course() == set()


async def test_a_person_who_leaves_is_believed_once_the_list_is_proven() -> None:
    async with desk() as at:
        assert await at.course() == {11, 12, 13}
        asked = at.moodle.count(ENROLLED)
        del at.moodle.places[2][12]
        assert await at.course() == {11, 13}
        assert at.moodle.count(ENROLLED) - asked == 3
        at.moodle.enrol(2, 16)
        assert await at.course() == {11, 13, 16}
        assert at.moodle.count(ENROLLED) - asked == 4


async def test_people_who_come_while_the_list_is_being_proven_are_read_too() -> None:
    async with desk() as at:
        await at.facts.site_info()
        came = iter([None, 20])

        async def somebody_comes(form: dict[str, str]) -> None:
            user_id = next(came, None)
            if user_id:
                at.moodle.enrol(2, user_id)

        at.moodle.hook = somebody_comes
        assert await at.course() == {11, 12, 13, 20}


async def test_a_list_that_does_not_stand_still_is_read_later() -> None:
    async with desk() as at:
        await at.facts.site_info()
        people = iter(range(20, 40))

        async def somebody_comes(form: dict[str, str]) -> None:
            at.moodle.enrol(2, next(people))

        at.moodle.hook = somebody_comes
        with pytest.raises(errors.ListChanged):
            await at.course()


async def test_without_accessallgroups_a_course_with_separate_groups_is_not_empty() -> None:
    async with desk() as at:
        at.moodle.rights.discard("moodle/site:accessallgroups")
        with pytest.raises(errors.RightMissing, match="moodle/site:accessallgroups"):
            await at.course(3)
        assert await at.course(2) == {11, 12, 13}


async def test_a_course_that_has_separate_groups_by_now_is_not_proven_by_an_older_listing() -> None:
    async with desk() as at:
        await at.facts.site(not_older_than=1000)
        await at.facts.prefetch([TWO], not_older_than=1000)
        at.moodle.rights.discard("moodle/site:accessallgroups")
        at.moodle.courses[2]["groupmode"] = 1
        at.clock.time += 60
        await at.facts.prefetch([TWO], not_older_than=at.clock.time)
        with pytest.raises(errors.RightMissing, match="accessallgroups"):
            await at.course()


async def test_between_two_listings_a_reading_in_bulk_uses_the_last_one_unless_somebody_is_missed() -> None:
    async with desk() as at:
        await at.facts.site(not_older_than=1000)
        await at.facts.prefetch([TWO, THREE], not_older_than=1000)
        rows = at.moodle.count(COURSES)
        at.clock.time += 60
        await at.facts.prefetch([TWO, THREE], not_older_than=at.clock.time)
        assert at.moodle.count(COURSES) == rows
        del at.moodle.places[2][12]
        at.clock.time += 60
        await at.facts.prefetch([TWO, THREE], not_older_than=at.clock.time)
        assert at.moodle.count(COURSES) == rows + 1
        del at.moodle.courses[2]
        at.clock.time += 60
        await at.facts.prefetch([TWO], not_older_than=at.clock.time)
        assert at.facts.remembered(TWO, not_older_than=0) is None


async def test_an_empty_course_with_separate_groups_is_empty_where_the_right_is_there() -> None:
    async with desk() as at:
        at.moodle.places[3].clear()
        assert await at.course(3) == set()


async def test_without_viewalldetails_nothing_is_read() -> None:
    async with desk() as at:
        at.moodle.rights.discard("moodle/user:viewalldetails")
        with pytest.raises(errors.RightMissing, match="moodle/user:viewalldetails"):
            await at.course()


async def test_a_hidden_suspension_state_names_the_right_and_the_setting() -> None:
    async with desk() as at:
        at.moodle.rights.discard("moodle/user:viewhiddendetails")
        with pytest.raises(errors.RightMissing, match=r"viewhiddendetails.*hidden user fields"):
            await at.course()


async def test_without_enrolreview_the_error_says_so() -> None:
    async with desk() as at:
        at.moodle.rights.discard("moodle/course:enrolreview")
        with pytest.raises(errors.MissingCapability, match="moodle/course:enrolreview"):
            await at.course()


RULES = ShrinkRules()


async def test_a_list_that_is_whole_and_suddenly_short_is_held_until_a_person_confirms() -> None:
    moodle = Moodle()
    moodle.add_course(2, *range(11, 71))
    async with desk(moodle, rules=RULES) as at:
        everybody = await at.course()
        for user in range(11, 41):
            del at.moodle.places[2][user]
        at.moodle.enrol(2, 99)
        assert await at.course() == everybody | {99}
        assert "Moodle shows 31 members where 60 were" in at.facts.held[TWO]
        person = MoodleUserId(11)
        assert person in (await at.facts.course_facts(TWO, not_older_than=0)).people
        await at.facts.confirm([TWO])
        assert await at.course() == set(range(41, 71)) | {99}
        assert at.facts.held == {}


async def test_after_a_restart_a_list_that_has_shrunk_is_no_answer() -> None:
    moodle = Moodle()
    moodle.add_course(2, *range(11, 71))
    async with desk(moodle, rules=RULES) as at:
        await at.course()
        marks = at.facts.marks
    for user in range(11, 41):
        del moodle.places[2][user]
    async with desk(moodle, rules=RULES) as at:
        at.facts.recall(marks)
        with pytest.raises(errors.SourceHeld, match="Course 2 is held, nothing was changed: Moodle shows 30"):
            await at.course()
        assert at.facts.remembered(TWO, not_older_than=0) is None
        await at.facts.confirm([TWO])
        assert len(await at.course()) == 30


async def test_courses_that_vanish_from_the_listing_together_stay_in_it() -> None:
    moodle = Moodle()
    for number in range(2, 32):
        moodle.add_course(number, number * 10)
    async with desk(moodle, rules=RULES) as at:
        await at.facts.site(not_older_than=1000)
        await at.facts.prefetch([CourseId(number) for number in range(2, 31)], not_older_than=1000)
        for number in range(12, 32):
            moodle.courses[number]["visible"] = 0
        moodle.rights.discard("moodle/course:viewhiddencourses")
        at.clock.time += 60
        site = await at.facts.site(not_older_than=at.clock.time)
        assert len(site.courses) == 30 and len(at.facts.held) == 20
        assert "Moodle shows 10 courses where 30 were" in at.facts.held[CourseId(31)]
        assert await at.course(30) == {300}
        with pytest.raises(errors.SourceHeld, match="Course 31 is held"):
            await at.course(31)
        moodle.rights.add("moodle/course:viewhiddencourses")
        at.clock.time += 60
        await at.facts.site(not_older_than=at.clock.time)
        assert at.facts.held == {}


async def test_who_only_seems_to_be_inactive_is_looked_for_again() -> None:
    async with desk(rules=RULES) as at:
        await at.course()
        at.moodle.places[2][12].active = False
        assert await at.course() == {11, 12, 13}
        assert at.facts.due_again() == {TWO: 1002 + 100}
        at.moodle.places[2][12].active = True
        assert await at.course() == {11, 12, 13}
        assert at.facts.due_again() == {}
        at.moodle.places[2][12].active = False
        await at.course()
        at.clock.time += 100
        assert await at.course() == {11, 13}
        del at.moodle.places[2][11]
        assert await at.course() == {13}


async def test_where_it_is_not_told_who_is_inactive_everybody_is_waited_for() -> None:
    async def refuse(form: dict[str, str]) -> web.StreamResponse | None:
        if "onlysuspended" in str(form):
            return web.json_response({"exception": "x", "errorcode": "codingerror", "message": "no"})
        return None

    async with desk(Moodle(functions=FUNCTIONS[:-1]), rules=RULES) as at:
        at.moodle.add_course(2, 11, 12, 13)
        await at.course()
        at.moodle.hook = refuse
        del at.moodle.places[2][12]
        assert await at.course() == {11, 12, 13}
        at.clock.time += 100
        assert await at.course() == {11, 13}


async def test_a_person_without_an_account_stays_enrolled_and_is_unknown() -> None:
    async with desk() as at:
        del at.moodle.users[12]["auth"]
        facts = await at.facts.course_facts(TWO, not_older_than=0)
        assert [enrolment.user_id for enrolment in facts.enrolments] == [11, 12, 13]
        assert set(facts.people) == {11, 13}
        assert await at.facts.person(MoodleUserId(12), not_older_than=0) is None


async def test_one_odd_newcomer_does_not_stop_the_course() -> None:
    async with desk() as at:
        await at.course()
        at.moodle.enrol(2, 31)
        del at.moodle.users[31]["confirmed"]
        at.clock.time += 1
        facts = await at.facts.course_facts(TWO, not_older_than=at.clock.time)
        assert MoodleUserId(31) in {enrolment.user_id for enrolment in facts.enrolments}
        assert set(facts.people) == {11, 12, 13}


async def test_one_odd_account_that_breaks_the_whole_answer_is_found_and_left_out() -> None:
    moodle = Moodle()
    moodle.add_course(2, *range(100, 140))
    async with desk(moodle) as at:
        moodle.users[117]["odd"] = True
        facts = await at.facts.course_facts(TWO, not_older_than=0)
        assert set(range(100, 140)) - set(facts.people) == {117}
        assert len(facts.enrolments) == 40


async def test_a_moodle_that_refuses_every_account_is_not_asked_for_ever() -> None:
    async def crash(form: dict[str, str]) -> web.StreamResponse:
        return web.Response(status=500)

    async with desk(Moodle(hook=crash)) as at:
        with pytest.raises(errors.ServerCrashed):
            await read_people(at.client, map(MoodleUserId, range(2, 500)))
        assert at.client.requests < 100


async def test_accounts_are_read_in_slices_that_php_takes_whole() -> None:
    moodle = Moodle()
    moodle.add_course(2, *range(1000, 2200))
    async with desk(moodle) as at:
        facts = await at.facts.course_facts(TWO, not_older_than=0)
        assert len(facts.people) == 1200
        assert moodle.count(USERS) == 3
        assert all(len(params["values"]) < 500 for name, params in moodle.asked if name == USERS)


async def test_in_bulk_accounts_are_kept_for_a_while_and_new_people_are_always_read() -> None:
    async with desk(fresh_for=600) as at:

        async def bulk(**more: bool) -> CourseFacts:
            await at.facts.prefetch([TWO], not_older_than=at.clock.time, **more)
            return await at.facts.course_facts(TWO, not_older_than=at.clock.time)

        await at.course()
        at.moodle.users[12]["suspended"] = True
        at.moodle.enrol(2, 30)
        at.clock.time += 100
        facts = await bulk()
        assert set(facts.people) == {11, 12, 13, 30}
        assert facts.people[MoodleUserId(12)].usable
        assert [params["values"] for name, params in at.moodle.asked if name == USERS][1:] == [["30"]]
        at.clock.time += 601
        assert not (await bulk()).people[MoodleUserId(12)].usable
        at.moodle.users[12]["suspended"] = False
        at.clock.time += 1
        assert (await bulk(thorough=True)).people[MoodleUserId(12)].usable


async def test_the_accounts_of_a_course_that_is_asked_for_by_itself_are_always_read() -> None:
    async with desk(fresh_for=600) as at:
        await at.course()
        at.moodle.users[12]["suspended"] = True
        at.clock.time += 1
        facts = await at.facts.course_facts(TWO, not_older_than=at.clock.time)
        assert not facts.people[MoodleUserId(12)].usable


async def test_a_single_account_is_as_fresh_as_asked_for() -> None:
    async with desk() as at:
        await at.course()
        at.moodle.users[12]["suspended"] = True
        at.clock.time += 1
        person = await at.facts.person(MoodleUserId(12), not_older_than=at.clock.time)
        assert person is not None
        assert person.suspended
        assert await at.facts.person(MoodleUserId(999), not_older_than=0) is None


async def test_a_prefetch_leaves_a_bad_course_to_itself_and_reads_the_others() -> None:
    async with desk() as at:
        at.moodle.courses[3]["visible"] = 0
        at.moodle.rights.discard("moodle/course:viewhiddencourses")
        await at.facts.prefetch([THREE, TWO, CourseId(404)], not_older_than=1000)
        before = at.client.requests
        await at.facts.course_facts(TWO, not_older_than=1000)
        assert at.client.requests == before
        with pytest.raises(PermanentFailure):
            await at.facts.course_facts(THREE, not_older_than=1000)


async def test_a_prefetch_raises_what_concerns_the_whole_site() -> None:
    async with desk() as at:
        await at.facts.site_info()

        async def down(form: dict[str, str]) -> web.StreamResponse:
            return web.json_response({"exception": "x", "errorcode": "sitemaintenance", "message": "m"})

        at.moodle.hook = down
        with pytest.raises(errors.Maintenance):
            await at.facts.prefetch([TWO, THREE], not_older_than=1000)


async def test_a_caller_during_a_prefetch_waits_for_it_instead_of_asking_too() -> None:
    async with desk() as at:
        await at.facts.site(not_older_than=0)
        reading = asyncio.create_task(at.facts.prefetch([TWO, THREE], not_older_than=1000))
        facts = await asyncio.gather(
            *(at.facts.course_facts(course_id, not_older_than=1000) for course_id in (TWO, THREE, TWO))
        )
        await reading
        assert facts[0] is facts[2]
        assert sum("groupid" not in str(params) and "limitnumber" not in str(params)
                   for name, params in at.moodle.asked if name == ENROLLED) == 2  # fmt: skip


async def test_without_the_bulk_function_everything_still_works() -> None:
    moodle = Moodle(functions=FUNCTIONS[:-1])
    moodle.add_course(2, 11, 12)
    async with desk(moodle) as at:
        assert await at.course() == {11, 12}
        del moodle.places[2][12]
        assert await at.course() == {11}


async def test_names_in_the_logs_and_errors_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    async with desk() as at:
        with caplog.at_level("DEBUG"):
            await at.course()
            at.moodle.rights.clear()
            for reading in (at.course(), at.facts.site(not_older_than=2000)):
                with pytest.raises(AppError) as caught:
                    await reading
                assert TOKEN not in str(caught.value)
        assert TOKEN not in caplog.text
        assert "verysecret" not in caplog.text


def missing(findings: list[Finding]) -> set[str]:
    return {finding.name for finding in findings if finding.state is State.MISSING}


@pytest.mark.parametrize(
    ("right", "found"),
    [
        ("moodle/user:viewdetails", {"moodle/user:viewdetails"}),
        ("moodle/user:viewalldetails", {"moodle/user:viewalldetails"}),
        ("moodle/user:viewhiddendetails", {"moodle/user:viewhiddendetails"}),
        ("moodle/site:accessallgroups", {"moodle/site:accessallgroups"}),
        ("moodle/course:enrolreview", {"moodle/course:enrolreview"}),
        ("moodle/course:view", {"moodle/course:view"}),
        ("moodle/course:viewhiddencourses", {"moodle/course:viewhiddencourses"}),
        ("none", set()),
    ],
)
async def test_the_probe_names_exactly_the_right_that_is_missing(right: str, found: set[str]) -> None:
    async with desk() as at:
        at.moodle.add_course(4, 11, 15, visible=0)
        at.moodle.rights.discard(right)
        findings = await at.facts.probe_rights([TWO, THREE, CourseId(4)])
        assert missing(findings) == found
        for finding in findings:
            assert finding.sentence.startswith(finding.name)
            assert finding.state is not State.UNKNOWN or found


async def test_the_probe_tells_missing_and_merely_useful_functions() -> None:
    async with desk(Moodle(functions=FUNCTIONS[:3])) as at:
        findings = await at.facts.probe_rights([])
        assert missing(findings) == {ENROLLED, USERS}
        assert {finding.name for finding in findings if finding.state is State.OPTIONAL} == {FUNCTIONS[-1]}


async def test_the_probe_finds_courses_in_categories_that_we_cannot_see_and_rights_to_write() -> None:
    async with desk() as at:
        at.moodle.add_course(5, 11, categoryid=77, idnumber="X")
        findings = await at.facts.probe_rights([TWO])
        assert missing(findings) == {"moodle/category:viewhiddencategories"}
        assert [finding.name for finding in findings if finding.state is State.EXCESS] == [
            "moodle/course:update"
        ]


async def test_the_probe_claims_nothing_about_what_it_was_not_shown() -> None:
    async with desk(Moodle()) as at:
        findings = await at.facts.probe_rights([])
        assert {finding.state for finding in findings} == {State.UNKNOWN}
        assert at.moodle.count(SITE_INFO) == 1
