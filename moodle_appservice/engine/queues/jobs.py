"""Keys as jobs of procrastinate: every statement that the queue of several processes sends to PostgreSQL.

A key is a job whose `lock` and `queueing_lock` are the key: at most one is `doing` and at most one `todo`. Why it was
queued stands in the job's arguments and stays there until the look has ended, so that whoever takes over a key from a
process that died knows it too. Procrastinate makes, hands out and ends jobs; what it has no call for (a signal that
joins a waiting job, and changes that hold only while a job is still ours) are statements here, on the tables of
procrastinate 3.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import procrastinate
from procrastinate import exceptions, jobs
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from ...errors import TemporaryFailure, Unreachable
from ...ports import Key, Priority, Taken

TASK: Final = "look"
CONNECTIONS = 4
_MERGED = """jsonb_set(args, '{signals}', (
    SELECT jsonb_agg(DISTINCT signal) FROM jsonb_array_elements((args -> 'signals') || %(signals)s::jsonb) AS signal
))"""
_SOONER = """CASE WHEN scheduled_at IS NULL OR %(at)s::timestamptz IS NULL THEN NULL
    ELSE LEAST(scheduled_at, %(at)s::timestamptz) END"""
_JOIN = f"""WITH joined AS (
    UPDATE procrastinate_jobs SET args = {_MERGED}, priority = GREATEST(priority, %(priority)s),
        scheduled_at = CASE WHEN attempts = 0 OR %(waits)s THEN {_SOONER} ELSE scheduled_at END
    WHERE queueing_lock = %(key)s AND status = 'todo'
    RETURNING id
)
SELECT id, pg_notify('procrastinate_any_queue_v1', json_build_object('type', 'job_inserted', 'job_id', id)::text)
FROM joined"""
_JOIN_AGAIN = f"""UPDATE procrastinate_jobs SET args = {_MERGED}, priority = GREATEST(priority, %(priority)s),
    attempts = %(attempts)s,
    scheduled_at = CASE WHEN priority < %(waiting)s THEN %(at)s::timestamptz ELSE {_SOONER} END
WHERE queueing_lock = %(key)s AND status = 'todo' RETURNING id"""
_OURS = """FROM (SELECT id FROM procrastinate_jobs WHERE id = %(id)s AND status = 'doing'
    AND worker_id IS NOT DISTINCT FROM %(worker)s FOR UPDATE) AS ours"""
_END = f"SELECT id, procrastinate_finish_job_v1(id, 'succeeded', true) {_OURS}"
_RETRY = f"SELECT id, procrastinate_retry_job_v2(id, %(at)s::timestamptz, NULL, NULL, NULL) {_OURS}"
_ATTEMPTS = "UPDATE procrastinate_jobs SET attempts = %(attempts)s WHERE id = %(id)s RETURNING id"
_DEPTH = """SELECT count(DISTINCT lock) AS number FROM procrastinate_jobs WHERE status = 'doing'
    OR (status = 'todo' AND (attempts > 0 OR scheduled_at IS NULL OR scheduled_at <= now()))"""
_OLDEST = """SELECT COALESCE(EXTRACT(EPOCH FROM max(now() - GREATEST(job.scheduled_at, event.at))), 0) AS seconds
    FROM procrastinate_jobs AS job JOIN procrastinate_events AS event ON event.job_id = job.id
    WHERE event.type = 'deferred' AND job.status = 'todo' AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())"""
_DUE = """SELECT queue_name AS kind, max(priority) AS highest FROM procrastinate_jobs
    WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) GROUP BY queue_name"""
_AGAIN = """SELECT waiting.lock AS key FROM procrastinate_jobs AS waiting
    JOIN procrastinate_jobs AS doing ON doing.lock = waiting.lock
    WHERE waiting.status = 'todo' AND doing.status = 'doing'"""
_BUSY = """SELECT count(*) AS number FROM procrastinate_jobs WHERE status = 'doing'
    OR (status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now() + make_interval(secs => %(soon)s)))"""
_RENEW = """UPDATE procrastinate_workers SET last_heartbeat = now()
    WHERE id = %(worker)s AND last_heartbeat > now() - make_interval(secs => %(seconds)s) RETURNING id"""
_LIVE = """SELECT count(*) AS number FROM procrastinate_workers
    WHERE last_heartbeat > now() - make_interval(secs => %(seconds)s)"""
_SCHEMA_THERE = "SELECT to_regclass('procrastinate_jobs') IS NOT NULL AS there"
_INDEX = """CREATE INDEX IF NOT EXISTS moodle_appservice_jobs_lock ON procrastinate_jobs (lock)
    WHERE status IN ('todo', 'doing')"""


@dataclass(frozen=True, slots=True)
class Held:
    """A job in somebody's hands; `worker` None: of a process of which nothing is known any more."""

    id: int
    worker: int | None
    taken: Taken


class Jobs:
    """The jobs of one database. Everything raises `TemporaryFailure` when the database can't be used now."""

    def __init__(self, address: str) -> None:
        connector = procrastinate.PsycopgConnector(
            pool_factory=_pool,
            conninfo=address,
            min_size=1,
            max_size=CONNECTIONS,
            configure=_configure,
        )
        self._app = procrastinate.App(connector=connector)
        self._connector = connector
        self._manager = self._app.job_manager

    async def open(self) -> None:
        """Connect, and make procrastinate's tables where they are missing; others must not do so at the same time.

        Raises `Unreachable`.
        """
        try:
            await self._app.open_async()
            row = await self._connector.execute_query_one_async(_SCHEMA_THERE)
            if not row["there"]:
                await self._app.schema_manager.apply_schema_async()
            await self._connector.execute_query_async(_INDEX)
        except exceptions.ConnectorException as error:
            await self.close()
            raise Unreachable(
                f"The queue in PostgreSQL can't be opened ({error}). Nothing was started."
            ) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._app.close_async()

    async def register(self) -> int:
        """A number for this process, with a heartbeat of now."""
        async with _usable():
            return int(await self._manager.register_worker())

    async def unregister(self, worker: int) -> None:
        """The process is no more."""
        async with _usable():
            await self._manager.unregister_worker(worker)

    async def renew(self, worker: int, *, seconds: float) -> bool:
        """Beat once more; False where the last beat is so long ago that others take this process for dead."""
        async with _usable():
            rows = await self._connector.execute_query_all_async(_RENEW, worker=worker, seconds=seconds)
            return bool(rows)

    async def live(self, *, seconds: float) -> int:
        """How many processes are there."""
        async with _usable():
            return int((await self._connector.execute_query_one_async(_LIVE, seconds=seconds))["number"])

    async def stalled(self, *, seconds: float) -> list[Held]:
        """Jobs in the hands of processes that have not beaten for so long."""
        async with _usable():
            found = await self._manager.get_stalled_jobs(seconds_since_heartbeat=seconds)
            return [_held(job) for job in found]

    async def prune(self, *, seconds: float) -> None:
        """Forget processes that are long gone."""
        async with _usable():
            await self._manager.prune_stalled_workers(seconds)

    async def add(self, key: Key, *, priority: Priority, signal: str, at: datetime | None) -> None:
        """A new job, or a signal for the one that waits already."""
        async with _usable():
            while True:
                joined = await self._connector.execute_query_all_async(
                    _JOIN,
                    key=str(key),
                    signals=json.dumps([signal]),
                    priority=-priority,
                    waits=priority is Priority.WAITING_PERSON,
                    at=at,
                )
                if joined:
                    return
                try:
                    await self._manager.defer_job_async(_job(key, priority, signal, at))
                except exceptions.AlreadyEnqueued:
                    continue
                return

    async def fetch(self, kinds: Collection[str], worker: int) -> Held | None:
        """The next job that is due, now in our hands."""
        async with _usable():
            job = await self._manager.fetch_job(list(kinds), worker)
            return None if job is None else _held(job)

    async def end(self, held: Held) -> bool:
        """Done; False where the job was not ours any more."""
        async with _usable():
            rows = await self._connector.execute_query_all_async(_END, id=held.id, worker=held.worker)
            return bool(rows)

    async def give_back(self, held: Held, *, at: datetime | None, attempts: int) -> bool:
        """To be looked at again, together with what has come meanwhile; False where it was not ours any more."""
        taken = held.taken
        async with _usable():
            while True:
                again = await self._connector.execute_query_all_async(
                    _JOIN_AGAIN,
                    key=str(taken.key),
                    signals=json.dumps(sorted(taken.signals)),
                    priority=-taken.priority,
                    waiting=-Priority.WAITING_PERSON,
                    attempts=attempts,
                    at=at,
                )
                if again:
                    return await self.end(held)
                try:
                    rows = await self._connector.execute_query_all_async(
                        _RETRY, id=held.id, worker=held.worker, at=at
                    )
                except exceptions.UniqueViolation:
                    # A signal has come between the two statements.
                    continue
                if rows:
                    await self._connector.execute_query_all_async(_ATTEMPTS, id=held.id, attempts=attempts)
                return bool(rows)

    async def depth(self) -> int:
        """How many keys are due, are tried again later, or run."""
        async with _usable():
            return int((await self._connector.execute_query_one_async(_DEPTH))["number"])

    async def oldest(self) -> float:
        """For how many seconds the key that waits longest has been due."""
        async with _usable():
            return float((await self._connector.execute_query_one_async(_OLDEST))["seconds"])

    async def due(self) -> dict[str, Priority]:
        """For each kind of key: how urgent the most urgent of those is whose time has come."""
        async with _usable():
            rows = await self._connector.execute_query_all_async(_DUE)
            return {str(row["kind"]): Priority(-row["highest"]) for row in rows}

    async def again(self) -> frozenset[str]:
        """Keys in somebody's hands for which a signal has come."""
        async with _usable():
            rows = await self._connector.execute_query_all_async(_AGAIN)
            return frozenset(str(row["key"]) for row in rows)

    async def busy(self, *, soon: float) -> int:
        """How many are running, due, or due within so many seconds."""
        async with _usable():
            return int((await self._connector.execute_query_one_async(_BUSY, soon=soon))["number"])

    async def listen(self, heard: Callable[[], Awaitable[None]]) -> None:
        """Call `heard` for each job that was added by anybody; does not return."""

        async def notified(*, channel: str, notification: jobs.Notification) -> None:
            del channel, notification
            await heard()

        async with _usable():
            await self._manager.listen_for_jobs(on_notification=notified)

    @property
    def pool(self) -> AsyncConnectionPool:
        """The connections, for those who say more to the same database."""
        return self._connector.pool


async def _configure(connection: AsyncConnection) -> None:
    await connection.set_autocommit(True)
    # As long as PostgreSQL has not counted a table that fills all at once, it would look at every job that waits and
    # sort them, for each key anew. By the index of priorities the first one is enough.
    await connection.execute("SET enable_sort = off")


def _pool(**arguments: Any) -> AsyncConnectionPool:
    """Every statement is a transaction of its own, and a dead connection is found out by the statement itself."""
    return AsyncConnectionPool(**{**arguments, "check": None})


def when(unix: float) -> datetime | None:
    """A time for the database; None is at once."""
    return datetime.fromtimestamp(unix, UTC) if unix > 0 else None


def _job(key: Key, priority: Priority, signal: str, at: datetime | None) -> jobs.Job:
    return jobs.Job(
        queue=key.kind,
        priority=-priority,
        lock=str(key),
        queueing_lock=str(key),
        task_name=TASK,
        task_kwargs={"number": key.number, "signals": [signal]},
        scheduled_at=at,
    )


def _held(job: jobs.Job) -> Held:
    assert job.id is not None
    arguments: dict[str, Any] = dict(job.task_kwargs)
    signals: Iterable[str] = arguments["signals"]
    taken = Taken(
        Key(job.queue, int(arguments["number"])), Priority(-job.priority), job.attempts, frozenset(signals)
    )
    return Held(job.id, job.worker_id, taken)


@asynccontextmanager
async def _usable() -> AsyncIterator[None]:
    try:
        yield
    except exceptions.ConnectorException as error:
        raise TemporaryFailure(
            f"The queue in PostgreSQL can't be used now ({error}). It is tried again.", retry_after=5
        ) from error
