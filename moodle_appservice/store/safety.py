"""What safety counts over a day."""

from __future__ import annotations

from collections.abc import Sequence

from mautrix.util.async_db import Connection

from ..domain.actions import Departure, takes_out
from ..domain.model import RoomId
from ..domain.rooms import RoomKey
from ..ports import Done
from .db import Db
from .settings import next_number

DEPARTURE = "departure"
ID_CHANGE = "id_change"


class SafetyBooks:
    """The `departure` and `id_change` tables, and numbers of others."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def departures(self, room_id: RoomId, *, since: float) -> tuple[int, int]:
        """From this room, and from all together."""
        row = await self._db.fetch_one(
            "SELECT COALESCE(SUM(CASE WHEN room_id = $1 THEN 1 ELSE 0 END), 0) AS here, COUNT(*) AS everywhere "
            "FROM departure WHERE at > $2",
            room_id,
            since,
        )
        return (0, 0) if row is None else (int(row["here"]), int(row["everywhere"]))

    async def places(self) -> int:
        """All that are wanted."""
        row = await self._db.fetch_one("SELECT COUNT(*) AS number FROM place WHERE wanted = 1")
        return 0 if row is None else int(row["number"])

    async def people(self) -> int:
        """Who has a Matrix id."""
        row = await self._db.fetch_one("SELECT COUNT(*) AS number FROM person WHERE matrix_id IS NOT NULL")
        return 0 if row is None else int(row["number"])

    async def id_changes(self, *, since: float) -> int:
        """Since then."""
        row = await self._db.fetch_one("SELECT COUNT(*) AS number FROM id_change WHERE at > $1", since)
        return 0 if row is None else int(row["number"])

    async def changed_id(self, *, at: float) -> None:
        """One more."""

        async def work(connection: Connection) -> None:
            number = await next_number(connection, ID_CHANGE)
            await connection.execute("INSERT INTO id_change (number, at) VALUES ($1, $2)", number, at)

        await self._db.transaction(work)

    async def filled(self, keys: Sequence[RoomKey], *, at: float) -> None:
        """Everybody who was to come has come once."""
        await self._db.transaction(
            lambda connection: connection.executemany(
                "UPDATE room SET filled_at = $1 WHERE course_id = $2 AND room_kind = $3 AND group_id = $4 "
                "AND filled_at IS NULL AND kind = 'course'",
                [(at, key.owner, key.kind, key.group) for key in keys if key.kind.is_of_course],
            )
        )

    async def forget(self, *, before: float) -> None:
        """Old rows."""

        async def work(connection: Connection) -> None:
            for table in ("departure", "id_change"):
                await connection.execute(f"DELETE FROM {table} WHERE at < $1", before)

        await self._db.transaction(work)


async def book_departure(connection: Connection, done: Done) -> None:
    """A removal, where it counts, inside the transaction that books it."""
    action = done.action
    if isinstance(action, Departure) and takes_out(action) and action.counted:
        number = await next_number(connection, DEPARTURE)
        await connection.execute(
            "INSERT INTO departure (number, room_id, at) VALUES ($1, $2, $3)", number, done.room_id, done.at
        )
