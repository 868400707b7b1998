"""The queue of several processes on a real PostgreSQL: the promises of the port, and what only several can show."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from moodle_appservice.engine.lease import Lease
from moodle_appservice.engine.queues import procrastinate
from moodle_appservice.engine.queues.jobs import Jobs
from moodle_appservice.engine.queues.procrastinate import ProcrastinateQueue
from moodle_appservice.ports import SITE, Key, Priority, Taken
from tests.engine.queue_contract import *  # noqa: F403
from tests.engine.queue_contract import A, B
from tests.engine.queue_machine import QueueMachine
from tests.live.postgres import PostgresServer

LATER = """WITH moved AS (UPDATE procrastinate_events SET at = at - make_interval(secs => %(seconds)s))
    UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - make_interval(secs => %(seconds)s) RETURNING id"""
MANY = """INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args)
    SELECT 'course', 'look', -5, 'course:' || number, 'course:' || number,
        jsonb_build_object('number', number, 'signals', jsonb_build_array('pass'))
    FROM generate_series(1, %(number)s) AS number RETURNING id"""
FETCH = "SELECT id FROM procrastinate_fetch_job_v2(%(kinds)s::varchar[], %(worker)s)"
READ = "SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_user_tables WHERE relname = 'procrastinate_jobs'"
CLEAR = "WITH gone AS (DELETE FROM procrastinate_jobs) DELETE FROM procrastinate_workers RETURNING id"


class RealClock:
    """The real time: PostgreSQL has no other. Time passes for a test by moving what waits nearer."""

    def now(self) -> float:
        return time.time()


class ClusterDesk:
    """One process of a cluster."""

    def __init__(self, jobs: Jobs, queue: ProcrastinateQueue) -> None:
        self.jobs = jobs
        self.queue = queue

    @classmethod
    async def open(cls, url: str, **given: Any) -> ClusterDesk:
        jobs = Jobs(url)
        await jobs.open()
        lease = given.pop("lease", None) or Lease()
        made = cls(jobs, ProcrastinateQueue(jobs, RealClock(), lease, **given))
        await made.queue.open()
        return made

    async def close(self) -> None:
        await self.queue.close()
        await self.jobs.close()

    async def clear(self) -> None:
        await self.jobs._connector.execute_query_all_async(CLEAR)

    def now(self) -> float:
        return time.time()

    async def advance(self, seconds: float) -> None:
        await self.jobs._connector.execute_query_all_async(LATER, seconds=seconds)
        self.queue.wake()

    async def take_now(self) -> Taken:
        taken = await self.queue.fetch()
        assert taken is not None, "nothing is due"
        return taken

    async def nothing_due(self) -> bool:
        return await self.queue.fetch() is None

    async def depth(self) -> int:
        return await self.jobs.depth()

    async def oldest(self) -> float:
        return await self.jobs.oldest()

    async def presses(self, taken: Taken, *, above: Priority | None = None) -> bool:
        await self.queue.count()
        return self.queue.presses(taken, above=above)

    async def is_waiting(self, task: asyncio.Task[Any]) -> bool:
        """Whether the queue has looked for a key once more and the task still has none."""
        for _ in range(3):
            await self.jobs.depth()
            await asyncio.sleep(0.02)
        return not task.done()


@pytest.fixture(scope="module")
def queue_url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
async def desk(queue_url: str) -> AsyncIterator[ClusterDesk]:
    made = await ClusterDesk.open(queue_url)
    yield made
    await made.queue.close()
    await made.clear()
    await made.jobs.close()


@pytest.fixture
async def other(desk: ClusterDesk, queue_url: str) -> AsyncIterator[ClusterDesk]:
    """A second process with the same database."""
    made = await ClusterDesk.open(queue_url)
    yield made
    await made.close()


async def test_a_key_is_with_one_process_at_a_time_and_a_signal_from_another_one_is_not_lost(
    desk: ClusterDesk, other: ClusterDesk
) -> None:
    await other.queue.add(A, signal="pass")
    await desk.queue.add(A, signal="event")
    taken = await desk.take_now()
    assert taken.signals == {"pass", "event"}
    await other.queue.add(A, signal="command", priority=Priority.WAITING_PERSON)
    assert await other.nothing_due()
    await desk.queue.done(taken)
    again = await other.take_now()
    assert again == Taken(A, Priority.WAITING_PERSON, 0, frozenset({"command"}))
    await other.queue.done(again)
    assert await desk.depth() == 0


async def test_the_next_key_is_found_without_a_look_at_all_that_wait(
    desk: ClusterDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The queue's own count of what waits reads all of it, and is not what is measured.
    monkeypatch.setattr(procrastinate, "LOOK_EVERY", 600.0)
    worker = await desk.jobs.register()
    async with desk.jobs.pool.connection() as connection:

        async def take(times: int) -> None:
            for _ in range(times):
                await connection.execute(FETCH, {"kinds": list(desk.queue.kinds()), "worker": worker})

        async def rows_read() -> int:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            (row,) = await (await connection.execute(READ)).fetchall()
            return int(row[0])

        # PostgreSQL has not counted them yet when the first one is asked for.
        await connection.execute(MANY, {"number": 10_000})
        before = await rows_read()
        await take(20)
        assert await rows_read() - before < 20 * 10_000 / 4
    await desk.jobs.unregister(worker)


async def test_a_worker_is_woken_by_a_signal_from_another_process(
    desk: ClusterDesk, other: ClusterDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that it is told, and does not find out by looking again.
    monkeypatch.setattr(procrastinate, "LOOK_EVERY", 600.0)
    for _ in range(2):
        taking = asyncio.create_task(desk.queue.take())
        assert await desk.is_waiting(taking)
        await other.queue.add(A)
        async with asyncio.timeout(30):
            taken = await taking
        assert taken.key == A
        await desk.queue.done(taken)


async def test_a_signal_from_another_process_makes_a_delayed_key_due_there(
    desk: ClusterDesk, other: ClusterDesk
) -> None:
    await desk.queue.add(A, not_before=desk.now() + 600)
    taking = asyncio.create_task(desk.queue.take())
    assert await desk.is_waiting(taking)
    await other.queue.add(A)
    assert (await taking).key == A


async def test_idle_waits_for_what_other_processes_have_in_hand(
    desk: ClusterDesk, other: ClusterDesk
) -> None:
    await desk.queue.add(A)
    taken = await other.take_now()
    idle = asyncio.create_task(desk.queue.idle())
    assert await desk.is_waiting(idle)
    await other.queue.done(taken)
    async with asyncio.timeout(60):
        await idle


async def test_a_process_that_leaves_gives_back_what_it_has_in_hand(
    desk: ClusterDesk, queue_url: str
) -> None:
    leaving = await ClusterDesk.open(queue_url)
    await desk.queue.add(A, signal="event")
    await leaving.take_now()
    await leaving.close()
    assert (await desk.take_now()).signals == {"event"}


async def test_a_key_for_the_reader_is_left_by_a_process_that_does_not_read(
    desk: ClusterDesk, queue_url: str
) -> None:
    reads = False
    some = await ClusterDesk.open(queue_url, for_reader=frozenset({"site"}), reads=lambda: reads)
    await desk.queue.add(SITE)
    await desk.queue.add(A)
    assert (await some.take_now()).key == A
    assert await some.nothing_due()
    reads = True
    assert (await some.take_now()).key == SITE
    await some.close()


async def stopped_heart(url: str) -> ClusterDesk:
    """A process that is killed: it says nothing any more, and its lease has run out."""
    return await ClusterDesk.open(url, lease=Lease(), beat_every=3600)


async def age(desk: ClusterDesk, dead: ClusterDesk, seconds: float) -> None:
    """Let the last beat of a process be so long ago."""
    await desk.jobs._connector.execute_query_all_async(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %(seconds)s) "
        "WHERE id = %(worker)s RETURNING id",
        seconds=seconds,
        worker=dead.queue._worker,
    )


async def test_keys_of_a_process_that_died_are_taken_over_with_all_their_signals_when_its_lease_has_run_out(
    desk: ClusterDesk, queue_url: str
) -> None:
    dead = await stopped_heart(queue_url)
    await desk.queue.add(A, signal="pass", priority=Priority.HINT)
    await desk.queue.add(B, signal="pass")
    assert [(await dead.take_now()).key for _ in range(2)] == [A, B]
    await desk.queue.add(B, signal="event")
    await age(desk, dead, 39)
    await desk.queue.beat()
    assert await desk.nothing_due(), "its lease still holds"
    await age(desk, dead, 41)
    await desk.queue.beat()
    assert await desk.take_now() == Taken(A, Priority.HINT, 0, frozenset({"pass"}))
    assert (await desk.take_now()).signals == {"pass", "event"}
    await dead.close()


async def test_a_process_that_was_taken_for_dead_disturbs_nobody_when_it_goes_on_and_begins_anew(
    desk: ClusterDesk, queue_url: str
) -> None:
    slow = await stopped_heart(queue_url)
    await desk.queue.add(A)
    late = await slow.take_now()
    await age(desk, slow, 41)
    await desk.queue.beat()
    taken = await desk.take_now()
    await slow.queue.done(late)
    await desk.queue.add(A, signal="event")
    assert await slow.nothing_due(), "the key is with the other one"
    before = slow.queue._worker
    await slow.queue.beat()
    assert slow.queue._worker != before
    await desk.queue.done(taken)
    assert (await slow.take_now()).signals == {"event"}
    await slow.close()


async def test_a_process_takes_nothing_without_its_lease(queue_url: str, desk: ClusterDesk) -> None:
    clock = 100.0
    lease = Lease(clock=lambda: clock)
    some = await ClusterDesk.open(queue_url, lease=lease, beat_every=3600)
    await desk.queue.add(A)
    clock += lease.seconds
    assert await some.nothing_due()
    await some.queue.beat()
    assert (await some.take_now()).key == A
    await some.close()


async def test_each_process_knows_how_many_there_are(desk: ClusterDesk, queue_url: str) -> None:
    told: list[int] = []

    async def on_beat(number: int, processes: int) -> None:
        assert number
        told.append(processes)

    leaving = await ClusterDesk.open(queue_url)
    some = await ClusterDesk.open(queue_url, on_beat=on_beat)
    await leaving.close()
    await some.queue.beat()
    await some.close()
    assert told == [3, 2]


async def test_many_processes_work_off_many_keys_each_once_at_a_time_and_lose_no_signal(
    desk: ClusterDesk, other: ClusterDesk
) -> None:
    """Two processes with four workers each; every key gets further signals while it is worked on."""
    keys = [Key("course", number) for number in range(1, 31)]
    running: set[Key] = set()
    sent = {key: {"pass"} for key in keys}
    seen: dict[Key, set[str]] = {key: set() for key in keys}

    async def work(one: ClusterDesk) -> None:
        while True:
            taken = await one.queue.take()
            assert taken.key not in running, "with two workers at once"
            running.add(taken.key)
            if len(sent[taken.key]) < 4:
                name = f"s{len(sent[taken.key])}"
                sent[taken.key].add(name)
                await (desk if one is other else other).queue.add(taken.key, signal=name)
            seen[taken.key] |= taken.signals
            running.discard(taken.key)
            await one.queue.done(taken)

    for key in keys:
        await desk.queue.add(key)
    workers = [asyncio.create_task(work(one)) for one in (desk, other) for _ in range(4)]
    async with asyncio.timeout(60):
        await desk.queue.idle()
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    assert [worker for worker in workers if not worker.cancelled()] == []
    assert seen == sent


class ClusterMachine(QueueMachine):
    """Over PostgreSQL; `url` is set by the test that runs it."""

    url = ""

    async def open(self) -> ClusterDesk:
        self.cluster = await ClusterDesk.open(self.url, beat_every=3600)
        await self.cluster.clear()
        await self.cluster.queue._register()
        return self.cluster

    async def close(self) -> None:
        await self.cluster.queue.close()
        await self.cluster.clear()
        await self.cluster.jobs.close()


def test_signals_workers_and_time_in_any_order_keep_the_promises(postgres_url: str) -> None:
    machine = type("Machine", (ClusterMachine,), {"url": postgres_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
