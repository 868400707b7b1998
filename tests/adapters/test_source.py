"""The source as the composition root builds it: what it knows of the site, what it keeps, and when it reads nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from moodle_appservice.config import Settings
from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.domain.leavers import KnownLeavers
from moodle_appservice.domain.model import CourseId, MoodleUserId
from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.engine.site import SitePass
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from moodle_appservice.moodle import MoodleClient, errors
from moodle_appservice.moodle.shapes import SITE_INFO
from moodle_appservice.ports import SITE, Priority, Taken, course_key
from moodle_appservice.source import COURSE_MARKS, SITE_FACTS, Source
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.moodle_server import TOKEN, Moodle
from tests.domain import values
from tests.engine.world import World
from tests.fakes import FakeClock

TWO = CourseId(2)
NOW = 1795204800


class Desk:
    """One start of the service's source; `moodle`, the clock and the database outlive it."""

    def __init__(self, source: Source, client: MoodleClient, store: Books, queue: MemoryQueue) -> None:
        self.source, self.client, self.store, self.queue = source, client, store, queue

    async def look(self, clock: FakeClock) -> None:
        """The parts of a pass that concern the source. Raises what they raise."""
        clock.advance(1)
        now = clock.now()
        site = await self.source.facts.site(not_older_than=now)
        await self.source.before_courses(site)
        await self.source.facts.prefetch(sorted(site.courses), not_older_than=now)
        await self.source.after_reading()


def settings_for(address: str, token: str, **moodle: Any) -> Settings:
    return Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": address, "token": token, **moodle},
            "homeserver": {"address": "http://127.0.0.1:1", "domain": "uni.test"},
        }
    )


@asynccontextmanager
async def started(
    address: str, token: str, database: Path, clock: FakeClock, **moodle: Any
) -> AsyncIterator[Desk]:
    settings = settings_for(address, token, **moodle)
    rules = values.rules({})
    db = Db(f"sqlite:{database}")
    async with aiohttp.ClientSession() as session:
        await db.start()
        client = MoodleClient(address, token, session=session, attempts=1)
        store, queue = Books(db, bot=rules.bot, prefix="!"), MemoryQueue(clock)
        source = Source(settings, rules, client, store, queue, clock)
        await source.recall()
        try:
            yield Desk(source, client, store, queue)
        finally:
            await source.close()
            await db.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "world.db")
    await world.db.start()
    yield world
    await world.db.stop()


class Site:
    """A small Moodle, a clock and a database."""

    def __init__(self, address: str, moodle: Moodle, database: Path) -> None:
        self.address, self.moodle, self.database, self.clock = address, moodle, database, FakeClock(NOW)

    @asynccontextmanager
    async def start(self, **more: Any) -> AsyncIterator[Desk]:
        async with started(self.address, TOKEN, self.database, self.clock, **more) as at:
            yield at

    def rosters(self) -> int:
        return self.moodle.count("core_enrol_get_enrolled_users")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    moodle = Moodle()
    moodle.add_course(2, *range(11, 41))
    moodle.add_course(3, 12, 14, groupmode=1)
    moodle.teachers = {11}
    async with TestServer(moodle.application()) as server:
        yield Site(str(server.make_url("/")), moodle, tmp_path / "ours.db")


async def test_rights_are_probed_at_every_start_and_known_before(site: Site) -> None:
    async with site.start() as at:
        await at.look(site.clock)
        known = at.source.known
        assert known is not None and known.release and known.functions and not known.stops
        for _ in range(3):
            await at.look(site.clock)
            assert at.source.known == known
    async with site.start() as at:
        assert at.source.known == known
        await at.look(site.clock)
        assert at.source.known is not None and at.source.known.probed_at > known.probed_at


async def test_while_a_course_can_t_be_read_for_want_of_a_right_rights_are_probed_now_and_then(
    site: Site,
) -> None:
    async with site.start() as at:
        await at.look(site.clock)
        known = at.source.known
        site.moodle.rights.discard("moodle/user:viewalldetails")
        await at.look(site.clock)
        assert at.source.known == known, "each list is refused by itself"
        with pytest.raises(errors.RightMissing):
            await at.source.facts.course_facts(TWO, not_older_than=site.clock.now())
        site.clock.advance(600)
        with pytest.raises(errors.SourceHeld, match="viewalldetails"):
            await at.look(site.clock)


@pytest.mark.parametrize("what", ["release", "functions", "a day"])
async def test_another_release_other_functions_or_a_new_day_only_probe_again(site: Site, what: str) -> None:
    async with site.start() as at:
        await at.look(site.clock)
        known = at.source.known
        if what == "release":
            site.moodle.release = "6.0 (Build: 20270101)"
        elif what == "functions":
            site.moodle.functions = site.moodle.functions[:-1]
        else:
            site.clock.advance(90_000)
        await at.look(site.clock)
        assert known is not None and at.source.known is not None
        assert at.source.known.probed_at > known.probed_at
        assert await at.source.facts.course_facts(TWO, not_older_than=0)


@pytest.mark.parametrize(
    "right", ["moodle/user:viewdetails", "moodle/user:viewalldetails", "moodle/user:viewhiddendetails"]
)
async def test_without_a_right_whose_loss_is_silent_nothing_is_read_until_it_is_back(
    site: Site, right: str
) -> None:
    site.moodle.rights.discard(right)
    async with site.start() as at:
        with pytest.raises(
            errors.SourceHeld, match=f"nothing was changed: {right} is missing.*Add it to the role"
        ):
            await at.look(site.clock)
    async with site.start() as at:
        asked = site.rosters()
        with pytest.raises(errors.SourceHeld, match=right):
            await at.source.facts.course_facts(TWO, not_older_than=site.clock.now())
        with pytest.raises(errors.SourceHeld, match=right):
            await at.source.facts.prefetch([TWO], not_older_than=site.clock.now())
        assert at.source.facts.remembered(TWO, not_older_than=0) is None
        assert site.rosters() == asked
        site.moodle.rights.add(right)
        await at.look(site.clock)
        assert len((await at.source.facts.course_facts(TWO, not_older_than=0)).enrolments) == 30


async def test_a_right_that_is_missing_in_one_course_stops_that_course_alone(site: Site) -> None:
    site.moodle.rights.discard("moodle/site:accessallgroups")
    async with site.start() as at:
        await at.look(site.clock)
        assert await at.source.facts.course_facts(TWO, not_older_than=0)
        with pytest.raises(errors.RightMissing, match="accessallgroups"):
            await at.source.facts.course_facts(CourseId(3), not_older_than=0)


async def test_one_hidden_person_stops_one_course_and_not_the_source(site: Site) -> None:
    site.moodle.hidden_users = {30}
    async with site.start() as at:
        await at.look(site.clock)
        assert await at.source.facts.course_facts(CourseId(3), not_older_than=0)
        with pytest.raises(errors.ListIncomplete):
            await at.source.facts.course_facts(TWO, not_older_than=0)


async def test_what_a_probe_that_fails_says_is_said_and_nothing_is_remembered(site: Site) -> None:
    async with site.start() as at:
        listed = await at.source.facts.site(not_older_than=0)

        async def down(_: object) -> object:
            raise errors.Maintenance(SITE_INFO)

        at.client.call = down  # type: ignore[assignment]
        with pytest.raises(TemporaryFailure, match="maintenance"):
            await at.source.before_courses(listed)
        assert at.source.known is None
        assert await at.store.settings.get(SITE_FACTS) is None


async def test_another_moodle_behind_the_address_is_asked_about_no_course(site: Site) -> None:
    async with site.start() as at:
        await at.look(site.clock)
        await at.store.settings.set("site_url", "https://moodle.example.org")
    site.moodle.url = "https://copy.example.org"
    async with site.start() as at:
        asked = site.rosters()
        with pytest.raises(
            PermanentFailure, match=r"calls itself https://copy\.example\.org now.*nothing was"
        ):
            await at.source.facts.course_facts(TWO, not_older_than=0)
        assert site.rosters() == asked
        listed = await at.source.facts.site(not_older_than=site.clock.now())
        assert listed.site.url == "https://copy.example.org"
        at.source.facts.expect(listed.site.url)
        assert await at.source.facts.course_facts(TWO, not_older_than=0)


async def test_what_was_there_is_kept_over_a_restart(site: Site) -> None:
    async with site.start() as at:
        await at.look(site.clock)
        assert await at.store.settings.get(COURSE_MARKS)
    for user in range(11, 31):
        del site.moodle.places[2][user]
    async with site.start() as at:
        await at.look(site.clock)
        assert "Moodle shows 10 members where 30 were" in at.source.facts.held[TWO]


async def test_who_left_for_a_known_reason_is_known_after_a_restart_and_for_a_day(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    university = University(clock.now)
    course = CourseId(university.add_course("C", "Course", university.add_category("Arts").id).id)
    people = [university.add_person(f"u{number}", "U", f"Ser {number}").id for number in range(30)]
    for person in people:
        university.enrol(person, course)
    async with SandboxMoodle(university, clock=clock.now) as moodle:

        def start() -> AbstractAsyncContextManager[Desk]:
            return started(moodle.url, moodle.token, tmp_path / "ours.db", clock, source="reports")

        async with start() as at:
            await at.look(clock)
            university.people[people[0]].suspended = True
            await at.look(clock)
            assert await at.source.facts.explained(course) == {people[0]}
        async with start() as at:
            assert await at.source.facts.explained(course) == {people[0]}
            await at.look(clock)
            assert await at.source.facts.explained(course) == {people[0]}
        clock.advance(90_000)
        async with start() as at:
            assert await at.source.facts.explained(course) == frozenset()


def test_who_was_erased_is_not_written_down_again_as_one_who_left() -> None:
    leavers = KnownLeavers()
    leavers.add({TWO: [MoodleUserId(20)]}, at=NOW)
    stored = leavers.joined({}, leavers.take_new())
    assert stored == {"2": {"20": NOW}}
    leavers.add({TWO: [MoodleUserId(21)]}, at=NOW + 5)
    assert leavers.joined({}, leavers.take_new()) == {"2": {"21": NOW + 5}}


async def test_who_is_kept_for_a_moment_is_looked_for_after_it(site: Site) -> None:
    async with site.start() as at:
        await at.look(site.clock)
        site.moodle.places[2][20].active = False
        await at.look(site.clock)
        missed = site.clock.now()
        site.clock.time = missed + 99
        await at.source.moments.come()
        assert at.queue.depth() == 0
        site.clock.time = missed + 100
        await at.source.moments.come()
        assert (await at.queue.take()).signals == {"moment"}


async def test_a_known_start_or_end_in_the_reports_is_a_signal_for_its_minute(tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    university = University(clock.now)
    category = university.add_category("Arts").id
    course = university.add_course("C", "Course", category).id
    places: list[dict[str, Any]] = [{"timeend": NOW + 130}, {"timestart": NOW + 190}, {"timeend": NOW + 9000}]
    for number, place in enumerate(places):
        university.enrol(university.add_person(f"u{number}", "U", f"Ser {number}").id, course, **place)
    async with (
        SandboxMoodle(university, clock=clock.now) as moodle,
        started(moodle.url, moodle.token, tmp_path / "ours.db", clock, source="reports") as at,
    ):
        await at.look(clock)
        for seconds in (179, 180, 239, 240, 300):
            clock.time = NOW + seconds
            await at.source.moments.come()
            is_due = at.queue.depth() == 1
            assert is_due is (seconds in (180, 240))
            if is_due:
                taken = await at.queue.take()
                assert taken.key == course_key(CourseId(course)) and "moment" in taken.signals
                await at.queue.done(taken)
        site = await at.store.settings.get(SITE_FACTS)
        assert site is not None and '"memberships": ' in site


@pytest.mark.parametrize(("source", "requests"), [("reports", 1 + 5), ("courses", 3 + 1)])
async def test_a_pass_over_an_unchanged_site_asks_little_and_plans_nothing(
    world: World, source: str, requests: int
) -> None:
    """Reports: one request and one for each report. Courses: the listing and one request for all lists."""
    world.clock.time = NOW
    world.use(existing_courses=True)
    async with SandboxMoodle(clock=world.clock.now) as moodle, aiohttp.ClientSession() as session:
        client = MoodleClient(moodle.url, moodle.token, session=session, attempts=1, batch=50)
        settings = settings_for(moodle.url, moodle.token, source=source)
        built = Source(settings, world.rules, client, world.store, world.queue, world.clock)
        world.facts = built.facts  # type: ignore[assignment]
        world.rebuild()
        site = SitePass(
            built.facts, world.store, world.queue, world.gate, world.rules, world.clock, world.freshness,
            world.settled, world.endings, before_courses=built.before_courses, after_reading=built.after_reading,
            turns=built.turns,
        )  # fmt: skip
        for _ in range(3):
            world.clock.advance(300)
            await site.run(Taken(SITE, Priority.PASS, 0, frozenset({"pass"})))
            await world.work(most=2000)
        assert len(world.matrix.rooms) > 3
        world.clock.advance(300)
        world.matrix.forget_requests()
        before = client.requests
        await site.run(Taken(SITE, Priority.PASS, 0, frozenset({"pass"})))
        assert client.requests - before <= requests
        # Courses that begin or end one day wait for that day.
        waiting = world.queue._waiting.values()
        assert [one for one in waiting if one.not_before <= world.clock.now()] == []
        assert {request[0] for request in world.matrix.requests} == {"get_state"}
        await built.close()
