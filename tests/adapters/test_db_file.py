"""The SQLite file: what it holds about people is for the service's own account only."""

from __future__ import annotations

import stat
from pathlib import Path

from moodle_appservice.store.db import Db


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
