"""The ledger: which rooms are ours, what we last wrote in each, and whom we gave a place.

Booking an action is one transaction over audit, ledger and mirror. What the homeserver accepted is assumed in the
mirror at once (without an event id), but only where no push has changed that row since the request was planned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from mautrix.util.async_db import Connection

from ..domain.actions import (
    Ban,
    CreateRoom,
    Invite,
    Join,
    OfPerson,
    Remove,
    SetPower,
    SetState,
    Unban,
)
from ..domain.model import CourseId, MoodleUserId, RoomId, UserId
from ..domain.plan import Ledger
from ..ports import Done
from .assume import assume_member, assume_room, assume_state
from .audit import add_line
from .db import Db, Row, to_json

COURSE = "course"
CONTROL = "control"


class LedgerBooks:
    """The `room` and `place` tables."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def room_of(self, course_id: CourseId) -> RoomId | None:
        """The room of a course."""
        row = await self._db.fetch_one(
            "SELECT room_id FROM room WHERE kind = $1 AND course_id = $2", COURSE, course_id
        )
        return None if row is None else RoomId(row["room_id"])

    async def course_of(self, room_id: RoomId) -> CourseId | None:
        """The course whose room this is."""
        row = await self._db.fetch_one(
            "SELECT course_id FROM room WHERE room_id = $1 AND kind = $2", room_id, COURSE
        )
        return None if row is None else CourseId(row["course_id"])

    async def read(self, room_id: RoomId) -> Ledger:
        """What we last wrote in a room."""

        async def work(connection: Connection) -> Ledger:
            row = await connection.fetchrow("SELECT * FROM room WHERE room_id = $1", room_id)
            if row is None:
                return Ledger()
            places = await connection.fetch("SELECT * FROM place WHERE room_id = $1", room_id)
            levels = {UserId(user): int(level) for user, level in json.loads(row["levels_written"]).items()}
            return Ledger(
                name=row["name_written"],
                topic=row["topic_written"],
                levels=levels,
                places=_users_with(places, "wanted"),
                intended=_users_with(places, "intended"),
                bans=_users_with(places, "banned"),
            )

        return await self._db.transaction(work)

    async def record(self, done: Done, *, bot: UserId) -> None:
        """Book one action."""

        async def work(connection: Connection) -> None:
            await _audit(connection, done)
            if done.error is None:
                await _book(connection, done, bot)

        await self._db.transaction(work)

    async def adopt(self, room_id: RoomId, course_id: CourseId, *, at: float) -> None:
        """Book an existing room as the one of this course.

        A level in it of somebody whom we know from Moodle counts as given by us: the room may have been made a moment
        before a crash, with levels that nobody booked.
        """

        async def work(connection: Connection) -> None:
            levels = await _levels_of_known(connection, room_id)
            await connection.execute(
                "INSERT INTO room (room_id, kind, course_id, levels_written, created_at) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, course_id) DO UPDATE SET room_id = excluded.room_id, "
                "created_at = excluded.created_at, name_written = NULL, topic_written = NULL, "
                "levels_written = excluded.levels_written",
                room_id,
                COURSE,
                course_id,
                to_json(levels),
                at,
            )

        await self._db.transaction(work)

    async def release(self, room_id: RoomId) -> None:
        """Forget that a room is ours."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM place WHERE room_id = $1", room_id)
            await connection.execute("DELETE FROM room WHERE room_id = $1", room_id)

        await self._db.transaction(work)

    async def intend(self, room_id: RoomId, users: Mapping[UserId, MoodleUserId]) -> None:
        """These accounts are about to be invited."""
        await self._db.transaction(
            lambda connection: connection.executemany(
                "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at, wanted, intended) "
                "VALUES ($1, $2, $3, 0, 0, 1) ON CONFLICT (room_id, matrix_id) DO UPDATE SET "
                "moodle_id = excluded.moodle_id, intended = 1",
                [(room_id, user, person) for user, person in users.items()],
            )
        )

    async def found(
        self, room_id: RoomId, users: Mapping[UserId, MoodleUserId], *, bans: Iterable[UserId], at: float
    ) -> None:
        """Give a place to people who were found where they belong."""
        banned = set(bans)

        async def work(connection: Connection) -> None:
            for user, person in users.items():
                await _give_place(connection, room_id, user, person, at=at, banned=user in banned)

        await self._db.transaction(work)

    async def unwanted(self, room_id: RoomId, users: Iterable[UserId]) -> None:
        """These people do not belong in the room any more."""

        async def work(connection: Connection) -> None:
            for user in users:
                await _take_place(connection, room_id, user)

        await self._db.transaction(work)

    async def want_again(self) -> None:
        """All places count again."""
        await self._db.execute("UPDATE place SET wanted = 1 WHERE banned = 0")

    async def places(self, room_id: RoomId) -> Mapping[UserId, MoodleUserId]:
        """Everyone to whom we ever gave a place in the room."""
        rows = await self._db.fetch("SELECT matrix_id, moodle_id FROM place WHERE room_id = $1", room_id)
        return {UserId(row["matrix_id"]): MoodleUserId(row["moodle_id"]) for row in rows}

    async def control_room(self) -> RoomId | None:
        """The room of the canary."""
        row = await self._db.fetch_one("SELECT room_id FROM room WHERE kind = $1", CONTROL)
        return None if row is None else RoomId(row["room_id"])

    async def set_control_room(self, room_id: RoomId) -> None:
        """Record the room of the canary in place of an earlier one."""

        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM room WHERE kind = $1", CONTROL)
            await connection.execute(
                "INSERT INTO room (room_id, kind, created_at) VALUES ($1, $2, 0)", room_id, CONTROL
            )

        await self._db.transaction(work)


async def _levels_of_known(connection: Connection, room_id: RoomId) -> dict[str, int]:
    row = await connection.fetchrow(
        "SELECT content FROM mirror_state WHERE room_id = $1 AND type = 'm.room.power_levels' AND state_key = ''",
        room_id,
    )
    users = json.loads(row["content"]).get("users") if row else None
    found: dict[str, int] = {}
    for user, level in users.items() if isinstance(users, dict) else ():
        known = await connection.fetchrow("SELECT moodle_id FROM person WHERE matrix_id = $1", user)
        if known is not None and isinstance(level, int):
            found[user] = level
    return found


async def _book(connection: Connection, done: Done, bot: UserId) -> None:
    match done.action:
        case CreateRoom() as action:
            await _book_room(connection, done, action, bot)
        case SetState(event_type, state_key, content):
            await assume_state(connection, done, event_type, state_key, content, bot)
            await _book_name(connection, done.room_id, event_type, content)
        case SetPower(content, levels):
            await assume_state(connection, done, "m.room.power_levels", "", content, bot)
            await connection.execute(
                "UPDATE room SET levels_written = $2 WHERE room_id = $1", done.room_id, to_json(dict(levels))
            )
        case Invite(matrix_id, person):
            await assume_member(connection, done, matrix_id, "invite", bot)
            await _give_place(connection, done.room_id, matrix_id, person, at=done.at)
        case Join(matrix_id, person):
            await assume_member(connection, done, matrix_id, "join", matrix_id)
            await _give_place(connection, done.room_id, matrix_id, person, at=done.at)
        case Ban(matrix_id, person):
            await assume_member(connection, done, matrix_id, "ban", bot)
            await _give_place(connection, done.room_id, matrix_id, person, at=done.at, banned=True)
        case Remove(matrix_id) | Unban(matrix_id):
            await assume_member(connection, done, matrix_id, "leave", bot)
            await _take_place(connection, done.room_id, matrix_id)
        case _ as unreachable:
            assert_never(unreachable)


async def _give_place(
    connection: Connection,
    room_id: RoomId,
    user: UserId,
    person: MoodleUserId,
    *,
    at: float,
    banned: bool = False,
) -> None:
    """A place that is wanted, or (`banned`) one that we have taken away with a ban."""
    await connection.execute(
        "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at, wanted, intended, banned) "
        "VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (room_id, matrix_id) DO UPDATE SET "
        "moodle_id = excluded.moodle_id, invited_at = excluded.invited_at, wanted = excluded.wanted, intended = 0, "
        "banned = excluded.banned",
        room_id,
        user,
        person,
        at,
        int(not banned),
        int(banned),
    )


async def _take_place(connection: Connection, room_id: RoomId, user: UserId) -> None:
    await connection.execute(
        "UPDATE place SET wanted = 0, intended = 0, banned = 0 WHERE room_id = $1 AND matrix_id = $2",
        room_id,
        user,
    )


def _users_with(places: Iterable[Row], column: str) -> frozenset[UserId]:
    return frozenset(UserId(place["matrix_id"]) for place in places if place[column])


async def _book_room(connection: Connection, done: Done, action: CreateRoom, bot: UserId) -> None:
    content = action.content
    levels = content.get("power_level_content_override", {}).get("users", {})
    await connection.execute(
        "INSERT INTO room (room_id, kind, course_id, name_written, topic_written, levels_written, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, course_id) DO UPDATE SET room_id = excluded.room_id, "
        "name_written = excluded.name_written, topic_written = excluded.topic_written, "
        "levels_written = excluded.levels_written, created_at = excluded.created_at",
        done.room_id,
        COURSE,
        action.course_id,
        content.get("name"),
        content.get("topic"),
        to_json({user: level for user, level in levels.items() if user != bot}),
        done.at,
    )
    await assume_room(connection, done.room_id, content, bot)


async def _book_name(
    connection: Connection, room_id: RoomId, event_type: str, content: Mapping[str, Any]
) -> None:
    if event_type == "m.room.name":
        await connection.execute(
            "UPDATE room SET name_written = $2 WHERE room_id = $1", room_id, content.get("name")
        )
    elif event_type == "m.room.topic":
        await connection.execute(
            "UPDATE room SET topic_written = $2 WHERE room_id = $1", room_id, content.get("topic")
        )


async def _audit(connection: Connection, done: Done) -> None:
    subject = done.action if isinstance(done.action, OfPerson) else None
    result = done.error or "done"
    await add_line(
        connection,
        kind=type(done.action).__name__,
        at=done.at,
        why=done.action.why,
        result=result.replace(subject.matrix_id, "this account") if subject else result,
        person=subject.person if subject else None,
        course_id=done.course_id,
        room_id=done.room_id,
        signal=done.signal,
        reference=done.reference,
    )
