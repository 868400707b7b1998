"""Counts over the tables."""

from __future__ import annotations

from ..ports.counts import Counts
from .db import Db

_QUERY = """SELECT
    (SELECT COUNT(*) FROM course WHERE is_on = 1 AND gone = 0) AS courses,
    (SELECT COUNT(*) FROM room WHERE kind <> 'control') AS rooms,
    (SELECT COUNT(*) FROM mirror_member JOIN place ON place.room_id = mirror_member.room_id
        AND place.matrix_id = mirror_member.user_id WHERE membership = 'join') AS joined,
    (SELECT COUNT(*) FROM mirror_member JOIN place ON place.room_id = mirror_member.room_id
        AND place.matrix_id = mirror_member.user_id WHERE membership = 'invite') AS invited,
    (SELECT COUNT(*) FROM person) AS people,
    (SELECT COUNT(*) FROM hold WHERE confirmed = 0) AS held_plans,
    (SELECT COUNT(*) FROM person WHERE wanted IS NOT NULL AND reason LIKE 'Quarantined%') AS quarantined"""


class CountBooks:
    """Implements `ports.counts.CountBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def now(self) -> Counts:
        """The counts at this moment."""
        row = await self._db.fetch_one(_QUERY)
        assert row is not None, "a query without a table always has a row"
        return Counts(**{name: int(row[name]) for name in Counts.__dataclass_fields__})
