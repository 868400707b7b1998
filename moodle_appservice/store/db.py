"""One database, two engines, and the two rules that keep it whole.

Every transaction runs in a task of its own under `asyncio.shield`: a caller that is cancelled (a stop, a time-out)
must not leave SQLite's only connection inside an open transaction. And one service owns a database: a lock file
beside SQLite, an advisory lock on a connection of its own on PostgreSQL; it also covers schema upgrades. The processes
of a cluster own theirs together, against any that does not belong to it; only one of them at a time makes tables.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from mautrix.util.async_db import Connection, Database
from yarl import URL

from ..errors import AppError, PermanentFailure, Refused, TemporaryFailure, Unreachable
from .schema import upgrades
from .sqlite import OneTripDatabase

T = TypeVar("T")
Row = Any
LOCK_NUMBER = 0x6D6F6F64
"""The advisory lock on PostgreSQL: the same number in every process that shares a database."""
TABLES_NUMBER = LOCK_NUMBER + 1
"""The advisory lock of whoever makes or changes tables."""
_OUT_OF_ORDER = (
    OSError,
    sqlite3.OperationalError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    # Two transactions have waited for each other.
    asyncpg.TransactionRollbackError,
    # The driver lost track of a connection; the next one is a new one.
    asyncpg.InternalClientError,
)
CHUNK = 400
"""Values in one IN list: SQLite's oldest limit is 999 variables."""


class Db:
    """A started database. `url`: `sqlite:<path>` or `postgres://…`, as in the configuration.

    `shared`: other processes of our cluster use it too; `make_tables` is called after our own tables are there, by one
    process at a time.
    """

    def __init__(
        self, url: str, *, shared: bool = False, make_tables: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._url = url
        self._shared = shared
        self._make_tables = make_tables
        self._is_sqlite = url.startswith("sqlite")
        # mautrix would end the whole process when the driver has lost track of one connection.
        pool = {"min_size": 1, "max_size": 5, "meow_exit_on_ice": False, "reset": _leave_as_it_is}
        arguments: dict[str, Any] = {} if self._is_sqlite else pool
        make = OneTripDatabase if self._is_sqlite else Database.create
        self._database: Database = make(URL(url), upgrade_table=upgrades, db_args=arguments)
        self._lock_file: int | None = None
        self._lock_connection: Any = None
        self._one_takes_it = asyncio.Lock()

    async def start(self) -> None:
        """Take the lock, connect, upgrade the schema.

        Raises `Refused` when another process owns the database, `Unreachable` when it can't be opened,
        `PermanentFailure` when a newer version of this program has written it.
        """
        await self._take_lock()
        try:
            async with self._only_one():
                await self._database.start()
                if self._make_tables is not None:
                    await self._make_tables()
        except AppError:
            await self.stop()
            raise
        except Exception as error:
            await self.stop()
            if type(error).__name__ == "UnsupportedDatabaseVersion":
                raise PermanentFailure(
                    "The database was written by a newer version of this program. Nothing was changed. "
                    "Install that version again, or restore a backup made by this one."
                ) from None
            raise Unreachable(
                f"The database can't be opened ({type(error).__name__}). Nothing was changed."
            ) from error

    @property
    def is_sqlite(self) -> bool:
        """Which of the two engines it is."""
        return self._is_sqlite

    async def stop(self) -> None:
        """Close all connections, then give the lock back."""
        await self._database.stop()
        await self._give_lock()

    async def transaction(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in one transaction, to its end even when the caller is cancelled.

        It waits for nothing but its connection: on SQLite all of it runs in the thread of the database (`sqlite`).
        """

        # Any: mautrix's annotation of `transaction` is not that of a context manager.
        async def inside(connection: Any) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self._to_its_end(inside)

    async def fetch(self, query: str, *values: Any) -> Sequence[Row]:
        """All rows of one query that reads: it needs no transaction."""
        return await self._to_its_end(lambda connection: connection.fetch(query, *values))

    async def fetch_one(self, query: str, *values: Any) -> Row | None:
        """The first row of one query that reads, or None."""
        return await self._to_its_end(lambda connection: connection.fetchrow(query, *values))

    async def execute(self, query: str, *values: Any) -> None:
        """One statement, which is a transaction of its own."""
        await self._to_its_end(lambda connection: connection.execute(query, *values))

    async def fetch_in(self, query: str, values: Iterable[Any], *first: Any) -> list[Row]:
        """Rows of a query with `{in}` for a list of values, in chunks; `first` are the parameters $1… before it."""
        wanted = list(values)

        async def work(connection: Connection) -> list[Row]:
            return await fetch_in(connection, query, wanted, *first)

        if not wanted:
            return []
        # One query needs no transaction; several must see the same state.
        return await (self._to_its_end(work) if len(wanted) <= CHUNK else self.transaction(work))

    async def _to_its_end(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def run() -> T:
            connection: Connection
            await self._keep_lock()
            try:
                if isinstance(self._database, OneTripDatabase):
                    return await self._database.in_its_thread(work)
                async with self._database.acquire() as connection:
                    return await work(connection)
            except (*_OUT_OF_ORDER, asyncpg.InterfaceError) as error:
                if isinstance(error, asyncpg.InterfaceError) and "closed" not in str(error):
                    # A call that the driver refuses is a bug of ours.
                    raise
                raise TemporaryFailure(
                    f"The database can't be used now ({error}). What it did not take is done again later. "
                    "Check that it runs, the space on its disk, and that it may be written.",
                    retry_after=30,
                ) from error

        task = asyncio.create_task(run())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Wait for the end of the transaction, whatever it is, then be cancelled.
            await asyncio.wait([task])
            raise

    async def _keep_lock(self) -> None:
        """A PostgreSQL that was restarted has forgotten whose it is: take it again, or find that it is another's now.

        Raises what taking it raises; then nothing is read or written.
        """
        if self._is_sqlite or (self._lock_connection is not None and not self._lock_connection.is_closed()):
            return
        async with self._one_takes_it:
            if self._lock_connection is None or self._lock_connection.is_closed():
                self._lock_connection = None
                await self._take_lock()

    async def _take_lock(self) -> None:
        if self._is_sqlite:
            self._lock_sqlite()
            return
        try:
            self._lock_connection = await asyncpg.connect(self._url)
            how = "pg_try_advisory_lock_shared" if self._shared else "pg_try_advisory_lock"
            taken = await self._lock_connection.fetchval(f"SELECT {how}($1)", LOCK_NUMBER)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unreachable(
                f"PostgreSQL does not answer ({type(error).__name__}). Nothing was changed. "
                "Check the address, the name and the password in `database`."
            ) from None
        if not taken:
            await self._give_lock()
            raise Refused(_ALREADY_OWNED)

    @asynccontextmanager
    async def _only_one(self) -> AsyncIterator[None]:
        """Two that make the same tables at once would both fail half-way."""
        if self._lock_connection is None:
            yield
            return
        await self._lock_connection.execute("SELECT pg_advisory_lock($1)", TABLES_NUMBER)
        try:
            yield
        finally:
            if self._lock_connection is not None:
                await self._lock_connection.execute("SELECT pg_advisory_unlock($1)", TABLES_NUMBER)

    def _lock_sqlite(self) -> None:
        database = URL(self._url).path
        path = f"{database}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if database != ":memory:":
                # Names and messages of people are in it: SQLite would let everybody on the machine read them.
                os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise Unreachable(
                f"The database's folder can't be written ({error.strerror}: {os.path.dirname(path)}). "
                "Nothing was changed."
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Refused(_ALREADY_OWNED) from None
        self._lock_file = descriptor

    async def _give_lock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
        if self._lock_connection is not None:
            await self._lock_connection.close()
            self._lock_connection = None


_ALREADY_OWNED = (
    "Another process of this service uses the same database. This one has stopped and changed nothing. "
    "Stop the other one first, or use its control socket (`moodle-appservice sync` does that by itself). "
    "Several may share a database on PostgreSQL when all of them have `cluster.enabled` on."
)


async def _leave_as_it_is(connection: Any) -> None:
    """Instead of a trip to the server after each use: nothing here changes a setting or a lock of a pooled connection.

    An open transaction is rolled back before this all the same.
    """


def in_order(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows to write, by their key, which comes first: of two that lock the same rows, one waits for the other.

    In different orders both could hold what the other waits for, and PostgreSQL would end one of them.
    """
    return sorted(rows, key=lambda row: row[0])


async def fetch_in(connection: Connection, query: str, values: Sequence[Any], *first: Any) -> list[Row]:
    """Rows of a query with `{in}` for a list of values, in chunks, inside a running transaction."""
    rows: list[Row] = []
    for start in range(0, len(values), CHUNK):
        chunk = _rounded_up(values[start : start + CHUNK])
        marks = ", ".join(f"${len(first) + number}" for number in range(1, len(chunk) + 1))
        rows.extend(await connection.fetch(query.replace("{in}", marks), *first, *chunk))
    return rows


def _rounded_up(values: Sequence[Any]) -> Sequence[Any]:
    """Up to the next power of two by naming the last one again: each length is a statement that is prepared anew."""
    length = min(1 << (len(values) - 1).bit_length(), CHUNK)
    return [*values, *([values[-1]] * (length - len(values)))]


def to_json(value: object) -> str:
    """JSON text for a column: sorted keys, no blanks, ASCII, so that no engine stumbles over a NUL or half a letter."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
