"""Courses between passes: on or off and why, the last sync and error, and who is in them with which roles.

A course that Moodle does not list any more stays here, marked as gone. `save` writes what the listing and people
have decided, `synced` how the last look ended; neither touches what the other writes. Roles are those of the last
look: they tell who is staff without asking Moodle, but no plan is made from them. Who was erased gets no row.
What people choose beyond on and off is in `choices`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId, Role
from ..domain.rules import Choice
from ..ports import CourseRow
from .db import Db, Row
from .exclusion import excluded
from .together import look_ups


class CourseBooks:
    """The `course` and `enrolment` tables."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._of_people = look_ups(self._courses_of)

    async def all(self) -> Mapping[CourseId, CourseRow]:
        """Every course that we have ever seen."""
        rows = await self._db.fetch("SELECT * FROM course")
        return {CourseId(row["id"]): _course(row) for row in rows}

    async def get(self, course_id: CourseId) -> CourseRow | None:
        """One course."""
        row = await self._db.fetch_one("SELECT * FROM course WHERE id = $1", course_id)
        return None if row is None else _course(row)

    async def save(self, rows: Sequence[CourseRow]) -> None:
        """Insert or update what the site listing decides."""
        values = [
            (
                row.id,
                row.shortname,
                int(row.on),
                row.reason,
                None if row.choice is None or row.choice.on is None else int(row.choice.on),
                row.choice.by if row.choice else None,
                row.choice.at if row.choice else None,
                row.field_seen,
                int(row.gone),
                row.idnumber,
                row.left_at,
                int(row.released),
            )
            for row in rows
        ]

        async def work(connection: Connection) -> None:
            await connection.executemany(
                "INSERT INTO course "
                "(id, shortname, is_on, reason, choice_on, choice_by, choice_at, field_seen, gone, idnumber, left_at, "
                "released) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET "
                "shortname = excluded.shortname, is_on = excluded.is_on, reason = excluded.reason, "
                "choice_on = excluded.choice_on, choice_by = excluded.choice_by, choice_at = excluded.choice_at, "
                "field_seen = excluded.field_seen, gone = excluded.gone, idnumber = excluded.idnumber, "
                "left_at = excluded.left_at, released = excluded.released",
                values,
            )

        if values:
            await self._db.transaction(work)

    async def synced(self, course_id: CourseId, *, at: float, error: str = "") -> None:
        """Book the end of a sync."""
        if error:
            await self._db.execute(
                "UPDATE course SET last_error = $2, last_error_at = $3 WHERE id = $1", course_id, error, at
            )
        else:
            await self._db.execute(
                "UPDATE course SET last_sync = $2, last_error = '' WHERE id = $1", course_id, at
            )

    async def set_enrolments(
        self, course_id: CourseId, roles: Mapping[MoodleUserId, frozenset[Role]], *, facts_hash: str
    ) -> None:
        """Remember who is in a course with which roles."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM enrolment WHERE course_id = $1", course_id)
            erased = await excluded(connection, list(roles))
            await connection.executemany(
                "INSERT INTO enrolment (course_id, moodle_id, roles) VALUES ($1, $2, $3)",
                [
                    (course_id, user, " ".join(sorted(held)))
                    for user, held in roles.items()
                    if user not in erased
                ],
            )
            await connection.execute("UPDATE course SET facts_hash = $2 WHERE id = $1", course_id, facts_hash)

        await self._db.transaction(work)

    async def roles(self, course_id: CourseId, user_id: MoodleUserId) -> frozenset[Role] | None:
        """A person's roles in a course; None when not enrolled."""
        row = await self._db.fetch_one(
            "SELECT roles FROM enrolment WHERE course_id = $1 AND moodle_id = $2", course_id, user_id
        )
        return None if row is None else _roles(row)

    async def people(self, course_id: CourseId) -> Mapping[MoodleUserId, frozenset[Role]]:
        """The people of one course with their roles."""
        rows = await self._db.fetch("SELECT moodle_id, roles FROM enrolment WHERE course_id = $1", course_id)
        return {MoodleUserId(row["moodle_id"]): _roles(row) for row in rows}

    async def courses_of(self, user_id: MoodleUserId) -> Mapping[CourseId, frozenset[Role]]:
        """The courses of one person with the roles there."""
        return (await self._of_people.ask([user_id])).get(user_id, {})

    async def _courses_of(
        self, user_ids: Collection[MoodleUserId]
    ) -> Mapping[MoodleUserId, Mapping[CourseId, frozenset[Role]]]:
        found: dict[MoodleUserId, dict[CourseId, frozenset[Role]]] = {}
        query = "SELECT moodle_id, course_id, roles FROM enrolment WHERE moodle_id IN ({in})"
        for row in await self._db.fetch_in(query, user_ids):
            found.setdefault(MoodleUserId(row["moodle_id"]), {})[CourseId(row["course_id"])] = _roles(row)
        return found


def _roles(row: Row) -> frozenset[Role]:
    return frozenset(Role(name) for name in row["roles"].split())


def _course(row: Row) -> CourseRow:
    choice = None
    if row["choice_by"] is not None:
        on = None if row["choice_on"] is None else bool(row["choice_on"])
        choice = Choice(on, row["choice_by"], row["choice_at"])
    return CourseRow(
        id=CourseId(row["id"]),
        shortname=row["shortname"],
        on=bool(row["is_on"]),
        reason=row["reason"],
        choice=choice,
        field_seen=row["field_seen"],
        facts_hash=row["facts_hash"],
        last_sync=row["last_sync"],
        last_error=row["last_error"],
        last_error_at=row["last_error_at"],
        gone=bool(row["gone"]),
        idnumber=row["idnumber"],
        left_at=row["left_at"],
        released=bool(row["released"]),
    )
