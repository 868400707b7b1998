"""Who has asked to be in the room of a course."""

from __future__ import annotations

from ..domain.model import CourseId, MoodleUserId
from .db import Db


class RequestBooks:
    """The `request` table."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def ask(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book a request; the newest counts."""
        await self._db.execute(
            "INSERT INTO request (moodle_id, course_id, asked_at) VALUES ($1, $2, $3) "
            "ON CONFLICT (moodle_id, course_id) DO UPDATE SET asked_at = excluded.asked_at",
            user_id,
            course_id,
            at,
        )

    async def of_course(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has asked."""
        rows = await self._db.fetch("SELECT moodle_id FROM request WHERE course_id = $1", course_id)
        return frozenset(MoodleUserId(row["moodle_id"]) for row in rows)
