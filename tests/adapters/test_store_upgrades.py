"""Upgrades from every released version: what an old version has written is there and means the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from mautrix.util.async_db import Connection

from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.rules import Choice
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from moodle_appservice.store.schema import upgrades
from tests.adapters.schema_dumps import FOLDER, build, build_file, dump, schema_of
from tests.adapters.store_events import BOT

LATEST = len(upgrades.upgrades)
RELEASED = sorted(int(path.stem[1:]) for path in FOLDER.glob("v*.sql"))


async def check(db: Db) -> None:
    """That the rows of version 1 are there and mean what they meant."""
    books = Books(db, bot=BOT, prefix="!")
    row = await books.courses.get(CourseId(42))
    assert row is not None and row.choice == Choice(False, "@tess:uni.test", 5.0)
    assert await books.settings.get("baseline_course") == "41"
    found = (await books.people.look_up([MoodleUserId(8)]))[MoodleUserId(8)]
    assert found.resolution.matrix_id == "@sam:uni.test"
    assert await books.courses.courses_of(MoodleUserId(8)) == {42: {"student"}}
    assert (await books.ledger.read(RoomId("!r"))).places == {"@sam:uni.test"}
    (held,) = await books.journal.held()
    assert (held.course_id, held.room_id) == (CourseId(42), RoomId("!r"))
    assert held.users == {UserId("@sam:uni.test")}
    room = await books.mirror.room(RoomId("!r"))
    assert room is not None and set(room.members) == {"@sam:uni.test"}
    (line,) = await books.journal.audit()
    assert (line.person, line.kind, line.course_id) == (8, "Invite", 42)
    assert await books.journal.message("$c:answer") == "$a"


def test_there_is_a_dump_of_every_released_version() -> None:
    assert len(RELEASED) >= 6 and list(range(1, max(RELEASED) + 1)) == RELEASED
    assert max(RELEASED) <= LATEST


@pytest.mark.parametrize("version", RELEASED)
async def test_a_released_upgrade_still_makes_what_it_made(tmp_path: Path, version: int) -> None:
    await build_file(tmp_path / "now.db", version)
    assert dump(tmp_path / "now.db") == (FOLDER / f"v{version}.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", RELEASED)
async def test_a_database_of_each_released_version_is_upgraded_and_keeps_everything(
    tmp_path: Path, version: int
) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    connection.executescript((FOLDER / f"v{version}.sql").read_text(encoding="utf-8"))
    connection.close()
    old, fresh = Db(f"sqlite:{tmp_path / 'old.db'}"), Db(f"sqlite:{tmp_path / 'fresh.db'}")
    for db in (old, fresh):
        await db.start()
    await check(old)
    assert await old.transaction(schema_of) == await fresh.transaction(schema_of)
    for db in (old, fresh):
        await db.stop()


@pytest.mark.parametrize("version", range(1, LATEST + 1))
async def test_either_engine_upgrades_from_each_version(fresh_url: str, version: int) -> None:
    """Runs on PostgreSQL too, see `live/test_store_postgres`."""
    db = Db(fresh_url)
    await db.start()
    wanted = await db.transaction(schema_of)

    async def back(connection: Connection) -> None:
        for table in wanted:
            await connection.execute(f"DROP TABLE {table}")
        await build(connection, version)

    await db.transaction(back)
    await db.stop()
    again = Db(fresh_url)
    await again.start()
    try:
        await check(again)
        assert await again.transaction(schema_of) == wanted
    finally:
        await again.stop()
