"""What several processes tell each other: what one has read of Moodle, and which courses are as they should be."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = (
    """CREATE TABLE board_reader (
        name TEXT PRIMARY KEY,
        holder BIGINT NOT NULL,
        beaten_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE board_site (
        name TEXT PRIMARY KEY,
        number BIGINT NOT NULL,
        data TEXT NOT NULL,
        held TEXT NOT NULL
    )""",
    """CREATE TABLE board_course (
        course_id BIGINT PRIMARY KEY,
        number BIGINT NOT NULL,
        data TEXT,
        trouble TEXT NOT NULL DEFAULT '',
        gone BIGINT NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE board_person (
        moodle_id BIGINT PRIMARY KEY,
        number BIGINT NOT NULL,
        data TEXT
    )""",
    """CREATE TABLE board_settled (
        course_id BIGINT PRIMARY KEY,
        digest BIGINT NOT NULL
    )""",
)


async def board(connection: Connection) -> None:
    """Used in a cluster only; one process has all of it in memory."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
