"""The queue of one process: what coalesces, who goes first, what waits for its time; and that no signal is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from moodle_appservice.engine.queues.memory import SOON, MemoryQueue
from moodle_appservice.ports import SITE, Key, Priority, Taken
from tests.fakes import FakeClock

A, B, C = Key("course", 1), Key("course", 2), Key("person", 1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> MemoryQueue:
    return MemoryQueue(clock)


async def settled(task: asyncio.Task[Any]) -> bool:
    """Whether a task is done when everything that can go on without waiting for time has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)
    return task.done()


async def take_now(queue: MemoryQueue) -> Taken:
    """What is due; fails where nothing is."""
    taking = asyncio.create_task(queue.take())
    if not await settled(taking):
        taking.cancel()
        await asyncio.wait([taking])
        raise AssertionError("nothing is due")
    return taking.result()


async def nothing_due(queue: MemoryQueue) -> bool:
    taking = asyncio.create_task(queue.take())
    if await settled(taking):
        await queue.done(taking.result())
        return False
    taking.cancel()
    await asyncio.wait([taking])
    return True


async def test_waiting_signals_for_a_key_are_one_look(queue: MemoryQueue) -> None:
    for signal in ("pass", "event", "event"):
        await queue.add(A, signal=signal)
    assert queue.depth() == 1
    assert await take_now(queue) == Taken(A, Priority.PASS, 0, frozenset({"pass", "event"}))
    assert await nothing_due(queue)


async def test_a_signal_during_a_look_makes_the_key_due_again_after_it_and_not_before(
    queue: MemoryQueue,
) -> None:
    await queue.add(A, signal="pass")
    taken = await take_now(queue)
    await queue.add(A, signal="event")
    await queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    assert await nothing_due(queue)
    await queue.done(taken)
    assert await take_now(queue) == Taken(A, Priority.WAITING_PERSON, 0, frozenset({"event", "command"}))


async def test_a_key_without_a_signal_during_its_look_is_not_looked_at_again(queue: MemoryQueue) -> None:
    await queue.add(A)
    await queue.done(await take_now(queue))
    assert queue.depth() == 0
    assert await nothing_due(queue)


async def test_two_workers_get_two_keys(queue: MemoryQueue) -> None:
    await queue.add(A)
    await queue.add(B)
    assert {(await take_now(queue)).key, (await take_now(queue)).key} == {A, B}


async def test_a_worker_that_waits_is_woken_by_the_next_signal(queue: MemoryQueue) -> None:
    taking = asyncio.create_task(queue.take())
    assert not await settled(taking)
    await queue.add(A)
    assert (await taking).key == A


async def test_who_waits_goes_before_people_before_hints_before_the_pass(queue: MemoryQueue) -> None:
    for number, priority in enumerate(reversed(Priority)):
        await queue.add(Key("course", number), priority=priority)
    assert [(await take_now(queue)).priority for _ in Priority] == sorted(Priority)


async def test_keys_of_one_priority_go_in_the_order_in_which_they_came(queue: MemoryQueue) -> None:
    for key in (B, A, C):
        await queue.add(key)
    assert [(await take_now(queue)).key for _ in range(3)] == [B, A, C]


async def test_a_key_that_is_signalled_again_keeps_its_place(queue: MemoryQueue) -> None:
    for key in (A, B, C, A, A):
        await queue.add(key)
    assert [(await take_now(queue)).key for _ in range(3)] == [A, B, C]


async def test_a_flood_of_signals_for_one_key_takes_no_room(queue: MemoryQueue, clock: FakeClock) -> None:
    await queue.add(A, not_before=clock.now() + 600)
    await queue.add(B)
    for _ in range(100):
        await queue.add(A, signal="event", not_before=clock.now() + 600)
        await queue.add(B, signal="event")
    assert len(queue._due) + len(queue._later) == 2


async def test_a_higher_priority_moves_a_waiting_key_forward_and_a_lower_one_does_not_move_it_back(
    queue: MemoryQueue,
) -> None:
    await queue.add(A, priority=Priority.PASS)
    await queue.add(B, priority=Priority.HINT)
    await queue.add(A, priority=Priority.WAITING_PERSON)
    await queue.add(A, priority=Priority.PASS)
    assert [(await take_now(queue)).key for _ in range(2)] == [A, B]


async def test_a_key_with_a_time_waits_for_it(queue: MemoryQueue, clock: FakeClock) -> None:
    await queue.add(A, not_before=clock.now() + 10)
    assert await nothing_due(queue)
    clock.advance(9)
    assert await nothing_due(queue)
    clock.advance(1)
    assert (await take_now(queue)).key == A


async def test_the_earlier_of_two_times_counts(queue: MemoryQueue, clock: FakeClock) -> None:
    await queue.add(A, not_before=clock.now() + 10)
    await queue.add(A, not_before=clock.now() + 20)
    await queue.add(B, not_before=clock.now() + 20)
    await queue.add(B, not_before=clock.now() + 10)
    clock.advance(10)
    assert {(await take_now(queue)).key, (await take_now(queue)).key} == {A, B}


async def test_a_signal_without_a_time_makes_a_delayed_key_due_now(
    queue: MemoryQueue, clock: FakeClock
) -> None:
    await queue.add(A, not_before=clock.now() + 10)
    await queue.add(A)
    assert (await take_now(queue)).key == A


async def test_a_delayed_key_that_is_due_goes_by_its_priority(queue: MemoryQueue, clock: FakeClock) -> None:
    await queue.add(A, priority=Priority.HINT, not_before=clock.now() + 10)
    await queue.add(B, priority=Priority.PASS)
    await queue.add(C, priority=Priority.PERSON)
    clock.advance(10)
    assert [(await take_now(queue)).key for _ in range(3)] == [C, A, B]


async def test_a_worker_that_waits_gets_a_key_when_its_time_has_come(clock: FakeClock) -> None:
    queue = MemoryQueue(clock)
    await queue.add(A, not_before=clock.now() + 0.01)
    taking = asyncio.create_task(queue.take())
    assert not await settled(taking)
    clock.advance(0.01)
    async with asyncio.timeout(10):
        assert (await taking).key == A


async def test_a_failed_key_comes_back_after_its_delay_with_one_attempt_more(
    queue: MemoryQueue, clock: FakeClock
) -> None:
    await queue.add(A, signal="event", priority=Priority.HINT)
    await queue.back_off(await take_now(queue), delay=30)
    clock.advance(29)
    assert await nothing_due(queue)
    clock.advance(1)
    again = await take_now(queue)
    assert again == Taken(A, Priority.HINT, 1, frozenset({"event"}))
    await queue.back_off(again, delay=30)
    clock.advance(30)
    assert (await take_now(queue)).attempt == 2


async def test_a_key_that_backs_off_is_not_hurried_by_events_or_the_pass(
    queue: MemoryQueue, clock: FakeClock
) -> None:
    await queue.add(A, signal="pass")
    await queue.back_off(await take_now(queue), delay=30)
    await queue.add(A, signal="event", priority=Priority.HINT)
    assert await nothing_due(queue)
    clock.advance(30)
    assert await take_now(queue) == Taken(A, Priority.HINT, 1, frozenset({"pass", "event"}))


async def test_a_key_that_backs_off_is_hurried_by_a_person_who_waits(queue: MemoryQueue) -> None:
    await queue.add(A, signal="pass")
    await queue.back_off(await take_now(queue), delay=30)
    await queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    assert await take_now(queue) == Taken(A, Priority.WAITING_PERSON, 1, frozenset({"pass", "command"}))


async def test_a_person_who_began_to_wait_during_a_look_that_failed_gets_the_next_one_at_once(
    queue: MemoryQueue,
) -> None:
    await queue.add(A, signal="pass")
    taken = await take_now(queue)
    await queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    await queue.back_off(taken, delay=30)
    assert await take_now(queue) == Taken(A, Priority.WAITING_PERSON, 1, frozenset({"pass", "command"}))


async def test_a_person_who_can_wait_longer_than_the_retry_does_not_delay_it(
    queue: MemoryQueue, clock: FakeClock
) -> None:
    await queue.add(A, signal="pass")
    taken = await take_now(queue)
    await queue.add(A, signal="command", priority=Priority.WAITING_PERSON, not_before=clock.now() + 60)
    await queue.back_off(taken, delay=30)
    clock.advance(30)
    assert (await take_now(queue)).signals == {"pass", "command"}


async def test_an_event_during_a_look_that_failed_waits_for_the_next_try_and_is_not_lost(
    queue: MemoryQueue, clock: FakeClock
) -> None:
    await queue.add(A, signal="pass")
    taken = await take_now(queue)
    await queue.add(A, signal="event", priority=Priority.HINT)
    await queue.back_off(taken, delay=30)
    assert await nothing_due(queue)
    clock.advance(30)
    assert (await take_now(queue)).signals == {"pass", "event"}


async def test_success_forgets_the_attempts(queue: MemoryQueue) -> None:
    await queue.add(A)
    await queue.back_off(await take_now(queue), delay=0)
    await queue.done(await take_now(queue))
    await queue.add(A)
    assert (await take_now(queue)).attempt == 0


async def test_idle_waits_for_what_is_due_and_for_what_runs(queue: MemoryQueue) -> None:
    await queue.idle()
    await queue.add(SITE)
    idle = asyncio.create_task(queue.idle())
    assert not await settled(idle)
    taken = await take_now(queue)
    assert not await settled(idle)
    await queue.done(taken)
    await idle


async def test_idle_waits_for_a_retry_that_is_near_and_not_for_one_that_is_far(queue: MemoryQueue) -> None:
    await queue.add(A)
    await queue.back_off(await take_now(queue), delay=SOON + 1)
    await queue.idle()
    await queue.add(B)
    await queue.back_off(await take_now(queue), delay=SOON)
    idle = asyncio.create_task(queue.idle())
    assert not await settled(idle)
    await queue.add(B, priority=Priority.WAITING_PERSON)
    await queue.done(await take_now(queue))
    await idle


async def test_a_worker_that_is_stopped_while_it_waits_takes_nothing_with_it(queue: MemoryQueue) -> None:
    taking = asyncio.create_task(queue.take())
    assert not await settled(taking)
    await queue.add(A)
    taking.cancel()
    await asyncio.wait([taking])
    if taking.cancelled():
        assert (await take_now(queue)).key == A
    else:
        assert taking.result().key == A


@dataclass
class _Pending:
    """What the model knows of a key that waits."""

    priority: Priority
    not_before: float
    attempt: int
    signals: set[str] = field(default_factory=set)


class QueueMachine(RuleBasedStateMachine):
    """Signals, workers and time in any order against a simple model of the port's promises."""

    hands = Bundle("hands")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.queue = MemoryQueue(self.clock)
        self.waiting: dict[Key, _Pending] = {}
        self.running: dict[Key, _Pending | None] = {}
        self.numbers = 0

    @initialize()
    def begin(self) -> None:
        self.runner.run(self.queue.idle())

    def _is_due(self, key: Key) -> bool:
        return self.waiting[key].not_before <= self.clock.now()

    @rule(
        key=st.sampled_from([A, B, C]),
        priority=st.sampled_from(Priority),
        delay=st.sampled_from([0, 0, 5, 50]),
    )
    def signal(self, key: Key, priority: Priority, delay: float) -> None:
        self.numbers += 1
        name = f"s{self.numbers}"
        at = self.clock.now() + delay
        self.runner.run(self.queue.add(key, priority=priority, signal=name, not_before=at))
        pending = self.running.get(key) if key in self.running else self.waiting.get(key)
        if pending is None:
            pending = _Pending(priority, at, 0)
            (self.running if key in self.running else self.waiting)[key] = pending
        elif pending.attempt == 0 or priority is Priority.WAITING_PERSON:
            pending.not_before = min(pending.not_before, at)
        pending.priority = min(pending.priority, priority)
        pending.signals.add(name)

    @precondition(lambda self: any(self._is_due(key) for key in self.waiting))
    @rule(target=hands)
    def take(self) -> Taken:
        taken = self.runner.run(take_now(self.queue))
        assert taken.key not in self.running, "with two workers at once"
        assert self._is_due(taken.key), "too early"
        first = min(pending.priority for key, pending in self.waiting.items() if self._is_due(key))
        assert taken.priority is first
        pending = self.waiting.pop(taken.key)
        assert (pending.priority, pending.attempt) == (taken.priority, taken.attempt)
        assert taken.signals == pending.signals, "a signal was lost"
        self.running[taken.key] = None
        return taken

    @precondition(lambda self: not any(self._is_due(key) for key in self.waiting))
    @rule()
    def nothing_is_due(self) -> None:
        assert self.runner.run(nothing_due(self.queue))

    @rule(taken=consumes(hands))
    def done(self, taken: Taken) -> None:
        self.runner.run(self.queue.done(taken))
        again = self.running.pop(taken.key)
        if again is not None:
            self.waiting[taken.key] = again

    @rule(taken=consumes(hands), delay=st.sampled_from([0, 5, 50]))
    def back_off(self, taken: Taken, delay: float) -> None:
        self.runner.run(self.queue.back_off(taken, delay=delay))
        pending = _Pending(taken.priority, self.clock.now() + delay, taken.attempt + 1, set(taken.signals))
        again = self.running.pop(taken.key)
        if again is not None:
            pending.signals |= again.signals
            pending.priority = min(pending.priority, again.priority)
            if again.priority is Priority.WAITING_PERSON:
                pending.not_before = min(pending.not_before, again.not_before)
        self.waiting[taken.key] = pending

    @rule(seconds=st.sampled_from([1, 5, 60]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def depth_counts_each_key_once(self) -> None:
        assert self.queue.depth() == len(self.waiting) + len(self.running)

    def teardown(self) -> None:
        self.runner.close()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=200, stateful_step_count=40)


async def test_who_takes_only_one_kind_waits_for_it_and_leaves_the_others(queue: MemoryQueue) -> None:
    await queue.add(A, priority=Priority.WAITING_PERSON)
    only = asyncio.create_task(queue.take(only="person"))
    assert not await settled(only)
    await queue.add(C, priority=Priority.PASS)
    assert (await only).key == C
    assert (await take_now(queue)).key == A


async def test_who_takes_every_kind_takes_the_most_urgent_first_then_the_oldest(queue: MemoryQueue) -> None:
    person = Key("person", 2)
    for key, priority in (
        (C, Priority.PASS),
        (A, Priority.WAITING_PERSON),
        (B, Priority.PASS),
        (person, Priority.WAITING_PERSON),
    ):
        await queue.add(key, priority=priority)
    assert [(await take_now(queue)).key for _ in range(4)] == [A, person, C, B]
