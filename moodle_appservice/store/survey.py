"""What the books tell an administrator: how the rooms stand, what waits, what is in trouble; for `doctor`.

Counts and ids of rooms and courses only, nothing about people. Lists end after `MOST`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mautrix.util.async_db import Connection, Scheme

from ..domain.model import RoomId, UserId
from .db import Db, Row

MOST = 50
CREATOR_IS_ALMIGHTY = 12
"""From this room version on a creator has more power than any level."""
FULL_POWER = 100


class SurveyBook:
    """Reads across the tables. `bot`: ours; `site`: its short name."""

    def __init__(self, db: Db, *, bot: UserId, site: str) -> None:
        self._db = db
        self._bot = bot
        self._site = site

    async def rooms(self) -> dict[str, Any]:
        """`{total, encrypted, tombstoned, powerless, foreign, unread, missing}`: lists of room ids, and numbers."""

        async def work(connection: Connection) -> dict[str, Any]:
            ours = await connection.fetch(
                "SELECT room.room_id, mirror_room.version, mirror_room.creator, mirror_room.stale, "
                "mirror_room.marker_site, mirror_room.marker_sender, mirror_room.room_id AS mirrored "
                "FROM room LEFT JOIN mirror_room ON mirror_room.room_id = room.room_id WHERE room.kind <> 'control'"
            )
            there = [row for row in ours if row["mirrored"] is not None]
            levels = {
                row["room_id"]: json.loads(row["content"])
                for row in await connection.fetch(
                    "SELECT room_id, content FROM mirror_state WHERE type = 'm.room.power_levels'"
                )
            }
            return {
                "total": len(ours),
                "encrypted": await _with_state(connection, "m.room.encryption"),
                "tombstoned": await _with_state(connection, "m.room.tombstone"),
                "powerless": [
                    row["room_id"]
                    for row in there
                    if not self._has_power(row, levels.get(row["room_id"], {}))
                ][:MOST],
                "foreign": [row["room_id"] for row in there if not self._is_ours(row)][:MOST],
                "unread": sum(1 for row in there if row["stale"]),
                "missing": len(ours) - len(there),
            }

        return await self._db.transaction(work)

    async def booked(self) -> frozenset[RoomId]:
        """Every room that our books know: of courses, the control room, direct chats."""
        rows = await self._db.fetch("SELECT room_id FROM room UNION SELECT room_id FROM direct_room")
        return frozenset(RoomId(row["room_id"]) for row in rows)

    async def work(self) -> dict[str, Any]:
        """`{courses, on, failing, last_sync, held, held_since, commands}`; times are Unix seconds or None."""

        async def read(connection: Connection) -> dict[str, Any]:
            courses: Row = await connection.fetchrow(
                "SELECT COUNT(*) AS listed, COALESCE(SUM(is_on), 0) AS on_now, "
                "COALESCE(SUM(CASE WHEN is_on = 1 AND gone = 0 AND last_error <> '' THEN 1 ELSE 0 END), 0) AS failing, "
                "MAX(last_sync) AS last_sync FROM course"
            )
            held: Row = await connection.fetchrow(
                "SELECT COUNT(*) AS number, MIN(since) AS since FROM hold WHERE confirmed = 0"
            )
            commands = await connection.fetchval("SELECT COUNT(*) FROM command WHERE state = 'new'")
            return {
                "courses": int(courses["listed"]),
                "on": int(courses["on_now"]),
                "failing": int(courses["failing"]),
                "last_sync": courses["last_sync"],
                "held": int(held["number"]),
                "held_since": held["since"],
                "commands": int(commands),
            }

        return await self._db.transaction(read)

    async def database(self) -> dict[str, Any]:
        """`{engine, version, schema, bytes, audit}`: what holds the books, and how much that is."""

        async def read(connection: Connection) -> dict[str, Any]:
            if connection.scheme == Scheme.SQLITE:
                engine = "SQLite"
                version = str(await connection.fetchval("SELECT sqlite_version()"))
                pages = await connection.fetchval("PRAGMA page_count")
                size = int(pages) * int(await connection.fetchval("PRAGMA page_size"))
            else:
                engine = "PostgreSQL"
                version = str(await connection.fetchval("SHOW server_version"))
                size = int(await connection.fetchval("SELECT pg_database_size(current_database())"))
            return {
                "engine": engine,
                "version": version,
                "schema": int(await connection.fetchval("SELECT version FROM moodle_appservice_version")),
                "bytes": size,
                "audit": int(await connection.fetchval("SELECT COUNT(*) FROM audit")),
            }

        return await self._db.transaction(read)

    def _has_power(self, row: Row, levels: Mapping[str, Any]) -> bool:
        version = str(row["version"])
        is_almighty = (
            version.isdigit() and int(version) >= CREATOR_IS_ALMIGHTY and row["creator"] == self._bot
        )
        users = levels.get("users")
        level = users.get(self._bot) if isinstance(users, Mapping) else None
        return is_almighty or (isinstance(level, int) and level >= FULL_POWER)

    def _is_ours(self, row: Row) -> bool:
        return (row["creator"], row["marker_sender"], row["marker_site"]) == (
            self._bot,
            self._bot,
            self._site,
        )


async def _with_state(connection: Connection, event_type: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT mirror_state.room_id FROM mirror_state JOIN room ON room.room_id = mirror_state.room_id "
        f"WHERE mirror_state.type = $1 AND mirror_state.state_key = '' AND mirror_state.content <> '{{}}' LIMIT {MOST}",
        event_type,
    )
    return sorted(row["room_id"] for row in rows)
