"""SQLite with one trip to its thread per transaction.

aiosqlite keeps the database in a thread of its own and sends every step there by itself: execute, fetch, close the
cursor. For small statements the way there and back costs more than the statement, the more so on a busy machine, where
each trip waits for its turn twice. So the whole of what is asked of the database at once goes there: a transaction is a
coroutine that waits for nothing but its connection, and with a connection that answers on the spot it runs in that
thread from its begin to its commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar

from mautrix.util.async_db import Connection
from mautrix.util.async_db.aiosqlite import POSITIONAL_PARAM_PATTERN, SQLiteDatabase

T = TypeVar("T")


@lru_cache(maxsize=1024)
def _for_sqlite(query: str) -> str:
    """As mautrix does: $1 is PostgreSQL's way to write SQLite's ?1."""
    return POSITIONAL_PARAM_PATTERN.sub(r"?\1", query)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class OnTheSpot:
    """What mautrix's `Connection` asks, for the thread of the database alone: it has the answer when it returns.

    Time limits are taken and ignored, as in mautrix's own.
    """

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    @property
    def total_changes(self) -> int:
        """Rows that were written since the connection was opened."""
        return self._raw.total_changes

    async def execute(self, query: str, *values: Any, **_: Any) -> None:
        """One statement, to its end."""
        self._all(query, values)

    async def executemany(self, query: str, rows: Iterable[Sequence[Any]], **_: Any) -> None:
        """One statement for each of these rows."""
        self._raw.executemany(_for_sqlite(query), rows)

    async def fetch(self, query: str, *values: Any, **_: Any) -> list[Any]:
        """All rows."""
        return self._all(query, values)

    async def fetchrow(self, query: str, *values: Any, **_: Any) -> Any:
        """The first row, or None."""
        rows = self._all(query, values)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *values: Any, column: int = 0, **_: Any) -> Any:
        """One value of the first row, or None."""
        rows = self._all(query, values)
        return rows[0][column] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All or nothing."""
        self._raw.execute("BEGIN")
        try:
            yield
            self._raw.execute("COMMIT")
        finally:
            # SQLite ends some by itself, such as one that finds the disk full.
            if self._raw.in_transaction:
                self._raw.rollback()

    def _all(self, query: str, values: Sequence[Any]) -> list[Any]:
        return self._raw.execute(_for_sqlite(query), values).fetchall()


class OneTripDatabase(SQLiteDatabase):
    """mautrix's pool of one connection, to whose thread whole pieces of work go."""

    async def start(self) -> None:
        """Connect, upgrade, and only then set up the connection.

        mautrix loses a connection whose first statement fails, and the thread behind it would keep a process that has
        ended alive. Here the connection is in the pool by then, from which `stop` closes it.
        """
        commands, self._init_commands = self._init_commands, []
        await super().start()
        async with self.acquire_direct() as connection:
            # SQLite's own knows the letters from A to Z; PostgreSQL's, and Python's, knows all.
            await connection.wrapped.create_function("LOWER", 1, _lower, deterministic=True)
            for command in commands:
                await connection.execute(command)

    async def in_its_thread(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` to its end in the thread of the database, whatever becomes of the caller.

        `work` waits for nothing but its connection. Raises what `work` raises.
        """
        async with self.acquire_direct() as connection:
            # Any: what runs a function there is what all of aiosqlite's own steps are made of.
            wrapped: Any = connection.wrapped
            answer: T = await wrapped._execute(self._run, wrapped, work)
            return answer

    def _run(self, wrapped: Any, work: Callable[[Connection], Awaitable[T]]) -> T:
        steps = work(Connection(self.scheme, OnTheSpot(wrapped._conn), self.log)).__await__()
        try:
            next(steps)
            # What it has begun is rolled back.
            steps.throw(AssertionError("work for the database waits for something else"))
        except StopIteration as end:
            answer: T = end.value
            return answer
        steps.close()
        raise AssertionError("work for the database waits again for something else")
