"""What a person was told once: the `told` table."""

from __future__ import annotations

from ..domain.model import CourseId, MoodleUserId
from ..ports import NO_COURSE, Way
from .db import Db


class ToldBooks:
    """Implements `ports.ToldBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def claim(
        self, user_id: MoodleUserId, way: Way, course_id: CourseId = NO_COURSE, *, at: float
    ) -> bool:
        """Whether the person was not told this yet; if so, it is booked as told."""
        row = await self._db.transaction(
            lambda connection: connection.fetchrow(
                "INSERT INTO told (moodle_id, course_id, way, told_at) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (moodle_id, course_id, way) DO NOTHING RETURNING moodle_id",
                user_id,
                course_id,
                str(way),
                at,
            )
        )
        return row is not None
