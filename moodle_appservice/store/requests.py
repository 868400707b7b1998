"""Who has asked to be in the rooms of a course, or to stay out of them; whoever asks for one takes back the other."""

from __future__ import annotations

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId
from .db import Db


class RequestBooks:
    """The `request` and `stays_out` tables."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def ask(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book a request; the newest counts."""
        await self._book("request", "asked_at", "stays_out", user_id, course_id, at)

    async def stay_out(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> None:
        """Book that the person stays out; the newest counts."""
        await self._book("stays_out", "since", "request", user_id, course_id, at)

    async def of_course(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has asked."""
        return await self._people("request", course_id)

    async def out_of(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who stays out."""
        return await self._people("stays_out", course_id)

    async def _book(
        self, table: str, column: str, other: str, user_id: MoodleUserId, course_id: CourseId, at: float
    ) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(
                f"DELETE FROM {other} WHERE moodle_id = $1 AND course_id = $2", user_id, course_id
            )
            await connection.execute(
                f"INSERT INTO {table} (moodle_id, course_id, {column}) VALUES ($1, $2, $3) "
                f"ON CONFLICT (moodle_id, course_id) DO UPDATE SET {column} = excluded.{column}",
                user_id,
                course_id,
                at,
            )

        await self._db.transaction(work)

    async def _people(self, table: str, course_id: CourseId) -> frozenset[MoodleUserId]:
        rows = await self._db.fetch(f"SELECT moodle_id FROM {table} WHERE course_id = $1", course_id)
        return frozenset(MoodleUserId(row["moodle_id"]) for row in rows)
