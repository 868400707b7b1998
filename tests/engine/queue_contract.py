"""What every queue behind the port promises: what coalesces, who goes first, what waits for its time, and that no
signal is lost. `test_memory_queue` runs all of it against the queue of one process, `live/test_cluster_queue` against
that of several.

A test module imports everything from here and provides the fixture `desk`; a `QueueDesk` is a queue whose time can be
moved.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from moodle_appservice.engine.queues.memory import SOON
from moodle_appservice.ports import SITE, Key, Priority, Queue, Taken

A, B, C = Key("course", 1), Key("course", 2), Key("person", 1)


class QueueDesk(Protocol):
    """A queue for a test."""

    @property
    def queue(self) -> Queue: ...

    def now(self) -> float:
        """Unix seconds, as the queue's clock has them."""
        ...

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        ...

    async def take_now(self) -> Taken:
        """What is due; fails where nothing is."""
        ...

    async def nothing_due(self) -> bool:
        """Whether a worker would have to wait."""
        ...

    async def depth(self) -> int:
        """How many keys are due, are tried again later, or run."""
        ...

    async def oldest(self) -> float:
        """For how many seconds the key that waits longest has been due."""
        ...

    async def presses(self, taken: Taken, *, above: Priority | None = None) -> bool:
        """What the queue says when it has looked again."""
        ...

    async def is_waiting(self, task: asyncio.Task[Any]) -> bool:
        """Whether a task still waits when everything that can go on without waiting for time has gone on."""
        ...


async def test_waiting_signals_for_a_key_are_one_look(desk: QueueDesk) -> None:
    for signal in ("pass", "event", "event"):
        await desk.queue.add(A, signal=signal)
    assert await desk.depth() == 1
    assert await desk.take_now() == Taken(A, Priority.PASS, 0, frozenset({"pass", "event"}))
    assert await desk.nothing_due()


async def test_a_signal_during_a_look_makes_the_key_due_again_after_it_and_not_before(
    desk: QueueDesk,
) -> None:
    await desk.queue.add(A, signal="pass")
    taken = await desk.take_now()
    await desk.queue.add(A, signal="event")
    await desk.queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    assert await desk.nothing_due()
    await desk.queue.done(taken)
    assert await desk.take_now() == Taken(A, Priority.WAITING_PERSON, 0, frozenset({"event", "command"}))


async def test_a_key_without_a_signal_during_its_look_is_not_looked_at_again(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    await desk.queue.done(await desk.take_now())
    assert await desk.depth() == 0
    assert await desk.nothing_due()


async def test_it_is_known_how_long_the_oldest_key_has_been_due(desk: QueueDesk) -> None:
    assert await desk.oldest() == 0
    await desk.queue.add(A, not_before=desk.now() + 10)
    await desk.queue.add(B, not_before=desk.now() + 1000)
    await desk.advance(70)
    await desk.queue.add(A, signal="event")
    assert 55 < await desk.oldest() < 75
    await desk.queue.done(await desk.take_now())
    assert await desk.oldest() == 0, "what waits for its time is not late"


async def test_a_look_that_is_planned_for_later_is_no_work_that_waits(desk: QueueDesk) -> None:
    await desk.queue.add(A, signal="moment", not_before=desk.now() + 90 * 86400)
    await desk.queue.add(B)
    assert await desk.depth() == 1
    taken = await desk.take_now()
    assert await desk.depth() == 1, "it runs"
    await desk.queue.back_off(taken, delay=500)
    assert await desk.depth() == 1, "it has failed and is tried again"
    await desk.queue.add(A, signal="event")
    assert await desk.depth() == 2


async def test_two_workers_get_two_keys(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    await desk.queue.add(B)
    assert {(await desk.take_now()).key, (await desk.take_now()).key} == {A, B}


async def test_a_worker_that_waits_is_woken_by_the_next_signal(desk: QueueDesk) -> None:
    taking = asyncio.create_task(desk.queue.take())
    assert await desk.is_waiting(taking)
    await desk.queue.add(A)
    assert (await taking).key == A


async def test_who_waits_goes_before_people_before_hints_before_the_pass(desk: QueueDesk) -> None:
    for number, priority in enumerate(reversed(Priority)):
        await desk.queue.add(Key("course", number), priority=priority)
    assert [(await desk.take_now()).priority for _ in Priority] == sorted(Priority)


async def test_keys_of_one_priority_go_in_the_order_in_which_they_came(desk: QueueDesk) -> None:
    for key in (B, A, C):
        await desk.queue.add(key)
    assert [(await desk.take_now()).key for _ in range(3)] == [B, A, C]


async def test_a_key_that_is_signalled_again_keeps_its_place(desk: QueueDesk) -> None:
    for key in (A, B, C, A, A):
        await desk.queue.add(key)
    assert [(await desk.take_now()).key for _ in range(3)] == [A, B, C]


async def test_a_higher_priority_moves_a_waiting_key_forward_and_a_lower_one_does_not_move_it_back(
    desk: QueueDesk,
) -> None:
    await desk.queue.add(A, priority=Priority.PASS)
    await desk.queue.add(B, priority=Priority.HINT)
    await desk.queue.add(A, priority=Priority.WAITING_PERSON)
    await desk.queue.add(A, priority=Priority.PASS)
    assert [(await desk.take_now()).key for _ in range(2)] == [A, B]


async def test_a_key_with_a_time_waits_for_it(desk: QueueDesk) -> None:
    await desk.queue.add(A, not_before=desk.now() + 10)
    assert await desk.nothing_due()
    await desk.advance(9)
    assert await desk.nothing_due()
    await desk.advance(1)
    assert (await desk.take_now()).key == A


async def test_the_earlier_of_two_times_counts(desk: QueueDesk) -> None:
    await desk.queue.add(A, not_before=desk.now() + 10)
    await desk.queue.add(A, not_before=desk.now() + 20)
    await desk.queue.add(B, not_before=desk.now() + 20)
    await desk.queue.add(B, not_before=desk.now() + 10)
    await desk.advance(10)
    assert {(await desk.take_now()).key, (await desk.take_now()).key} == {A, B}


async def test_a_signal_without_a_time_makes_a_delayed_key_due_now(desk: QueueDesk) -> None:
    await desk.queue.add(A, not_before=desk.now() + 10)
    await desk.queue.add(A)
    assert (await desk.take_now()).key == A


async def test_a_delayed_key_that_is_due_goes_by_its_priority(desk: QueueDesk) -> None:
    await desk.queue.add(A, priority=Priority.HINT, not_before=desk.now() + 10)
    await desk.queue.add(B, priority=Priority.PASS)
    await desk.queue.add(C, priority=Priority.PERSON)
    await desk.advance(10)
    assert [(await desk.take_now()).key for _ in range(3)] == [C, A, B]


async def test_a_worker_that_waits_gets_a_key_when_its_time_has_come(desk: QueueDesk) -> None:
    await desk.queue.add(A, not_before=desk.now() + 600)
    taking = asyncio.create_task(desk.queue.take())
    assert await desk.is_waiting(taking)
    await desk.advance(600)
    async with asyncio.timeout(60):
        assert (await taking).key == A


async def test_a_failed_key_comes_back_after_its_delay_with_one_attempt_more(desk: QueueDesk) -> None:
    await desk.queue.add(A, signal="event", priority=Priority.HINT)
    await desk.queue.back_off(await desk.take_now(), delay=30)
    await desk.advance(29)
    assert await desk.nothing_due()
    await desk.advance(1)
    again = await desk.take_now()
    assert again == Taken(A, Priority.HINT, 1, frozenset({"event"}))
    await desk.queue.back_off(again, delay=30)
    await desk.advance(30)
    assert (await desk.take_now()).attempt == 2


async def test_a_key_that_backs_off_is_not_hurried_by_events_or_the_pass(desk: QueueDesk) -> None:
    await desk.queue.add(A, signal="pass")
    await desk.queue.back_off(await desk.take_now(), delay=30)
    await desk.queue.add(A, signal="event", priority=Priority.HINT)
    assert await desk.nothing_due()
    await desk.advance(30)
    assert await desk.take_now() == Taken(A, Priority.HINT, 1, frozenset({"pass", "event"}))


async def test_a_key_that_backs_off_is_hurried_by_a_person_who_waits(desk: QueueDesk) -> None:
    await desk.queue.add(A, signal="pass")
    await desk.queue.back_off(await desk.take_now(), delay=30)
    await desk.queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    assert await desk.take_now() == Taken(A, Priority.WAITING_PERSON, 1, frozenset({"pass", "command"}))


async def test_a_person_who_began_to_wait_during_a_look_that_failed_gets_the_next_one_at_once(
    desk: QueueDesk,
) -> None:
    await desk.queue.add(A, signal="pass")
    taken = await desk.take_now()
    await desk.queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    await desk.queue.back_off(taken, delay=30)
    assert await desk.take_now() == Taken(A, Priority.WAITING_PERSON, 1, frozenset({"pass", "command"}))


async def test_a_person_who_can_wait_longer_than_the_retry_does_not_delay_it(desk: QueueDesk) -> None:
    await desk.queue.add(A, signal="pass")
    taken = await desk.take_now()
    await desk.queue.add(A, signal="command", priority=Priority.WAITING_PERSON, not_before=desk.now() + 60)
    await desk.queue.back_off(taken, delay=30)
    await desk.advance(30)
    assert (await desk.take_now()).signals == {"pass", "command"}


async def test_an_event_during_a_look_that_failed_waits_for_the_next_try_and_is_not_lost(
    desk: QueueDesk,
) -> None:
    await desk.queue.add(A, signal="pass")
    taken = await desk.take_now()
    await desk.queue.add(A, signal="event", priority=Priority.HINT)
    await desk.queue.back_off(taken, delay=30)
    assert await desk.nothing_due()
    await desk.advance(30)
    assert (await desk.take_now()).signals == {"pass", "event"}


async def test_success_forgets_the_attempts(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    await desk.queue.back_off(await desk.take_now(), delay=0)
    await desk.queue.done(await desk.take_now())
    await desk.queue.add(A)
    assert (await desk.take_now()).attempt == 0


async def test_whoever_has_a_key_is_pressed_by_those_who_wait_and_by_a_signal_for_it(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    taken = await desk.take_now()
    assert not await desk.presses(taken)
    await desk.queue.add(A, signal="event")
    assert await desk.presses(taken)
    await desk.queue.done(taken)
    again = await desk.take_now()
    await desk.queue.add(B, not_before=desk.now() + 600)
    assert not await desk.presses(again), "nobody waits yet"
    await desk.advance(600)
    assert await desk.presses(again)


async def test_whoever_has_a_key_may_be_pressed_only_by_those_who_are_more_urgent(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    taken = await desk.take_now()
    assert not await desk.presses(taken, above=Priority.REST), "nobody waits"
    await desk.queue.add(B, priority=Priority.PASS)
    assert await desk.presses(taken, above=Priority.REST)
    assert not await desk.presses(taken, above=Priority.PASS), "who is as urgent does not press"
    await desk.queue.add(B, priority=Priority.HINT)
    assert await desk.presses(taken, above=Priority.PASS)


async def test_whoever_has_a_key_is_not_pressed_by_keys_of_another_kind(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    taken = await desk.take_now()
    await desk.queue.add(C, priority=Priority.PERSON)
    assert not await desk.presses(taken)
    assert not await desk.presses(taken, above=Priority.REST)


async def test_a_signal_for_a_key_in_hand_presses_however_urgent_it_is(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    taken = await desk.take_now()
    await desk.queue.add(A, signal="event", priority=Priority.REST)
    assert await desk.presses(taken, above=Priority.HINT)
    await desk.queue.done(taken)
    again = await desk.take_now()
    assert not await desk.presses(again, above=Priority.HINT)


async def test_idle_waits_for_what_is_due_and_for_what_runs(desk: QueueDesk) -> None:
    await desk.queue.idle()
    await desk.queue.add(SITE)
    idle = asyncio.create_task(desk.queue.idle())
    assert await desk.is_waiting(idle)
    taken = await desk.take_now()
    assert await desk.is_waiting(idle)
    await desk.queue.done(taken)
    await idle


async def test_idle_waits_for_a_retry_that_is_near_and_not_for_one_that_is_far(desk: QueueDesk) -> None:
    await desk.queue.add(A)
    await desk.queue.back_off(await desk.take_now(), delay=SOON + 1)
    await desk.queue.idle()
    await desk.queue.add(B)
    await desk.queue.back_off(await desk.take_now(), delay=SOON)
    idle = asyncio.create_task(desk.queue.idle())
    assert await desk.is_waiting(idle)
    await desk.queue.add(B, priority=Priority.WAITING_PERSON)
    await desk.queue.done(await desk.take_now())
    await idle


async def test_a_worker_that_is_stopped_while_it_waits_takes_nothing_with_it(desk: QueueDesk) -> None:
    taking = asyncio.create_task(desk.queue.take())
    assert await desk.is_waiting(taking)
    await desk.queue.add(A)
    taking.cancel()
    await asyncio.wait([taking])
    if taking.cancelled():
        # Whoever waits next gets it, as soon as it was given back.
        assert (await desk.queue.take()).key == A
    else:
        assert taking.result().key == A


async def test_who_takes_only_one_kind_waits_for_it_and_leaves_the_others(desk: QueueDesk) -> None:
    await desk.queue.add(A, priority=Priority.WAITING_PERSON)
    only = asyncio.create_task(desk.queue.take(only="person"))
    assert await desk.is_waiting(only)
    await desk.queue.add(C, priority=Priority.PASS)
    assert (await only).key == C
    assert (await desk.take_now()).key == A


async def test_who_takes_every_kind_takes_the_most_urgent_first_then_the_oldest(desk: QueueDesk) -> None:
    person = Key("person", 2)
    for key, priority in (
        (C, Priority.PASS),
        (A, Priority.WAITING_PERSON),
        (B, Priority.PASS),
        (person, Priority.WAITING_PERSON),
    ):
        await desk.queue.add(key, priority=priority)
    assert [(await desk.take_now()).key for _ in range(4)] == [A, person, C, B]
