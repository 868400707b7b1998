"""Links that people have proven, with the codes and questions on the way to one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..domain.model import MoodleUserId, UserId
from ..ports import Link
from .db import Db


class LinkBooks:
    """The `link` table and what leads to it."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, Link]:
        """The links of these people; who has none is absent."""
        rows = await self._db.fetch_in(
            "SELECT moodle_id, matrix_id, proven_at, effective_at, previous FROM link WHERE moodle_id IN ({in})",
            user_ids,
        )
        return {
            MoodleUserId(row["moodle_id"]): Link(
                user_id=MoodleUserId(row["moodle_id"]),
                matrix_id=UserId(row["matrix_id"]),
                proven_at=row["proven_at"],
                effective_at=row["effective_at"],
                previous=None if row["previous"] is None else UserId(row["previous"]),
            )
            for row in rows
        }
