"""Workers over fakes: failures and when they are tried again, those who ask and wait, and what ends no worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.course import Outcome
from moodle_appservice.engine.worker import AFTER_A_BUG, LONGEST_BACK_OFF, Workers, _delay
from moodle_appservice.errors import PermanentFailure, Refused, TemporaryFailure
from moodle_appservice.ports import SITE, CourseRow, Key, Priority, Taken, course_key
from tests.engine.world import World

ONE, TWO = course_key(CourseId(1)), course_key(CourseId(2))


class Script:
    """Stands for all that looks at keys: `answers` are what the looks at a key end with, one after the other."""

    def __init__(self) -> None:
        self.answers: dict[Key, list[Outcome | Exception]] = {}
        self.looks: list[Taken] = []
        self.looking = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def run(self, taken: Taken) -> Outcome:
        self.looks.append(taken)
        self.looking.set()
        await self.go_on.wait()
        answers = self.answers.get(taken.key)
        answer = answers.pop(0) if answers else Outcome.DONE
        if isinstance(answer, Exception):
            raise answer
        return answer

    def of(self, key: Key) -> list[Taken]:
        return [taken for taken in self.looks if taken.key == key]

    async def hold_next(self) -> None:
        """The next look stops in its middle; returns when it is there. Let it go with `go_on.set()`."""
        self.go_on.clear()
        self.looking.clear()
        await self.looking.wait()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def scripted(world: World, script: Script) -> AsyncIterator[Workers]:
    """Workers whose looks follow the script."""
    await world.store.courses.save(
        [CourseRow(CourseId(number), f"C{number}", True, "On.") for number in (1, 2)]
    )
    looks: Any = script
    made = Workers(world.queue, world.store, world.clock, site=looks, people=looks, courses=looks, number=2)
    made.start()
    yield made
    script.go_on.set()
    await made.stop()


async def reached(world: World, workers: Workers) -> None:
    """Until every worker has nothing to do that is due now."""
    async with asyncio.timeout(30):
        assert await workers.ask(TWO, signal="nudge") is None
        while world.queue._running or any(
            one.not_before <= world.clock.now() for one in world.queue._waiting.values()
        ):
            await asyncio.sleep(0)


async def error_of(world: World, key: Key) -> str:
    row = await world.store.courses.get(CourseId(key.number))
    assert row is not None
    return row.last_error


async def test_a_key_that_was_looked_at_is_given_back(
    world: World, script: Script, scripted: Workers
) -> None:
    await world.queue.add(ONE, signal="event")
    await reached(world, scripted)
    assert [taken.signals for taken in script.of(ONE)] == [{"event"}]
    assert world.queue.depth() == 0 and not scripted.failures


async def test_a_temporary_failure_is_told_and_tried_again_when_the_other_side_asked_for_it(
    world: World, script: Script, scripted: Workers
) -> None:
    script.answers[ONE] = [TemporaryFailure("Moodle is down.", retry_after=7)]
    await world.queue.add(ONE)
    await reached(world, scripted)
    assert str(scripted.failures[ONE]) == "Moodle is down."
    assert await error_of(world, ONE) == "Moodle is down."
    world.clock.advance(6)
    await reached(world, scripted)
    assert len(script.of(ONE)) == 1
    world.clock.advance(1)
    await reached(world, scripted)
    assert [taken.attempt for taken in script.of(ONE)] == [0, 1]
    assert not scripted.failures


@pytest.mark.parametrize("failure", [PermanentFailure("Course 1 is gone."), Refused("Held.")])
async def test_a_failure_that_would_come_again_waits_for_the_next_signal(
    world: World, script: Script, scripted: Workers, failure: Exception
) -> None:
    script.answers[ONE] = [failure]
    await world.queue.add(ONE)
    await reached(world, scripted)
    assert scripted.failures == {ONE: failure}
    assert await error_of(world, ONE) == str(failure)
    assert world.queue.depth() == 0
    await world.queue.add(ONE)
    await reached(world, scripted)
    assert [taken.attempt for taken in script.of(ONE)] == [0, 0]
    assert not scripted.failures


async def test_a_bug_stops_neither_the_worker_nor_another_key_and_is_in_the_log_with_its_reference(
    world: World, script: Script, scripted: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    script.answers[ONE] = [KeyError("oops"), ZeroDivisionError()]
    with caplog.at_level(logging.ERROR):
        await world.queue.add(ONE)
        await reached(world, scripted)
    text = str(scripted.failures[ONE])
    assert text.startswith("Internal error KeyError, reference ")
    assert f"[{text.split()[4].rstrip(';')}]" in caplog.text
    assert await error_of(world, ONE) == text
    for _ in range(2):
        world.clock.advance(30)
        await reached(world, scripted)
    assert len(script.of(ONE)) == 3
    assert not scripted.failures


async def test_a_failure_of_the_site_is_kept_and_no_course_s(
    world: World, script: Script, scripted: Workers
) -> None:
    script.answers[SITE] = [PermanentFailure("The token is unknown.")]
    await world.queue.add(SITE)
    await reached(world, scripted)
    assert set(scripted.failures) == {SITE}
    assert await error_of(world, ONE) == ""


async def test_a_key_of_a_kind_that_nobody_knows_is_a_failure_of_its_own(
    world: World, scripted: Workers
) -> None:
    await world.queue.add(Key("planet", 9))
    await reached(world, scripted)
    assert str(scripted.failures[Key("planet", 9)]) == "Nobody looks at keys of the kind planet."


async def test_what_has_more_to_do_comes_back_at_once_with_what_was_read(
    world: World, script: Script, scripted: Workers
) -> None:
    script.answers[ONE] = [Outcome.MORE, Outcome.MORE]
    await world.queue.add(ONE, priority=Priority.WAITING_PERSON, signal="command")
    await reached(world, scripted)
    assert [taken.signals for taken in script.of(ONE)] == [
        {"command"},
        {"command, continued"},
        {"command, continued"},
    ]
    assert {taken.priority for taken in script.of(ONE)} == {Priority.WAITING_PERSON}


async def test_what_waits_for_others_is_not_looked_at_until_they_wake_it(
    world: World, script: Script, scripted: Workers
) -> None:
    script.answers[ONE] = [Outcome.WAITING]
    await world.queue.add(ONE)
    await reached(world, scripted)
    assert world.queue.depth() == 0
    assert len(script.of(ONE)) == 1


async def test_a_key_is_with_one_worker_at_a_time(world: World, script: Script, scripted: Workers) -> None:
    await world.queue.add(ONE)
    await script.hold_next()
    await world.queue.add(ONE)
    await world.queue.add(TWO)
    while len(script.looks) < 2:
        await asyncio.sleep(0)
    assert [taken.key for taken in script.looks] == [ONE, TWO]
    script.go_on.set()
    await reached(world, scripted)
    assert len(script.of(ONE)) == 2


# Who asks and waits


async def test_who_asks_is_told_when_the_look_is_done(script: Script, scripted: Workers) -> None:
    assert await scripted.ask(ONE, signal="command") is None
    assert script.looks == [Taken(ONE, Priority.WAITING_PERSON, 0, frozenset({"command"}))]


async def test_who_asks_is_told_what_stopped_it(script: Script, scripted: Workers) -> None:
    failure = PermanentFailure("Course 1 is gone.")
    script.answers[ONE] = [failure]
    assert await scripted.ask(ONE, signal="command") is failure


async def test_who_asks_waits_over_temporary_failures_and_for_the_rest_of_the_work(
    world: World, script: Script, scripted: Workers
) -> None:
    script.answers[ONE] = [
        TemporaryFailure("busy", retry_after=0),
        TemporaryFailure("busy", retry_after=100),
        Outcome.MORE,
        Outcome.WAITING,
    ]
    asking = asyncio.create_task(scripted.ask(ONE, signal="command"))
    await reached(world, scripted)
    world.clock.advance(2)
    for _ in range(2):
        world.clock.advance(100)
        await reached(world, scripted)
        assert not asking.done()
    await world.queue.add(ONE, signal="person")
    async with asyncio.timeout(30):
        assert await asking is None
    assert len(script.of(ONE)) == 5


async def test_who_asks_during_a_look_is_told_after_one_that_began_later(
    world: World, script: Script, scripted: Workers
) -> None:
    script.answers[ONE] = [PermanentFailure("what an earlier look found")]
    await world.queue.add(ONE)
    await script.hold_next()
    asking = asyncio.create_task(scripted.ask(ONE, signal="command"))
    await asyncio.sleep(0)
    script.go_on.set()
    async with asyncio.timeout(30):
        assert await asking is None
    assert len(script.of(ONE)) == 2


async def test_all_who_ask_are_told_and_who_gave_up_disturbs_nobody(
    world: World, script: Script, scripted: Workers
) -> None:
    await world.queue.add(ONE)
    await script.hold_next()
    asking = [asyncio.create_task(scripted.ask(ONE, signal="command")) for _ in range(3)]
    await asyncio.sleep(0)
    asking[1].cancel()
    await asyncio.sleep(0)
    script.go_on.set()
    async with asyncio.timeout(30):
        assert [await asking[0], await asking[2]] == [None, None]
    assert len(script.of(ONE)) == 2


async def test_a_key_in_the_middle_of_a_look_is_given_back_when_the_workers_stop(
    world: World, script: Script, scripted: Workers
) -> None:
    await world.queue.add(ONE, signal="event")
    await script.hold_next()
    await scripted.stop()
    taken = await world.queue.take()
    assert (taken.key, taken.signals) == (ONE, frozenset({"event"}))


@given(st.integers(0, 2000), st.none() | st.floats(0, 10_000))
def test_the_wait_grows_up_to_a_limit_and_is_never_shorter_than_asked_for(
    attempt: int, asked: float | None
) -> None:
    delay = _delay(attempt, asked)
    assert delay >= (asked or 0.0)
    if asked is None or attempt > 0:
        grown = min(2.0 ** min(attempt, 1000), LONGEST_BACK_OFF)
        assert 0.5 * grown <= delay <= max(grown, asked or 0.0)
    else:
        assert delay == asked


# Trouble around a look


@pytest.fixture
async def workers(world: World) -> AsyncIterator[Workers]:
    made = world.workers(1)
    made.start()
    yield made
    await made.stop()


async def test_a_database_that_takes_nothing_neither_ends_the_worker_nor_keeps_the_key(
    world: World, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    first, second = await world.course(42), await world.course(43)
    with monkeypatch.context() as broken:
        broken.setattr(world.store.courses, "get", full)
        broken.setattr(world.store.courses, "synced", full)
        await world.queue.add(course_key(first))
        async with asyncio.timeout(30):
            while course_key(first) not in workers.failures or world.queue.depth() != 1:
                await asyncio.sleep(0)
    async with asyncio.timeout(30):
        assert await workers.ask(course_key(second), signal="command") is None
        world.clock.advance(60)
        assert await workers.ask(course_key(CourseId(first)), signal="command") is None
    assert not workers.failures


async def test_people_are_looked_at_while_every_other_worker_has_a_room_in_hand(world: World) -> None:
    is_held, go_on = asyncio.Event(), asyncio.Event()

    class Looks:
        async def run(self, taken: Taken) -> Outcome:
            if taken.key.kind == "course":
                is_held.set()
                await go_on.wait()
            return Outcome.DONE

    looks: Any = Looks()
    workers = Workers(
        world.queue, world.store, world.clock, site=looks, people=looks, courses=looks, number=1, for_people=1
    )
    workers.start()
    await world.queue.add(ONE)
    await is_held.wait()
    async with asyncio.timeout(30):
        assert await workers.ask(Key("person", 7), signal="course:1") is None
    assert world.queue.depth() == 1, "the room is still in hand"
    go_on.set()
    await workers.stop()


async def test_a_worker_goes_on_where_what_came_of_a_look_could_not_be_kept(
    world: World, script: Script, scripted: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = world.queue.done

    async def fails(taken: Taken) -> None:
        if taken.key == ONE and len(script.of(ONE)) == 1:
            raise OSError("No space left on the device")
        await done(taken)

    monkeypatch.setattr(world.queue, "done", fails)
    await world.queue.add(ONE, priority=Priority.PASS, signal="pass")
    await reached(world, scripted)
    assert len(script.of(ONE)) == 1
    world.clock.advance(AFTER_A_BUG)
    await reached(world, scripted)
    assert len(script.of(ONE)) == 2
