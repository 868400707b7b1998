"""Dumps of the database as each released version left it, in `tests/fixtures/schemas`: version by version, with rows.

`python -m tests.adapters.schema_dumps NUMBER` writes the dumps up to that version where there are none: do that once
when a version is released. A dump that exists is never written again: it is what that version has made.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from mautrix.util.async_db import Connection, Database, Scheme
from yarl import URL

from moodle_appservice.store.schema import upgrades

FOLDER = Path(__file__).parents[1] / "fixtures" / "schemas"
VERSION = "moodle_appservice_version"
_KEY = re.compile(r"\b[0-9a-f]{32}\b")
"""Random keys of people in the audit log: all the same in a dump."""
SEEDS = (
    "INSERT INTO setting (name, value) VALUES ('baseline_course', '41'), ('site', 'uni')",
    "INSERT INTO course (id, shortname, is_on, reason, choice_on, choice_by, choice_at) "
    "VALUES (42, 'M1', 0, 'Off by a teacher.', 0, '@tess:uni.test', 5.0)",
    "INSERT INTO enrolment (course_id, moodle_id, roles) VALUES (42, 8, 'student')",
    "INSERT INTO person (moodle_id, full_name, language, matrix_id, trust, reason, fingerprint, checked_at) "
    "VALUES (8, 'Sam', 'de', '@sam:uni.test', 'derived', '', 'x', 5.0)",
    "INSERT INTO room (room_id, kind, course_id, name_written, created_at) VALUES ('!r', 'course', 42, 'M1', 5.0)",
    "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at) VALUES ('!r', '@sam:uni.test', 8, 5.0)",
    "INSERT INTO mirror_room (room_id, version, creator, marker_site, marker_course, marker_generation, marker_sender) "
    "VALUES ('!r', '12', '@bot:uni.test', 'uni', 42, 1, '@bot:uni.test')",
    "INSERT INTO mirror_member (room_id, user_id, membership, sender, event_id, sent_at, change) "
    "VALUES ('!r', '@sam:uni.test', 'join', '@sam:uni.test', '$j', 5000, 1)",
    "INSERT INTO hold (course_id, room_id, users, reason, since) "
    "VALUES (42, '!r', '[\"@sam:uni.test\"]', 'Many.', 5.0)",
    "INSERT INTO message (message_key, event_id) VALUES ('$c:answer', '$a')",
    "INSERT INTO audit (number, at, course_id, room_id, matrix_id, kind, why, signal, result, reference) "
    "VALUES (1, 5.0, 42, '!r', '@sam:uni.test', 'Invite', 'Enrolled.', 'pass', 'done', '')",
)
"""Rows as version 1 wrote them."""


async def build(connection: Connection, version: int) -> None:
    """Tables as this version has them, with rows that version 1 wrote and the later ones upgraded."""
    await connection.execute(f"CREATE TABLE {VERSION} (version INTEGER PRIMARY KEY)")
    for number, upgrade in enumerate(upgrades.upgrades[:version], start=1):
        await upgrade(connection, connection.scheme)
        if number == 1:
            for seed in SEEDS:
                await connection.execute(seed)
    await connection.execute(f"INSERT INTO {VERSION} (version) VALUES ({version})")


async def schema_of(connection: Connection) -> dict[str, list[str]]:
    """Table → its columns with their types, in alphabetical order."""
    if connection.scheme == Scheme.SQLITE:
        tables = await connection.fetch(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        found = {}
        for table in sorted(row["name"] for row in tables):
            columns = await connection.fetch(f"SELECT name, type FROM pragma_table_info('{table}')")
            found[table] = sorted(f"{row['name']} {row['type']}" for row in columns)
        return found
    rows: list[Any] = await connection.fetch(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
    )
    listed: dict[str, list[str]] = {}
    for row in rows:
        listed.setdefault(row["table_name"], []).append(f"{row['column_name']} {row['data_type'].upper()}")
    return {table: sorted(columns) for table, columns in listed.items()}


async def build_file(path: Path, version: int) -> None:
    """The same as a file of SQLite."""
    database = Database.create(URL(f"sqlite:{path}"))
    await database.start()
    connection: Any
    async with database.acquire() as connection, connection.transaction():
        await build(connection, version)
    await database.stop()


def dump(path: Path) -> str:
    """A file of SQLite as SQL."""
    connection = sqlite3.connect(path)
    try:
        return _KEY.sub("0" * 32, "\n".join(connection.iterdump()) + "\n")
    finally:
        connection.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for version in range(1, int(sys.argv[1]) + 1):
            target = FOLDER / f"v{version}.sql"
            if not target.exists():
                path = Path(folder) / f"{version}.db"
                asyncio.run(build_file(path, version))
                target.write_text(dump(path), encoding="utf-8")


if __name__ == "__main__":
    main()
