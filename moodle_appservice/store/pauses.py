"""What people have paused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..domain.model import CourseId
from ..ports import Pause
from .db import Db, Row
from .together import look_ups

SITE = 0
"""Stands for the whole site; no course of Moodle has this number."""


class PauseBooks:
    """The `pause` table."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._by_course = look_ups(self._of)

    async def all(self) -> Sequence[Pause]:
        """Everything that is paused."""
        return [_pause(row) for row in await self._db.fetch("SELECT * FROM pause ORDER BY course_id")]

    async def of(self, course_id: CourseId | None) -> Pause | None:
        """What pauses this course."""
        found = await self._by_course.ask([SITE, course_id or SITE])
        return found[min(found)] if found else None

    async def _of(self, course_ids: Collection[int]) -> Mapping[int, Pause]:
        rows = await self._db.fetch_in("SELECT * FROM pause WHERE course_id IN ({in})", course_ids)
        return {row["course_id"]: _pause(row) for row in rows}

    async def add(self, pause: Pause) -> bool:
        """Pause, once."""
        rows = await self._db.transaction(
            lambda connection: connection.fetch(
                "INSERT INTO pause (course_id, since, by_whom, why) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (course_id) DO NOTHING RETURNING course_id",
                pause.course_id or SITE,
                pause.since,
                pause.by,
                pause.why,
            )
        )
        return bool(rows)

    async def remove(self, course_id: CourseId | None) -> bool:
        """Take one pause away."""
        rows = await self._db.transaction(
            lambda connection: connection.fetch(
                "DELETE FROM pause WHERE course_id = $1 RETURNING course_id", course_id or SITE
            )
        )
        return bool(rows)


def _pause(row: Row) -> Pause:
    return Pause(
        course_id=CourseId(row["course_id"]) if row["course_id"] != SITE else None,
        since=row["since"],
        by=row["by_whom"],
        why=row["why"],
    )
