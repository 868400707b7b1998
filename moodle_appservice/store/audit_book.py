"""The audit log handed out line by line, and old rows deleted: of the log, of messages to and from us, of wishes."""

from __future__ import annotations

from collections.abc import Sequence

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId, RoomId
from ..ports import AuditLine, Forgotten, Limits
from .db import Db


class AuditBooks:
    """Reads the `audit` table, and deletes from `audit`, `command`, `message` and `request`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def page(
        self,
        *,
        after: int,
        limit: int,
        since: float = 0.0,
        course_id: CourseId | None = None,
        person: MoodleUserId | None = None,
    ) -> Sequence[AuditLine]:
        """Lines in order."""
        where = ["number > $1", "at >= $2"]
        values: list[object] = [after, since]
        if course_id is not None:
            values.append(course_id)
            where.append(f"course_id = ${len(values)}")
        if person is not None:
            values.append(person)
            where.append(f"person IN (SELECT audit_key FROM person WHERE moodle_id = ${len(values)})")
        rows = await self._db.fetch(
            f"SELECT * FROM audit WHERE {' AND '.join(where)} ORDER BY number LIMIT {int(limit)}", *values
        )
        return [
            AuditLine(
                number=row["number"],
                at=row["at"],
                course_id=None if row["course_id"] is None else CourseId(row["course_id"]),
                room_id=None if row["room_id"] is None else RoomId(row["room_id"]),
                person=row["person"],
                kind=row["kind"],
                why=row["why"],
                signal=row["signal"],
                result=row["result"],
                reference=row["reference"],
            )
            for row in rows
        ]

    async def forget(self, limits: Limits, *, now: float) -> Forgotten:
        """Delete what is older than the limits say."""

        async def work(connection: Connection) -> Forgotten:
            # A message that was sent by an older version, or a moment ago, has no time yet: it counts from now.
            await connection.execute("UPDATE message SET sent_at = $1 WHERE sent_at IS NULL", now)
            words = await connection.fetch(
                "UPDATE command SET body = '', state = 'old' WHERE state = 'new' AND sent_at < $1 RETURNING event_id",
                limits.unanswered,
            )
            commands = await connection.fetch(
                "DELETE FROM command WHERE sent_at < $1 RETURNING event_id", limits.commands
            )
            messages = await connection.fetch(
                "DELETE FROM message WHERE sent_at < $1 RETURNING message_key", limits.messages
            )
            requests = await connection.fetch(
                "DELETE FROM request WHERE asked_at < $1 AND NOT EXISTS (SELECT 1 FROM enrolment "
                "WHERE enrolment.moodle_id = request.moodle_id AND enrolment.course_id = request.course_id) "
                "RETURNING moodle_id",
                limits.requests,
            )
            audit = 0
            if limits.audit is not None:
                audit = await connection.fetchval("SELECT COUNT(*) FROM audit WHERE at < $1", limits.audit)
                await connection.execute("DELETE FROM audit WHERE at < $1", limits.audit)
            return Forgotten(audit, len(commands), len(messages), len(requests), len(words))

        return await self._db.transaction(work)
