"""Backups that either engine can restore: every row of our tables as a line of JSON, gzipped, with a seal at its end.

The first line says which schema the rows are of, and of which site. The last one counts the rows and holds a hash over
all lines before it, so half a file is no backup. Rows are read in one snapshot. The mirror is left out: what the rooms
look like the homeserver knows better, and after a restore every room is read again before anything is written to it.

Restoring makes the tables anew in the schema of the backup, fills them, and lets the next start upgrade them. All of it
is one transaction: where anything is wrong, the database stays as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mautrix.util.async_db import Connection, Scheme

from ..errors import PermanentFailure, Refused
from .db import Db, to_json
from .schema import upgrades

FORMAT = 1
KIND = "moodle-appservice backup"
MIRROR = frozenset({"mirror_room", "mirror_state", "mirror_member"})
VERSION = "moodle_appservice_version"
CHUNK = 1000
IN_USE = frozenset({"person", "course", "room", "link", "exclusion"})
SITE = "site"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file holds: `schema` its version, `site` the short name of the site, `rows` how many, `made_at` when."""

    schema: int
    site: str
    rows: int
    made_at: float

    def sentence(self, path: Path) -> str:
        """What was saved, for whoever asked for it."""
        return (
            f"{self.rows} rows are saved in {path}. It holds names and secrets: only its owner may read it."
        )


async def save(db: Db, path: Path, *, at: float) -> Backup:
    """Write a new file with mode 0600. Raises `Refused` where there is one, `PermanentFailure` where it can't be."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(f"{path} exists already and was left as it is. Name another file.") from None
    except OSError as error:
        raise PermanentFailure(f"{path} can't be written ({error.strerror}). Nothing was saved.") from None
    try:
        with os.fdopen(descriptor, "wb") as raw, gzip.open(raw, "wt", encoding="utf-8") as file:
            made = await db.transaction(lambda connection: _save(connection, file, at))
            file.flush()
        _sync(path)
        return made
    except BaseException:
        os.unlink(path)
        raise


async def load(db: Db, path: Path, *, site: str, replace: bool) -> Backup:
    """Fill the database from a file; `replace`: whatever it holds now. Start it anew afterwards, for the upgrades.

    Raises `Refused` for a database that is not empty, a backup of another site or of a newer version,
    `PermanentFailure` for a file that is none or not whole. Then nothing was changed.
    """
    with _opened(path) as file:
        lines = iter(file)
        head, seal = _head(lines, path)
        if head.schema > len(upgrades.upgrades):
            raise Refused(
                f"{path} was made by a newer version of this program (schema {head.schema}; this one knows "
                f"{len(upgrades.upgrades)}). Nothing was changed. Install that version, or take an older backup."
            )
        if head.site and head.site != site:
            raise Refused(
                f"{path} is of the site {head.site}, and the configuration says {site}. Nothing was changed."
            )
        return await db.transaction(
            lambda connection: _load(connection, lines, (head, seal), path, replace=replace)
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Sealed:
    """Writes lines and remembers what it wrote."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.rows = -1

    def write(self, value: Any) -> None:
        line = to_json(value) + "\n"
        self._hash.update(line.encode())
        self._file.write(line)
        self.rows += 1

    def seal(self) -> None:
        self._file.write(to_json({"rows": self.rows, "sha256": self._hash.hexdigest()}) + "\n")


async def _save(connection: Connection, file: IO[str], at: float) -> Backup:
    if connection.scheme != Scheme.SQLITE:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    schema = int(await connection.fetchval(f"SELECT version FROM {VERSION}"))
    site = str(await connection.fetchval("SELECT value FROM setting WHERE name = $1", SITE) or "")
    out = _Sealed(file)
    out.write({"kind": KIND, "format": FORMAT, "schema": schema, "site": site, "made_at": at})
    for table in await tables_of(connection):
        if table not in MIRROR:
            async for row in _rows(connection, table):
                out.write([table, row])
    out.seal()
    return Backup(schema, site, out.rows, at)


async def _rows(connection: Connection, table: str) -> AsyncIterator[dict[str, Any]]:
    """All rows of a table, a chunk at a time."""
    if connection.scheme != Scheme.SQLITE:
        cursor: Any = connection.wrapped.cursor(f"SELECT * FROM {table}", prefetch=CHUNK)
        async for row in cursor:
            yield dict(row)
        return
    last = 0
    while rows := await connection.fetch(
        f"SELECT rowid AS row_number_of_sqlite, * FROM {table} WHERE rowid > $1 ORDER BY rowid LIMIT {CHUNK}",
        last,
    ):
        for row in rows:
            plain = dict(row)
            last = plain.pop("row_number_of_sqlite")
            yield plain


async def tables_of(connection: Connection) -> list[str]:
    """Our own tables: others may lie in the same database, such as those of the queue."""
    if connection.scheme == Scheme.SQLITE:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    else:
        query = (
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()"
        )
    names = {row["name"] for row in await connection.fetch(query)}
    return sorted(name for name in names if name != VERSION and not name.startswith("procrastinate"))


def _opened(path: Path) -> IO[str]:
    try:
        return gzip.open(path, "rt", encoding="utf-8", newline="\n")
    except OSError as error:
        raise PermanentFailure(f"{path} can't be read ({error.strerror}). Nothing was changed.") from None


def _head(lines: Iterator[str], path: Path) -> tuple[Backup, Any]:
    """What the first line says, and the hash so far."""
    try:
        line = next(lines)
        found = json.loads(line)
        if found["kind"] != KIND or found["format"] != FORMAT:
            raise ValueError
        head = Backup(int(found["schema"]), str(found["site"]), 0, float(found["made_at"]))
    except (OSError, EOFError, StopIteration, ValueError, KeyError, TypeError):
        raise PermanentFailure(f"{path} is no backup of this program. Nothing was changed.") from None
    return head, hashlib.sha256(line.encode())


async def _load(
    connection: Connection, lines: Iterator[str], start: tuple[Backup, Any], path: Path, *, replace: bool
) -> Backup:
    head, seal = start
    tables = await tables_of(connection)
    if not replace and (found := await _filled(connection, tables)):
        raise Refused(
            f"The database is not empty: {found} holds rows. Nothing was changed. Restore into an empty one, or throw "
            "away what it holds with --replace."
        )
    await _make_anew(connection, tables, head.schema)
    known, rows = set(await tables_of(connection)), 0
    try:
        for line in lines:
            value = json.loads(line)
            if value == {"rows": rows, "sha256": seal.hexdigest()}:
                return Backup(head.schema, head.site, rows, head.made_at)
            table, row = value
            if table not in known:
                raise ValueError(table)
            await _insert(connection, table, row)
            seal.update(line.encode())
            rows += 1
    except (OSError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise PermanentFailure(
            f"{path} is damaged after {rows} rows ({type(error).__name__}). Nothing was changed."
        ) from None
    raise PermanentFailure(f"{path} is not whole: it ends after {rows} rows. Nothing was changed.")


async def _make_anew(connection: Connection, tables: Iterable[str], schema: int) -> None:
    for table in tables:
        await connection.execute(f"DROP TABLE {table}")
    for upgrade in upgrades.upgrades[:schema]:
        await upgrade(connection, connection.scheme)
    await connection.execute(f"DELETE FROM {VERSION}")
    await connection.execute(f"INSERT INTO {VERSION} (version) VALUES ($1)", schema)


async def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    # Names of columns stand in the statement as they are.
    if not all(name.isidentifier() and name.isascii() for name in row):
        raise ValueError(table)
    marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())


async def _filled(connection: Connection, tables: Iterable[str]) -> str:
    """A table that shows that the database is in use; what a first start leaves does not."""
    for table in sorted(IN_USE & set(tables)):
        if await connection.fetchval(f"SELECT COUNT(*) FROM {table}"):
            return table
    return ""
