"""SQLite with one trip to its thread per statement.

aiosqlite keeps the database in a thread of its own and sends every step there by itself: execute, fetch, close the
cursor. For small statements the way there and back costs more than the statement, the more so on a busy machine, where
each trip waits for its turn twice. mautrix's database gives out connections here that make one trip for all of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from mautrix.util.async_db import Connection
from mautrix.util.async_db.aiosqlite import POSITIONAL_PARAM_PATTERN, SQLiteDatabase, TxnConnection


@lru_cache(maxsize=1024)
def _for_sqlite(query: str) -> str:
    """As mautrix does: $1 is PostgreSQL's way to write SQLite's ?1."""
    return POSITIONAL_PARAM_PATTERN.sub(r"?\1", query)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class OneTripConnection:
    """A `TxnConnection` whose statements are done in one trip. Time limits are taken and ignored, as there."""

    def __init__(self, connection: TxnConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *values: Any, **_: Any) -> None:
        """One statement, to its end."""
        await self.fetch(query, *values)

    async def fetch(self, query: str, *values: Any, **_: Any) -> list[Any]:
        """All rows."""
        return list(await self._connection.execute_fetchall(_for_sqlite(query), values))

    async def fetchrow(self, query: str, *values: Any, **_: Any) -> Any:
        """The first row, or None."""
        rows = await self.fetch(query, *values)
        return rows[0] if rows else None

    async def fetchval(self, query: str, *values: Any, column: int = 0, **_: Any) -> Any:
        """One value of the first row, or None."""
        row = await self.fetchrow(query, *values)
        return None if row is None else row[column]


class OneTripDatabase(SQLiteDatabase):
    """mautrix's pool, with such connections."""

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

    @asynccontextmanager
    async def acquire_direct(self) -> AsyncIterator[Connection]:
        """One connection, for as long as it is needed."""
        async with super().acquire_direct() as connection:
            yield Connection(self.scheme, OneTripConnection(connection.wrapped), self.log)
