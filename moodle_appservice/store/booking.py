"""What one action changes in the books: a line of the audit log, the ledger's rows, and what the mirror assumes.

Each function works inside the transaction of whoever calls it; the reading side is `ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from mautrix.util.async_db import Connection

from ..domain.actions import (
    Ban,
    CreateRoom,
    Export,
    ForceJoin,
    Invite,
    Join,
    MoveAlias,
    OfPerson,
    Purge,
    PutAlias,
    Remove,
    SetPower,
    SetState,
    Unban,
)
from ..domain.model import MoodleUserId, RoomId, UserId
from ..domain.rooms import RoomKey
from ..ports import Done
from .assume import CHANGE, assume_member, assume_members, assume_room, assume_state
from .audit import NUMBER, Line, add_lines
from .db import to_json
from .found import avatar_in, book_name, generation_in
from .settings import next_numbers

COURSE = "course"
"""`kind` of the rows of all rooms of courses; the others have the kind of their room."""


async def book(connection: Connection, made: Sequence[Done], bot: UserId) -> None:
    """Book what was done or has failed, in few statements; in one room what came first is booked first."""
    if len({done.room_id for done in made}) < len(made):
        # As a rule a room has one write in flight, but whoever erases a person goes beside the look at the course.
        for done in made:
            await book(connection, [done], bot)
        return
    carried_out = [done for done in made if done.error is None]
    invites = [(done, done.action) for done in carried_out if isinstance(done.action, Invite)]
    steps = {NUMBER: len(made), CHANGE: len(invites)} if invites else {NUMBER: len(made)}
    last = await next_numbers(connection, steps)
    await add_lines(connection, [_line(done) for done in made], last=last[NUMBER])
    if invites:
        users = [(done, action.matrix_id) for done, action in invites]
        await assume_members(connection, users, "invite", bot, last=last[CHANGE])
        await _give_places(
            connection,
            [(done.room_id, action.matrix_id, action.person, done.at, 1, 0) for done, action in invites],
        )
    for done in carried_out:
        if not isinstance(done.action, Invite):
            await _book_one(connection, done, bot)


async def _book_one(connection: Connection, done: Done, bot: UserId) -> None:
    match done.action:
        case CreateRoom() as action:
            await _book_room(connection, done, action, bot)
        case SetState(event_type, state_key, content):
            await assume_state(connection, done, event_type, state_key, content, bot)
            await book_name(connection, done.room_id, event_type, content)
        case Purge():
            for table in ("place", "room", "hold", "mirror_state", "mirror_member", "mirror_room"):
                await connection.execute(f"DELETE FROM {table} WHERE room_id = $1", done.room_id)
        case MoveAlias() | Export():
            # Neither is state of the room.
            pass
        case SetPower(content, levels):
            await assume_state(connection, done, "m.room.power_levels", "", content, bot)
            await connection.execute(
                "UPDATE room SET levels_written = $2 WHERE room_id = $1", done.room_id, to_json(dict(levels))
            )
        case ForceJoin(matrix_id, person):
            await assume_member(connection, done, matrix_id, "join", matrix_id)
            await give_place(connection, done.room_id, matrix_id, person, at=done.at)
        case Invite():
            raise AssertionError("invites are booked together")
        case Join(matrix_id, person):
            await assume_member(connection, done, matrix_id, "join", matrix_id)
            await give_place(connection, done.room_id, matrix_id, person, at=done.at)
        case Ban(matrix_id, person):
            await assume_member(connection, done, matrix_id, "ban", bot)
            await give_place(connection, done.room_id, matrix_id, person, at=done.at, banned=True)
        case PutAlias():
            pass
        case Remove(matrix_id) | Unban(matrix_id):
            await assume_member(connection, done, matrix_id, "leave", bot)
            await take_place(connection, done.room_id, matrix_id)
        case _ as unreachable:
            assert_never(unreachable)


async def give_place(
    connection: Connection,
    room_id: RoomId,
    user: UserId,
    person: MoodleUserId,
    *,
    at: float,
    banned: bool = False,
) -> None:
    """A place that is wanted, or (`banned`) one that we have taken away with a ban."""
    await _give_places(connection, [(room_id, user, person, at, int(not banned), int(banned))])


async def _give_places(
    connection: Connection, places: Sequence[tuple[RoomId, UserId, MoodleUserId, float, int, int]]
) -> None:
    await connection.executemany(
        "INSERT INTO place (room_id, matrix_id, moodle_id, invited_at, wanted, intended, banned) "
        "VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (room_id, matrix_id) DO UPDATE SET "
        "moodle_id = excluded.moodle_id, invited_at = excluded.invited_at, wanted = excluded.wanted, intended = 0, "
        "banned = excluded.banned",
        places,
    )


async def take_place(connection: Connection, room_id: RoomId, user: UserId) -> None:
    """A place that is wanted no more; the row stays, for what we once gave is ours to take."""
    await connection.execute(
        "UPDATE place SET wanted = 0, intended = 0, banned = 0 WHERE room_id = $1 AND matrix_id = $2",
        room_id,
        user,
    )


async def _book_room(connection: Connection, done: Done, action: CreateRoom, bot: UserId) -> None:
    content = action.content
    given = content.get("power_level_content_override", {}).get("users", {})
    await put_room(
        connection,
        done.room_id,
        action.room,
        generation_in(content),
        at=done.at,
        levels={user: level for user, level in given.items() if user != bot},
        name=content.get("name"),
        topic=content.get("topic"),
        avatar=avatar_in(content),
    )
    await assume_room(connection, done.room_id, content, bot)


async def put_room(
    connection: Connection,
    room_id: RoomId,
    key: RoomKey,
    generation: int,
    *,
    at: float,
    levels: Mapping[str, int],
    name: str | None = None,
    topic: str | None = None,
    avatar: str | None = None,
) -> None:
    """Write the row of a room; one that had this key and generation before is replaced."""
    await connection.execute(
        "INSERT INTO room (room_id, kind, course_id, room_kind, group_id, generation, name_written, topic_written, "
        "levels_written, created_at, avatar_written) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
        "ON CONFLICT (kind, course_id, room_kind, group_id, generation) DO UPDATE SET room_id = excluded.room_id, "
        "name_written = excluded.name_written, topic_written = excluded.topic_written, "
        "levels_written = excluded.levels_written, created_at = excluded.created_at, "
        "avatar_written = excluded.avatar_written",
        room_id,
        *columns(key),
        generation,
        name,
        topic,
        to_json(dict(levels)),
        at,
        avatar,
    )


def columns(key: RoomKey) -> tuple[str, int, str, int]:
    """`kind`, `course_id`, `room_kind` and `group_id` of a row."""
    kind = COURSE if key.kind.is_of_course else str(key.kind)
    return kind, int(key.owner), str(key.kind), int(key.group)


def _line(done: Done) -> Line:
    """A line of the audit log. The account itself is never named in the result."""
    subject = done.action if isinstance(done.action, OfPerson) else None
    result = done.error or "done"
    return Line(
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
