"""What the bot needs to talk with people: how they read, what they have asked for, what they were told."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = (
    "ALTER TABLE person ADD COLUMN timezone TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE person ADD COLUMN chosen_language TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE command ADD COLUMN encrypted BIGINT NOT NULL DEFAULT 0",
    """CREATE TABLE stays_out (
        moodle_id BIGINT NOT NULL,
        course_id BIGINT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (moodle_id, course_id)
    )""",
    """CREATE TABLE told (
        moodle_id BIGINT NOT NULL,
        course_id BIGINT NOT NULL,
        way TEXT NOT NULL,
        told_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (moodle_id, course_id, way)
    )""",
)


async def conversations(connection: Connection) -> None:
    """`stays_out`: who wants no place in a course's rooms; `told`: who was told of a course's chat, and how."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
