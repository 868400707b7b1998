"""Searches over people and the audit log: the same SQL for both databases, with `%` and `_` taken as they are.

The dashboard shows what is found, and nothing is decided by it. Words may stand anywhere in a field. A line of
the audit log finds its person by the key that lies with the person: lines about somebody erased are still found
by everything else, and name nobody. A page and the number of all come from the same condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..domain.model import CourseId, MoodleUserId, RoomId, Standing, UserId, user_number
from ..ports.journal import AuditRow
from ..ports.search import AuditFilter, FoundPerson
from .db import Db, Row

_ALL = "1 = 1"


class SearchBooks:
    """Implements `ports.search.SearchBook`."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def people(
        self, words: str, *, trouble: bool, limit: int, offset: int
    ) -> tuple[Sequence[FoundPerson], int]:
        """One page of people, and how many there are."""
        values: list[Any] = []
        where = _ALL
        if words:
            values.append(_like(words.lower()))
            where = (
                "(LOWER(full_name) LIKE $1 ESCAPE '!' OR LOWER(username) LIKE $1 ESCAPE '!' "
                "OR LOWER(matrix_id) LIKE $1 ESCAPE '!')"
            )
            number = user_number(words)
            if number is not None:
                values.append(number)
                where = f"({where} OR moodle_id = $2)"
        if trouble:
            where += " AND (matrix_id IS NULL OR standing <> 'ready' OR wanted IS NOT NULL)"
        return await self._page(
            "person", "*", "", where, values, "LOWER(full_name), moodle_id", limit, offset, _person
        )

    async def audit(self, wanted: AuditFilter, *, limit: int, offset: int) -> tuple[Sequence[AuditRow], int]:
        """One page of lines, and how many there are."""
        values: list[Any] = []
        conditions = [_ALL]

        def add(condition: str, value: Any) -> None:
            values.append(value)
            conditions.append(condition.replace("?", f"${len(values)}"))

        if wanted.course_id is not None:
            add("audit.course_id = ?", wanted.course_id)
        if wanted.person is not None:
            add("person.moodle_id = ?", wanted.person)
        if wanted.kind:
            add("audit.kind = ?", wanted.kind)
        if wanted.words:
            add(
                "(LOWER(audit.why) LIKE ? ESCAPE '!' OR LOWER(audit.result) LIKE ? ESCAPE '!' "
                "OR audit.signal LIKE ? ESCAPE '!' OR audit.reference LIKE ? ESCAPE '!')",
                _like(wanted.words.lower()),
            )
        if wanted.result:
            add("audit.result = ?" if wanted.result == "done" else "audit.result <> ?", "done")
        return await self._page(
            "audit",
            "audit.*, person.moodle_id AS of_person",
            "LEFT JOIN person ON person.audit_key = audit.person",
            " AND ".join(conditions),
            values,
            "number DESC",
            limit,
            offset,
            _line,
        )

    async def kinds(self) -> Sequence[str]:
        """Every kind of line."""
        rows = await self._db.fetch("SELECT DISTINCT kind FROM audit ORDER BY kind")
        return [str(row["kind"]) for row in rows]

    async def _page(
        self,
        table: str,
        columns: str,
        join: str,
        where: str,
        values: list[Any],
        order: str,
        limit: int,
        offset: int,
        read: Any,
    ) -> tuple[list[Any], int]:
        source = f"FROM {table} {join} WHERE {where}"
        row = await self._db.fetch_one(f"SELECT COUNT(*) AS number {source}", *values)
        assert row is not None, "a count always has a row"
        rows = await self._db.fetch(
            f"SELECT {columns} {source} ORDER BY {order} LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}",
            *values,
            limit,
            offset,
        )
        return [read(one) for one in rows], int(row["number"])


def _like(words: str) -> str:
    escaped = words.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"


def _person(row: Row) -> FoundPerson:
    return FoundPerson(
        user_id=MoodleUserId(row["moodle_id"]),
        name=row["full_name"],
        username=row["username"],
        matrix_id=None if row["matrix_id"] is None else UserId(row["matrix_id"]),
        standing=Standing(row["standing"]),
        reason=row["reason"],
        wanted=None if row["wanted"] is None else UserId(row["wanted"]),
    )


def _line(row: Row) -> AuditRow:
    return AuditRow(
        at=row["at"],
        course_id=None if row["course_id"] is None else CourseId(row["course_id"]),
        room_id=None if row["room_id"] is None else RoomId(row["room_id"]),
        person=None if row["of_person"] is None else MoodleUserId(row["of_person"]),
        kind=row["kind"],
        why=row["why"],
        signal=row["signal"],
        result=row["result"],
        reference=row["reference"],
    )
