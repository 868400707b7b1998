"""Lines of the audit log for what was done and could not be booked: a crash or a lost answer came in between.

The room tells it afterwards: somebody whom we were about to invite is there, somebody who had a place was put out by
the bot. Both are said once, because with the line the place is booked too.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId, RoomId, UserId
from .audit import Line, add_line

WHY = "It was under way when it was interrupted; the room shows that it was done."
SIGNAL = "found afterwards"


async def note_invited(
    connection: Connection, room_id: RoomId, user: UserId, person: MoodleUserId, at: float
) -> None:
    """Somebody is there whom we were about to invite."""
    intended = await connection.fetchval(
        "SELECT intended FROM place WHERE room_id = $1 AND matrix_id = $2", room_id, user
    )
    if intended:
        await _line(connection, room_id, person, "Invite", at)


async def note_removed(connection: Connection, room_id: RoomId, user: UserId, at: float) -> None:
    """Somebody who had a place is out of the room by the bot's doing."""
    person = await connection.fetchval(
        "SELECT place.moodle_id FROM place "
        "JOIN mirror_member ON mirror_member.room_id = place.room_id AND mirror_member.user_id = place.matrix_id "
        "JOIN mirror_room ON mirror_room.room_id = place.room_id "
        "WHERE place.room_id = $1 AND place.matrix_id = $2 AND (place.wanted = 1 OR place.intended = 1) "
        "AND mirror_member.membership IN ('leave', 'ban') AND mirror_member.sender = mirror_room.creator",
        room_id,
        user,
    )
    if person is not None:
        await _line(connection, room_id, MoodleUserId(person), "Remove", at)


async def _line(connection: Connection, room_id: RoomId, person: MoodleUserId, kind: str, at: float) -> None:
    course_id = await connection.fetchval("SELECT course_id FROM room WHERE room_id = $1", room_id)
    line = Line(
        kind=kind,
        at=at,
        why=WHY,
        result="done",
        person=person,
        course_id=None if course_id is None else CourseId(course_id),
        room_id=room_id,
        signal=SIGNAL,
    )
    await add_line(connection, line)
