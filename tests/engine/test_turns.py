"""Reading course by course in turns: what each turn reads, what stays as it is, and what a restart forgets."""

from __future__ import annotations

import asyncio

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.domain.turns import TurnRules
from moodle_appservice.engine.signals import Timer
from moodle_appservice.engine.turns import Budget
from moodle_appservice.errors import PermanentFailure, Unreachable
from moodle_appservice.ports import course_key
from tests.engine.world import World

ONE, TWO, THREE = CourseId(41), CourseId(42), CourseId(43)
RULES = TurnRules(fastest=300, slowest=1800, turn=30)


@pytest.fixture
async def three(world: World) -> World:
    """Three courses that are on, read and settled."""
    world.turn_rules = RULES
    world.use(existing_courses=True)
    for number in (41, 42, 43):
        await world.synced(number, students=[8])
    await world.pass_over_site()
    await world.work()
    await world.due()
    world.facts.ahead.clear()
    return world


async def turn(world: World, *, after: float = RULES.turn) -> frozenset[CourseId]:
    """A turn between two passes; which courses it reads."""
    world.clock.advance(after)
    before = len(world.facts.ahead)
    await world.pass_over_site("turn")
    return world.facts.ahead[-1] if len(world.facts.ahead) > before else frozenset()


async def test_a_course_whose_turn_it_is_not_is_neither_due_nor_gone(three: World) -> None:
    three.facts.enrol(ONE, 9)
    three.clock.advance(30)
    await three.pass_over_site()
    assert three.facts.ahead == [frozenset()]
    assert await three.due() == {}
    rows = await three.store.courses.all()
    assert [row.gone for row in rows.values()] == [False] * 3
    assert await turn(three, after=270) == {ONE, TWO, THREE}
    assert await three.due() == {course_key(ONE): {"pass"}}


async def test_a_lively_course_is_read_often_and_a_quiet_one_seldom(three: World) -> None:
    reads: dict[CourseId, int] = {}
    for number in range(1, 41):
        three.facts.enrol(TWO, 100 + number)
        for course_id in await turn(three, after=300):
            reads[course_id] = reads.get(course_id, 0) + 1
        await three.work()
    assert reads[TWO] == 40
    assert reads[ONE] == reads[THREE] < 20


async def test_a_turn_lists_no_site_and_asks_the_homeserver_nothing(three: World) -> None:
    three.facts.readings.clear()
    three.matrix.forget_requests()
    await turn(three, after=300)
    assert [moment for what, moment in three.facts.readings if what == "site"] == [0.0]
    assert three.matrix.requests == []


@pytest.mark.parametrize("signal", ["command", "cli", "confirm", "hook"])
async def test_who_asks_has_everything_read(three: World, signal: str) -> None:
    three.clock.advance(30)
    await three.pass_over_site(signal)
    assert three.facts.ahead == [{ONE, TWO, THREE}]
    assert set(await three.due()) == {course_key(one) for one in (ONE, TWO, THREE)}


async def test_a_course_that_the_listing_shows_changed_is_read_at_once(three: World) -> None:
    three.facts.courses[TWO] = three.facts.courses[TWO].__class__(
        TWO, "C42", "A new name", three.facts.courses[TWO].category_id, True
    )
    three.clock.advance(30)
    await three.pass_over_site()
    assert three.facts.ahead == [{TWO}]
    assert await three.due() == {course_key(TWO): {"pass"}}


async def test_a_course_that_is_switched_on_is_read_at_once(three: World) -> None:
    new = three.facts.add_course(77)
    three.clock.advance(30)
    await three.pass_over_site()
    assert three.facts.ahead == [{new}]


async def test_a_course_that_can_t_be_read_is_tried_once_in_an_interval_and_seen(three: World) -> None:
    three.facts.trouble["42"] = Unreachable("only this one")
    assert TWO in await turn(three, after=300)
    assert await three.due() == {course_key(TWO): {"pass"}}
    assert await turn(three) == frozenset()
    assert TWO in await turn(three, after=300)


async def test_a_turn_that_fails_as_a_whole_counts_for_nobody(three: World) -> None:
    three.facts.trouble["prefetch"] = Unreachable("Moodle is down")
    with pytest.raises(Unreachable):
        await turn(three, after=300)
    assert await three.due() == {}
    three.facts.trouble.clear()
    assert await turn(three, after=1) == {ONE, TWO, THREE}


async def test_what_is_to_be_done_is_done_from_memory_where_it_is_not_the_course_s_turn(three: World) -> None:
    three.settled.unsettle(TWO)
    three.clock.advance(30)
    three.facts.readings.clear()
    await three.pass_over_site()
    assert await three.due() == {course_key(TWO): {"memory"}}
    await three.look(TWO, "memory")
    assert [moment for what, moment in three.facts.readings if what == "42"] == [0.0]


async def test_a_course_in_which_something_is_left_to_do_stays_lively(three: World) -> None:
    three.clock.advance(40 * 86400)
    await three.pass_over_site()
    await three.work()
    three.facts.enrol(TWO, 9)
    three.matrix.refuse("invite", error=PermanentFailure("blocked"))
    await turn(three, after=1800)
    await three.work()
    for _ in range(3):
        assert TWO in await turn(three, after=300)
        await three.work()


async def test_a_restart_reads_every_course_and_still_knows_the_quiet_ones(three: World) -> None:
    three.clock.advance(40 * 86400)
    three.facts.enrol(TWO, 9)
    await three.pass_over_site()
    await three.work()
    three.rebuild()
    three.facts.ahead.clear()
    await three.pass_over_site()
    assert three.facts.ahead == [{ONE, TWO, THREE}]
    await three.work()
    assert await turn(three, after=300) == {TWO}


class Spender:
    """Counts requests: so many for each course that was read ahead."""

    def __init__(self, world: World, each: int) -> None:
        self.world, self.each = world, each

    def __call__(self) -> int:
        return self.each * sum(map(len, self.world.facts.ahead))


async def test_a_pass_reads_no_more_than_fits_into_the_budget_and_all_in_the_end(world: World) -> None:
    world.turn_rules = RULES
    spent = Spender(world, each=3)
    world.budget = Budget(2, spent)
    world.use(existing_courses=True)
    for number in range(2, 12):
        world.facts.add_course(number)
    await world.pass_over_site()
    assert len(world.facts.ahead[0]) == 1
    assert len(await world.due()) == 1, "who was not read is not due"
    for minutes in range(1, 31):
        for _ in range(2):
            await turn(world)
        assert spent() <= 2 * minutes + 3
    assert set().union(*world.facts.ahead) == {CourseId(number) for number in range(2, 12)}


def test_the_room_in_a_turn_follows_from_what_readings_have_cost() -> None:
    spent, now = 0, 0.0
    budget = Budget(60, lambda: spent, batch=20)
    assert budget.room(now) == 20 * 20
    for _ in range(20):
        spent += 50
        budget.learn(400)
        now += 50
        budget.room(now)
    now += 10_000
    # What was saved up in five minutes, at two and a half requests a batch.
    assert 119 * 20 <= budget.room(now) <= 120 * 20
    spent += 1000
    assert budget.room(now) == 0, "whoever else asks is counted"
    now += 700
    assert budget.room(now) == 0
    now += 3
    assert budget.room(now) == 20


def test_the_smallest_budget_is_enough_for_something() -> None:
    spent, now, read = 0, 0.0, 0
    budget = Budget(1, lambda: spent)
    for _ in range(120):
        if budget.room(now):
            spent, read = spent + 2, read + 1
            budget.learn(1)
        now += 30
    assert 25 <= read <= 31 and spent <= 60 + 3


async def test_without_turns_a_signal_for_one_does_nothing(world: World) -> None:
    await world.pass_over_site("turn")
    assert world.facts.readings == []


async def test_the_timer_fills_the_interval_with_turns(world: World) -> None:
    timer = Timer(world.queue, interval=0.06, turn=0.02)
    timer.start()
    seen: list[set[str]] = []
    async with asyncio.timeout(30):
        while len(seen) < 7:
            taken = await world.queue.take()
            seen.append(set(taken.signals))
            await world.queue.done(taken)
    await timer.stop()
    assert seen[:7] == [{"pass"}, {"turn"}, {"turn"}, {"pass"}, {"turn"}, {"turn"}, {"pass"}]
