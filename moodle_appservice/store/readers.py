"""In which language and time zone people read: columns of the `person` table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..domain.model import MoodleUserId
from ..ports import ReaderRow
from .db import Db


class ReaderBooks:
    """Implements `ports.ReaderBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, ReaderRow]:
        """What is known of these people."""
        rows = await self._db.fetch_in(
            "SELECT moodle_id, chosen_language, language, timezone FROM person WHERE moodle_id IN ({in})",
            user_ids,
        )
        return {
            MoodleUserId(row["moodle_id"]): ReaderRow(
                row["chosen_language"], row["language"], row["timezone"]
            )
            for row in rows
        }

    async def choose(self, user_id: MoodleUserId, code: str) -> None:
        """Remember a person's choice."""
        await self._db.execute("UPDATE person SET chosen_language = $2 WHERE moodle_id = $1", user_id, code)
