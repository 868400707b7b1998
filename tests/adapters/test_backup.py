"""Backups: everything but the mirror comes back, whole; half a file changes nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.domain.linking import Link
from moodle_appservice.domain.model import CourseId, MoodleUserId, Resolution, Trust
from moodle_appservice.domain.rules import Choice
from moodle_appservice.engine.gate import BASELINE
from moodle_appservice.engine.site import SITE_NAME
from moodle_appservice.errors import PermanentFailure, Refused
from moodle_appservice.ports import CourseRow, Pause
from moodle_appservice.store import backup
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from moodle_appservice.store.schema import upgrades
from tests.adapters.store_events import BOT, SAM, create, done, invite
from tests.domain.values import person

NOW = 5_000.0


async def fill(books: Books) -> None:
    """What must not be lost: links, overrides, baselines, places, the log."""
    await books.settings.set(SITE_NAME, "uni")
    await books.settings.set(BASELINE, "41")
    await books.people.save(person(8), Resolution(MoodleUserId(8), SAM, Trust.PROVEN), at=NOW)
    await books.links.save(Link(MoodleUserId(8), SAM, NOW, NOW, None), now=NOW)
    choice = Choice(False, "@tess:uni.test", NOW)
    await books.courses.save(
        [CourseRow(CourseId(42), "Größe “x” \u202e", False, "Off by a teacher.", choice)]
    )
    await books.ledger.record(done(create()))
    await books.ledger.record(done(invite()))
    await books.pauses.add(Pause(CourseId(42), NOW, "a", "b"))


async def contents(db: Db) -> dict[str, list[dict[str, Any]]]:
    tables = await db.transaction(backup.tables_of)
    return {
        table: sorted((dict(row) for row in await db.fetch(f"SELECT * FROM {table}")), key=repr)
        for table in tables
        if table not in backup.MIRROR
    }


async def test_what_was_saved_comes_back_whole(db: Db, books: Books, fresh_url: str, tmp_path: Path) -> None:
    await fill(books)
    path = tmp_path / "backup.gz"
    made = await backup.save(db, path, at=NOW)
    assert (made.site, made.schema, path.stat().st_mode & 0o777) == ("uni", len(upgrades.upgrades), 0o600)
    other = Db(fresh_url)
    await other.start()
    assert (await backup.load(other, path, site="uni", replace=False)).rows == made.rows
    await other.stop()
    again = Db(fresh_url)
    await again.start()
    assert await contents(again) == await contents(db)
    row = await Books(again, bot=BOT, prefix="!").courses.get(CourseId(42))
    assert row is not None and row.choice == Choice(False, "@tess:uni.test", NOW)
    await again.stop()


async def test_nobody_looks_at_an_old_picture_of_the_rooms_after_a_restore(
    db: Db, books: Books, fresh_url: str, tmp_path: Path
) -> None:
    await fill(books)
    room_id = (await db.fetch("SELECT room_id FROM room"))[0]["room_id"]
    await backup.save(db, tmp_path / "b.gz", at=NOW)
    other = Db(fresh_url)
    await other.start()
    await backup.load(other, tmp_path / "b.gz", site="uni", replace=False)
    restored = Books(other, bot=BOT, prefix="!")
    assert await restored.mirror.is_stale(room_id) and await restored.mirror.room(room_id) is None
    await other.stop()


async def test_a_file_that_is_there_is_never_overwritten(db: Db, tmp_path: Path) -> None:
    path = tmp_path / "backup.gz"
    path.write_text("mine")
    with pytest.raises(Refused, match="exists already and was left as it is"):
        await backup.save(db, path, at=NOW)
    assert path.read_text() == "mine"
    with pytest.raises(PermanentFailure, match="can't be written"):
        await backup.save(db, tmp_path / "none" / "backup.gz", at=NOW)


async def test_a_database_in_use_another_site_and_a_newer_version_are_refused(
    db: Db, books: Books, tmp_path: Path
) -> None:
    await fill(books)
    path = tmp_path / "b.gz"
    await backup.save(db, path, at=NOW)
    before = await contents(db)
    with pytest.raises(Refused, match=r"The database is not empty: \w+ holds rows"):
        await backup.load(db, path, site="uni", replace=False)
    with pytest.raises(Refused, match="is of the site uni, and the configuration says other"):
        await backup.load(db, path, site="other", replace=True)
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    head = {**json.loads(lines[0]), "schema": 1000}
    newer = tmp_path / "newer.gz"
    newer.write_bytes(gzip.compress("".join([json.dumps(head) + "\n", *lines[1:]]).encode()))
    with pytest.raises(Refused, match="made by a newer version"):
        await backup.load(db, newer, site="uni", replace=True)
    assert await contents(db) == before
    await backup.load(db, path, site="uni", replace=True)
    assert await contents(db) == before


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _without_end(data: bytes) -> bytes:
    return gzip.compress(b"".join(gzip.decompress(data).splitlines(keepends=True)[:-1]))


def _changed(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data).replace(b"Off by a teacher.", b"On by a hacker..."))


def _foreign_table(data: bytes) -> bytes:
    lines = gzip.decompress(data).splitlines(keepends=True)
    return gzip.compress(b"".join([lines[0], b'["sqlite_master", {"name": "x"}]\n', *lines[1:]]))


def _bad_column(data: bytes) -> bytes:
    lines = gzip.decompress(data).splitlines(keepends=True)
    return gzip.compress(b"".join([lines[0], b'["setting", {"name) VALUES (1); --": "x"}]\n', *lines[1:]]))


@pytest.mark.parametrize(
    "damage", [_cut, _without_end, _changed, _foreign_table, _bad_column, lambda _: b"", lambda _: b"text"]
)
async def test_a_damaged_file_changes_nothing(db: Db, books: Books, tmp_path: Path, damage: Any) -> None:
    await fill(books)
    path = tmp_path / "b.gz"
    await backup.save(db, path, at=NOW)
    before = await contents(db)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(PermanentFailure, match=r"Nothing was changed\."):
        await backup.load(db, path, site="uni", replace=True)
    assert await contents(db) == before
