"""What people have chosen for a course: the `course_choice` table."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..domain.model import CourseId
from ..ports import Chosen
from .db import Db


class ChoiceBooks:
    """Implements `ports.ChoiceBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def of(self, course_id: CourseId) -> Mapping[str, Chosen]:
        """Every setting of one course on which somebody has had a word."""
        rows = await self._db.fetch(
            "SELECT setting, value, chosen_by, chosen_at FROM course_choice WHERE course_id = $1", course_id
        )
        return {
            row["setting"]: Chosen(json.loads(row["value"]), row["chosen_by"], row["chosen_at"])
            for row in rows
        }

    async def everywhere(self, setting: str) -> Mapping[CourseId, Chosen]:
        """One setting in every course in which somebody has had a word on it."""
        rows = await self._db.fetch(
            "SELECT course_id, value, chosen_by, chosen_at FROM course_choice WHERE setting = $1", setting
        )
        return {
            CourseId(row["course_id"]): Chosen(json.loads(row["value"]), row["chosen_by"], row["chosen_at"])
            for row in rows
        }

    async def choose(self, course_id: CourseId, setting: str, chosen: Chosen | None) -> None:
        """Book the last word on a setting."""
        if chosen is None:
            await self._db.execute(
                "DELETE FROM course_choice WHERE course_id = $1 AND setting = $2", course_id, setting
            )
            return
        await self._db.execute(
            "INSERT INTO course_choice (course_id, setting, value, chosen_by, chosen_at) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (course_id, setting) DO UPDATE SET value = excluded.value, "
            "chosen_by = excluded.chosen_by, chosen_at = excluded.chosen_at",
            course_id,
            setting,
            json.dumps(chosen.value),
            chosen.by,
            chosen.at,
        )
