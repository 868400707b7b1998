"""The kill switch: what is paused is not written to, says so everywhere, survives a restart, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.apply import Limits
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.errors import PermanentFailure, Refused
from moodle_appservice.ports import SITE, Priority, course_key, person_key
from tests.engine.world import World

ONE, TWO = CourseId(42), CourseId(43)


class Site:
    """All of the engine at work. `restart` builds it anew over the same database."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.build()

    def build(self) -> None:
        world = self.world
        self.pauses = Pauses(world.store, world.queue, world.clock)
        self.workers = world.workers(2, pauses=self.pauses)
        self.operations = world.operations(self.workers)
        self.workers.start()

    async def restart(self) -> None:
        await self.workers.stop()
        self.world.rebuild()
        self.build()

    async def looked_at(self, course_id: CourseId) -> None:
        """One look of a pass at a course, and whatever follows from it."""
        await self.world.queue.add(course_key(course_id), priority=Priority.PASS, signal="pass")
        async with asyncio.timeout(30):
            await self.world.queue.idle()

    async def writes(self) -> set[str]:
        """What a whole pass writes."""
        self.world.matrix.forget_requests()
        async with asyncio.timeout(30):
            await self.operations.sync()
        return {request[0] for request in self.world.matrix.requests} - {"get_state", "read_state", "ping"}


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    world.use(existing_courses=True)
    for number in (42, 43):
        world.facts.enrol(world.facts.add_course(number), 7, 8)
    made = Site(world)
    async with asyncio.timeout(30):
        await made.operations.sync()
    yield made
    await made.workers.stop()


async def test_a_paused_course_is_not_written_to_and_the_others_are(world: World, site: Site) -> None:
    await site.pauses.pause(ONE, by="@admin:uni.test", why="The exam office asked for it")
    for course in (ONE, TWO):
        world.facts.enrol(course, 9)
    assert "invite" in await site.writes()
    assert world.matrix.made("invite") == [(world.room(TWO), world.user(9))]


@pytest.mark.parametrize("what", [ONE, None], ids=["course", "site"])
async def test_what_is_paused_while_it_is_written_stops_after_its_slice_and_goes_on_when_resumed(
    world: World, site: Site, what: CourseId | None
) -> None:
    people = range(100, 110)
    world.facts.enrol(TWO, *people)
    await site.writes()
    world.limits = Limits(actions=2)
    await site.restart()
    world.facts.enrol(ONE, *people)
    world.matrix.forget_requests()

    async def pause() -> None:
        await site.pauses.pause(what, by="@admin:uni.test")

    world.matrix.before("invite", pause)
    await site.looked_at(ONE)
    assert len(world.matrix.made("invite")) == 2, "the slice in which somebody paused it"
    await site.pauses.resume(what, by="@admin:uni.test")
    async with asyncio.timeout(30):
        await world.queue.idle()
    invited = {user for room_id, user in world.matrix.made("invite") if room_id == world.room(ONE)}
    assert invited == set(map(world.user, people))


async def test_a_paused_site_writes_nothing_at_all(world: World, site: Site) -> None:
    await site.pauses.pause(by="@admin:uni.test")
    world.facts.enrol(ONE, 9)
    world.facts.unenrol(TWO, 7)
    world.facts.enrol(world.facts.add_course(44), 8)
    assert await site.writes() == set()


async def test_a_pause_survives_a_restart(world: World, site: Site) -> None:
    await site.pauses.pause(by="@admin:uni.test")
    await site.restart()
    world.facts.enrol(ONE, 9)
    assert await site.writes() - {"set_state"} == set()
    assert [pause.by for pause in await site.pauses.all()] == ["@admin:uni.test"]


async def test_resuming_does_what_was_held_up(world: World, site: Site) -> None:
    await site.pauses.pause(by="a")
    world.facts.enrol(ONE, 9)
    assert await site.writes() == set()
    assert "is resumed and looked at now" in await site.pauses.resume(by="a")
    async with asyncio.timeout(30):
        await world.queue.idle()
    assert world.matrix.made("invite") == [(world.room(ONE), world.user(9))]


async def test_resuming_a_course_of_a_paused_site_says_that_the_site_is_still_paused(site: Site) -> None:
    await site.pauses.pause(by="a")
    await site.pauses.pause(ONE, by="b")
    assert "the whole site is still paused" in await site.pauses.resume(ONE, by="a")


async def test_who_waits_for_a_paused_course_is_told_at_once(world: World, site: Site) -> None:
    await site.pauses.pause(ONE, by="@admin:uni.test", why="Exams")
    async with asyncio.timeout(60):
        failure = await site.workers.ask(course_key(ONE), signal="command")
    assert isinstance(failure, Refused)
    assert "Course 42 is paused since" in str(failure) and "Exams. Nothing was changed." in str(failure)
    row = await world.store.courses.get(ONE)
    assert row is not None and row.last_error == ""


async def test_people_are_not_looked_for_while_the_site_is_paused(world: World, site: Site) -> None:
    await site.pauses.pause(by="a")
    before = list(world.facts.readings)
    await world.queue.add(person_key(world.facts.add_person(30)), priority=Priority.PERSON, signal="x")
    async with asyncio.timeout(60):
        await world.queue.idle()
    assert world.facts.readings == before
    assert site.workers.failures == {} and SITE not in site.workers.failures


async def test_the_plan_the_status_and_the_report_say_that_it_is_paused(site: Site) -> None:
    await site.pauses.pause(ONE, by="@admin:uni.test", why="Exams.")
    (view,) = await site.operations.plans(ONE)
    status = await site.operations.status(ONE)
    report = await site.operations.sync(ONE)
    assert status is not None
    for said in (view.paused, status.paused, report.note):
        assert "Course 42 is paused since" in said and "by @admin:uni.test: Exams." in said
    other = await site.operations.status(TWO)
    assert other is not None and other.paused == ""


async def test_pausing_twice_resuming_nothing_and_unknown_courses_are_refused(site: Site) -> None:
    await site.pauses.pause(ONE, by="a")
    with pytest.raises(Refused, match=r"Course 42 is paused already\. Nothing was changed"):
        await site.pauses.pause(ONE, by="b")
    with pytest.raises(Refused, match=r"The whole site is not paused\. Nothing was changed"):
        await site.pauses.resume(by="a")
    with pytest.raises(PermanentFailure, match=r"lists no course 99\. Nothing was paused"):
        await site.pauses.pause(CourseId(99), by="a")


async def test_the_audit_log_tells_of_it_and_names_nobody(world: World, site: Site) -> None:
    await site.pauses.pause(ONE, by="@admin:uni.test", why="Ask @tess:uni.test")
    await site.pauses.resume(ONE, by="@admin:uni.test")
    lines = [line for line in await world.audit(ONE) if line.kind in ("Paused", "Resumed")]
    assert [line.kind for line in lines] == ["Paused", "Resumed"]
    assert "@" not in repr([(line.why, line.result) for line in lines])
