"""What has drifted in rooms, and when each was last compared: the tables `drift` and `room_look`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mautrix.util.async_db import Connection

from ..domain.model import RoomId
from ..ports import Drifted
from .db import Db


class DriftBooks:
    """Implements `ports.DriftBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def report(self, room_id: RoomId, found: Mapping[str, str], *, at: float) -> Sequence[str]:
        """Replace what is reported of a room; returns the kinds that are new."""

        async def work(connection: Connection) -> list[str]:
            rows = await connection.fetch("SELECT what, sentence FROM drift WHERE room_id = $1", room_id)
            known = {row["what"]: row["sentence"] for row in rows}
            for what in known.keys() - found.keys():
                await connection.execute("DELETE FROM drift WHERE room_id = $1 AND what = $2", room_id, what)
            for what, sentence in found.items():
                if known.get(what) == sentence:
                    continue
                await connection.execute(
                    "INSERT INTO drift (room_id, what, sentence, since) VALUES ($1, $2, $3, $4) "
                    "ON CONFLICT (room_id, what) DO UPDATE SET sentence = excluded.sentence",
                    room_id,
                    what,
                    sentence,
                    at,
                )
            return sorted(found.keys() - known.keys())

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
