"""Holds by cause; what safety counts over a day: removals, changes of Matrix ids; which rooms were filled once.

`hold.room_id` is the id of a room, or what stands for one that is not made yet; empty for holds above rooms.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

DESCRIPTION = "Holds by cause, and what safety counts over a day"
_STATEMENTS = (
    "DROP INDEX hold_course",
    "ALTER TABLE hold RENAME TO hold_of_room",
    """CREATE TABLE hold (
        room_id TEXT NOT NULL,
        cause TEXT NOT NULL,
        course_id BIGINT NOT NULL,
        users TEXT NOT NULL,
        reason TEXT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        confirmed BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (course_id, room_id, cause)
    )""",
    "INSERT INTO hold (room_id, cause, course_id, users, reason, since, confirmed) "
    "SELECT room_id, 'removals', course_id, users, reason, since, confirmed FROM hold_of_room",
    "DROP TABLE hold_of_room",
    "ALTER TABLE room ADD COLUMN filled_at DOUBLE PRECISION",
    """CREATE TABLE departure (
        number BIGINT PRIMARY KEY,
        room_id TEXT NOT NULL,
        at DOUBLE PRECISION NOT NULL
    )""",
    "CREATE INDEX departure_at ON departure (at)",
    """CREATE TABLE id_change (
        number BIGINT PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL
    )""",
)


async def upgrade(connection: Connection) -> None:
    """What safety needs."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
