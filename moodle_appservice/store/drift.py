"""What has drifted in rooms, and when each was last compared: the tables `drift` and `room_look`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mautrix.util.async_db import Connection

from ..domain.model import RoomId
from ..ports import Drifted
from .db import Db, fetch_in


class DriftBooks:
    """Implements `ports.DriftBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def report(
        self, found: Mapping[RoomId, Mapping[str, str]], *, at: float
    ) -> Mapping[RoomId, Sequence[str]]:
        """Replace what is reported of these rooms; returns the kinds that are new, by room."""

        async def work(connection: Connection) -> dict[RoomId, Sequence[str]]:
            rows = await fetch_in(
                connection, "SELECT room_id, what, sentence FROM drift WHERE room_id IN ({in})", list(found)
            )
            known = {(RoomId(row["room_id"]), row["what"]): row["sentence"] for row in rows}
            now = {(room_id, what): text for room_id, texts in found.items() for what, text in texts.items()}
            gone = sorted(known.keys() - now.keys())
            if gone:
                await connection.executemany("DELETE FROM drift WHERE room_id = $1 AND what = $2", gone)
            changed = [(*key, sentence, at) for key, sentence in now.items() if known.get(key) != sentence]
            if changed:
                await connection.executemany(
                    "INSERT INTO drift (room_id, what, sentence, since) VALUES ($1, $2, $3, $4) "
                    "ON CONFLICT (room_id, what) DO UPDATE SET sentence = excluded.sentence",
                    changed,
                )
            new: dict[RoomId, Sequence[str]] = {}
            for room_id, what in sorted(now.keys() - known.keys()):
                new[room_id] = [*new.get(room_id, ()), what]
            return new

        return await self._db.transaction(work)

    async def every(self) -> Sequence[Drifted]:
        """All that is reported, oldest first."""
        rows = await self._db.fetch("SELECT * FROM drift ORDER BY since, room_id, what")
        return [Drifted(RoomId(row["room_id"]), row["what"], row["sentence"], row["since"]) for row in rows]

    async def looked(self, room_id: RoomId, *, at: float) -> None:
        """The slow audit has compared a room."""
        await self._db.execute(
            "INSERT INTO room_look (room_id, looked_at) VALUES ($1, $2) "
            "ON CONFLICT (room_id) DO UPDATE SET looked_at = excluded.looked_at",
            room_id,
            at,
        )

    async def next_room(self) -> tuple[RoomId, float] | None:
        """The room that was compared longest ago; one that is new counts from when it was made."""
        row = await self._db.fetch_one(
            "SELECT room.room_id, COALESCE(room_look.looked_at, room.created_at) AS looked_at FROM room "
            "LEFT JOIN room_look ON room_look.room_id = room.room_id WHERE room.kind <> 'control' "
            "ORDER BY looked_at, room.room_id LIMIT 1"
        )
        return None if row is None else (RoomId(row["room_id"]), float(row["looked_at"]))

    async def found_rooms(self) -> Sequence[RoomId]:
        """Rooms whose books begin in the middle."""
        rows = await self._db.fetch("SELECT room_id FROM room WHERE found_at IS NOT NULL ORDER BY room_id")
        return [RoomId(row["room_id"]) for row in rows]

    async def number_of_rooms(self) -> int:
        """How many rooms are to be compared."""
        row = await self._db.fetch_one("SELECT COUNT(*) AS number FROM room WHERE kind <> 'control'")
        return 0 if row is None else int(row["number"])
