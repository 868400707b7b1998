"""Groups of courses: by what each was known last, so that it keeps its number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mautrix.util.async_db import Connection

from ..domain.groups import KnownGroup
from ..domain.model import CourseId, GroupId, MoodleUserId
from .db import Db, Row
from .exclusion import excluded


class GroupBooks:
    """The `course_group` table."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def all(self) -> Mapping[CourseId, tuple[KnownGroup, ...]]:
        """Everything that is remembered."""
        rows = await self._db.fetch("SELECT * FROM course_group ORDER BY course_id, group_id")
        found: dict[CourseId, list[KnownGroup]] = {}
        for row in rows:
            found.setdefault(CourseId(row["course_id"]), []).append(_known(row))
        return {course_id: tuple(groups) for course_id, groups in found.items()}

    async def save(self, groups: Mapping[CourseId, tuple[KnownGroup, ...]]) -> None:
        """Remember these groups of these courses."""
        listed = [(course_id, group) for course_id, known in groups.items() for group in known]

        async def work(connection: Connection) -> None:
            everybody = {user_id for _, group in listed for user_id in group.members}
            erased = await excluded(connection, everybody)
            await connection.executemany(
                "INSERT INTO course_group (course_id, group_id, moodle_id, idnumber, name, members, gone) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (course_id, group_id) DO UPDATE SET "
                "moodle_id = excluded.moodle_id, idnumber = excluded.idnumber, name = excluded.name, "
                "members = excluded.members, gone = excluded.gone",
                [_values(course_id, group, group.members - erased) for course_id, group in listed],
            )

        if listed:
            await self._db.transaction(work)


def _values(course_id: CourseId, group: KnownGroup, members: frozenset[MoodleUserId]) -> tuple[Any, ...]:
    return (
        course_id,
        group.id,
        group.moodle_id,
        group.idnumber,
        group.name,
        " ".join(str(user_id) for user_id in sorted(members)),
        int(group.gone),
    )


def _known(row: Row) -> KnownGroup:
    return KnownGroup(
        id=GroupId(row["group_id"]),
        moodle_id=row["moodle_id"],
        idnumber=row["idnumber"],
        name=row["name"],
        members=frozenset(MoodleUserId(int(number)) for number in row["members"].split()),
        gone=bool(row["gone"]),
    )
