"""What becomes of courses whose rooms are not to go on: the `course_ending` table."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..domain.ending import Ending
from ..domain.model import CourseId, UserId
from ..ports import EndingRow
from .db import Db, Row


class EndingBooks:
    """Implements `ports.EndingBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def all(self) -> Mapping[CourseId, EndingRow]:
        """Every ending that was decided."""
        rows = await self._db.fetch("SELECT * FROM course_ending")
        return {CourseId(row["course_id"]): _ending(row) for row in rows}

    async def get(self, course_id: CourseId) -> EndingRow | None:
        """The ending of one course."""
        row = await self._db.fetch_one("SELECT * FROM course_ending WHERE course_id = $1", course_id)
        return None if row is None else _ending(row)

    async def book(self, row: EndingRow) -> None:
        """Decide one, in place of an earlier one of the same course."""
        await self._db.execute(
            "INSERT INTO course_ending (course_id, ending, why, named, booked_at, done_at, is_policy) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (course_id) DO UPDATE SET ending = excluded.ending, "
            "why = excluded.why, named = excluded.named, booked_at = excluded.booked_at, "
            "done_at = excluded.done_at, is_policy = excluded.is_policy",
            row.course_id,
            str(row.ending),
            row.why,
            json.dumps(row.named),
            row.booked_at,
            row.done_at,
            int(row.is_policy),
        )

    async def done(self, course_id: CourseId, *, at: float) -> None:
        """It was carried out."""
        await self._db.execute("UPDATE course_ending SET done_at = $2 WHERE course_id = $1", course_id, at)

    async def drop(self, course_id: CourseId) -> None:
        """The course goes on."""
        await self._db.execute("DELETE FROM course_ending WHERE course_id = $1", course_id)


def _ending(row: Row) -> EndingRow:
    return EndingRow(
        course_id=CourseId(row["course_id"]),
        ending=Ending(row["ending"]),
        why=row["why"],
        booked_at=row["booked_at"],
        named=tuple(UserId(user) for user in json.loads(row["named"])),
        done_at=row["done_at"],
        is_policy=bool(row["is_policy"]),
    )
