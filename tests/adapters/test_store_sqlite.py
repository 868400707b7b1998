"""What is SQLite's alone: the lock beside its file, and files that can't be opened."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from moodle_appservice.errors import Refused, Unreachable
from moodle_appservice.store.db import Db
from tests.adapters.store_events import connections_left_open

OWNER = """
import asyncio, sys
from moodle_appservice.store.db import Db

async def own():
    db = Db(sys.argv[1])
    await db.start()
    print("owned", flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""


async def test_another_process_keeps_the_database_for_itself_until_it_is_dead(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'store.db'}"
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert owner.stdout is not None
        assert await owner.stdout.readline() == b"owned\n"
        with pytest.raises(Refused, match="This one has stopped and changed nothing"):
            await Db(url).start()
    finally:
        owner.kill()
        await owner.wait()
    db = Db(url)
    await db.start()
    await db.execute("INSERT INTO setting (name, value) VALUES ('a', 'b')")
    await db.stop()


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"folder can't be written .*nowhere.*Nothing was changed"):
        await Db(f"sqlite:{tmp_path / 'nowhere' / 'store.db'}").start()


async def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("This is a letter, and not a database." * 100)
    text = path.read_bytes()
    before = set(threading.enumerate())
    for _ in range(2):
        with pytest.raises(Unreachable, match="The database can't be opened"):
            await Db(f"sqlite:{path}").start()
    assert path.read_bytes() == text
    assert connections_left_open(before) == []


async def test_stopping_a_database_that_was_never_started_is_fine(tmp_path: Path) -> None:
    await Db(f"sqlite:{tmp_path / 'store.db'}").stop()
