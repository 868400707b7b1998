"""SQLite alone: its file is for the service's own account only, and what is asked of it is done in its thread."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from mautrix.util.async_db import Connection

from moodle_appservice.store.db import Db
from tests.adapters.test_store_db import opens, put, stored


async def test_nobody_else_on_the_machine_can_read_the_database(tmp_path: Path) -> None:
    path = tmp_path / "data base.db"
    db = Db(f"sqlite:{str(path).replace(' ', '%20')}")
    await db.start()
    await db.execute("INSERT INTO setting (name, value) VALUES ($1, $2)", "a", "b")
    files = list(tmp_path.iterdir())
    await db.stop()
    assert path in files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files if file.exists()} == {0o600}


async def test_a_database_that_is_there_is_kept(tmp_path: Path) -> None:
    for value in ("first", None):
        db = Db(f"sqlite:{tmp_path / 'x.db'}")
        await db.start()
        if value:
            await db.execute("INSERT INTO setting (name, value) VALUES ($1, $2)", "a", value)
        row = await db.fetch_one("SELECT value FROM setting WHERE name = $1", "a")
        await db.stop()
        assert row is not None and row["value"] == "first"


async def test_the_service_goes_on_with_other_things_while_the_database_is_at_work(db: Db) -> None:
    went_on = threading.Event()

    async def work(connection: Connection) -> bool:
        await put(connection, "first")
        return opens(went_on)

    asyncio.get_running_loop().call_soon(went_on.set)
    assert await db.transaction(work)


async def something_else(_: Connection) -> None:
    await asyncio.sleep(0)


async def something_else_that_goes_on(_: Connection) -> None:
    with pytest.raises(AssertionError, match="waits for something else"):
        await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("waits", "told"),
    [(something_else, "waits for something else"), (something_else_that_goes_on, "waits again")],
)
async def test_work_that_waits_for_something_else_than_the_database_is_an_error_and_leaves_no_trace(
    db: Db, waits: Callable[[Connection], Awaitable[None]], told: str
) -> None:
    async def work(connection: Connection) -> None:
        await put(connection, "first")
        await waits(connection)

    with pytest.raises(AssertionError, match=told):
        await db.transaction(work)
    assert await stored(db) == {}
    await db.transaction(lambda connection: put(connection, "second"))
    assert await stored(db) == {"second": "second"}
