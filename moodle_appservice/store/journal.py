"""What happened and what waits: holds, commands, sent messages, the audit log.

Rows of `command` come with the push (`commands`), most lines of `audit` with the action that they tell of
(`booking`). A hold keeps its confirmation only while its users stay the same. The words of a command are
forgotten here as soon as it is claimed, because one may be a code. A line of the audit log finds its person by a
key that is gone with the person (`audit`). How old rows are deleted is in `audit_book`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mautrix.util.async_db import Connection

from ..domain.holds import Cause
from ..domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from ..ports import AuditRow, CommandRow, HeldRow
from .audit import Line, add_line
from .db import Db, to_json

_THIS = "course_id = $1 AND room_id = $2 AND cause = $3"
"""One row of `hold`."""


class JournalBook:
    """The `hold`, `command`, `message` and `audit` tables."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def hold(
        self,
        course_id: CourseId,
        room_id: RoomId,
        users: frozenset[str],
        reason: str,
        *,
        at: float,
        cause: Cause = Cause.REMOVALS,
    ) -> None:
        """Book what is held. A confirmation stands only while it covers all of it."""

        async def work(connection: Connection) -> None:
            row = await connection.fetchrow(
                f"SELECT users, since FROM hold WHERE {_THIS}", course_id, room_id, cause
            )
            same = row is not None and set(json.loads(row["users"])) == users
            if same:
                return
            since = at if row is None else row["since"]
            await connection.execute(
                "INSERT INTO hold (course_id, room_id, cause, users, reason, since) VALUES ($1, $2, $3, $4, $5, $6) "
                "ON CONFLICT (course_id, room_id, cause) DO UPDATE SET users = excluded.users, "
                "reason = excluded.reason, confirmed = 0",
                *(course_id, room_id, cause, to_json(sorted(users)), reason, since),
            )

        await self._db.transaction(work)

    async def held(self, course_id: CourseId | None = None) -> Sequence[HeldRow]:
        """What waits."""
        where, values = ("", ()) if course_id is None else (" WHERE course_id = $1", (course_id,))
        rows = await self._db.fetch(
            f"SELECT * FROM hold{where} ORDER BY course_id, since, room_id, cause", *values
        )
        return [
            HeldRow(
                course_id=CourseId(row["course_id"]),
                room_id=RoomId(row["room_id"]),
                users=frozenset(json.loads(row["users"])),
                reason=row["reason"],
                since=row["since"],
                confirmed=bool(row["confirmed"]),
                cause=Cause(row["cause"]),
            )
            for row in rows
        ]

    async def confirm(
        self, course_id: CourseId | None = None, *, rows: Sequence[HeldRow] | None = None
    ) -> int:
        """Confirm what is held now, or just these rows."""
        if rows is not None:
            return await self._confirm_rows(rows)
        where, values = ("", ()) if course_id is None else (" AND course_id = $1", (course_id,))
        query = f"UPDATE hold SET confirmed = 1 WHERE confirmed = 0{where} RETURNING course_id"
        found = await self._db.transaction(lambda connection: connection.fetch(query, *values))
        return len({row["course_id"] for row in found})

    async def _confirm_rows(self, rows: Sequence[HeldRow]) -> int:
        async def work(connection: Connection) -> int:
            for row in rows:
                known = await connection.fetchval(
                    f"SELECT users FROM hold WHERE {_THIS}", row.course_id, row.room_id, row.cause
                )
                if known is None or set(json.loads(known)) != row.users:
                    return 0
            for row in rows:
                await connection.execute(
                    f"UPDATE hold SET confirmed = 1 WHERE {_THIS}", row.course_id, row.room_id, row.cause
                )
            return len({row.course_id for row in rows})

        return await self._db.transaction(work)

    async def clear_hold(
        self, room_id: RoomId, cause: Cause | None = None, *, course_id: CourseId | None = None
    ) -> None:
        """Nothing is held in this room any more."""
        wanted = {"room_id": room_id, "cause": cause, "course_id": course_id}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = ${number}" for number, name in enumerate(given, start=1))
        await self._db.execute(f"DELETE FROM hold WHERE {where}", *given.values())

    async def claim_command(self, event_id: EventId) -> CommandRow | None:
        """Take a new command, once. Its words are forgotten here: one may be a code."""

        async def work(connection: Connection) -> Any:
            row = await connection.fetchrow(
                "UPDATE command SET state = 'claimed' WHERE event_id = $1 AND state = 'new' RETURNING *",
                event_id,
            )
            if row is not None:
                await connection.execute("UPDATE command SET body = '' WHERE event_id = $1", event_id)
            return row

        row = await self._db.transaction(work)
        if row is None:
            return None
        return CommandRow(
            event_id=EventId(row["event_id"]),
            room_id=RoomId(row["room_id"]),
            sender=UserId(row["sender"]),
            body=row["body"],
            sent_at=row["sent_at"],
            thread=None if row["thread"] is None else EventId(row["thread"]),
            encrypted=bool(row["encrypted"]),
        )

    async def new_commands(self, *, sent_after: float) -> Sequence[EventId]:
        """Commands nobody has claimed yet."""
        rows = await self._db.fetch(
            "SELECT event_id FROM command WHERE state = 'new' AND sent_at >= $1 ORDER BY sent_at", sent_after
        )
        return [EventId(row["event_id"]) for row in rows]

    async def message(self, key: str) -> EventId | None:
        """The event that was sent under this key."""
        row = await self._db.fetch_one("SELECT event_id FROM message WHERE message_key = $1", key)
        return None if row is None else EventId(row["event_id"])

    async def sent(self, key: str, event_id: EventId) -> None:
        """Remember that a message was sent."""
        await self._db.execute(
            "INSERT INTO message (message_key, event_id) VALUES ($1, $2) ON CONFLICT (message_key) DO NOTHING",
            key,
            event_id,
        )

    async def note(
        self,
        kind: str,
        *,
        at: float,
        why: str,
        result: str = "done",
        person: MoodleUserId | None = None,
        course_id: CourseId | None = None,
        room_id: RoomId | None = None,
        signal: str = "",
        reference: str = "",
    ) -> None:
        """A line of the audit log about something that is no action in a room."""

        line = Line(
            kind=kind,
            at=at,
            why=why,
            result=result,
            person=person,
            course_id=course_id,
            room_id=room_id,
            signal=signal,
            reference=reference,
        )
        await self._db.transaction(lambda connection: add_line(connection, line))

    async def counts(self, *, since: float) -> Mapping[str, int]:
        """How many lines of each kind were written since, of what was done."""
        rows = await self._db.fetch(
            "SELECT kind, COUNT(*) AS number FROM audit WHERE at >= $1 AND result = 'done' GROUP BY kind",
            since,
        )
        return {row["kind"]: row["number"] for row in rows}

    async def audit(
        self, *, course_id: CourseId | None = None, person: MoodleUserId | None = None, limit: int = 100
    ) -> Sequence[AuditRow]:
        """The newest lines first."""
        conditions = {"audit.course_id": course_id, "person.moodle_id": person}
        given = {column: value for column, value in conditions.items() if value is not None}
        where = " AND ".join(f"{column} = ${number}" for number, column in enumerate(given, start=2))
        rows = await self._db.fetch(
            "SELECT audit.*, person.moodle_id AS of_person FROM audit "
            "LEFT JOIN person ON person.audit_key = audit.person "
            f"{'WHERE ' + where if where else ''} ORDER BY number DESC LIMIT $1",
            limit,
            *given.values(),
        )
        return [
            AuditRow(
                at=row["at"],
                course_id=row["course_id"],
                room_id=row["room_id"],
                person=row["of_person"],
                kind=row["kind"],
                why=row["why"],
                signal=row["signal"],
                result=row["result"],
                reference=row["reference"],
            )
            for row in rows
        ]
