"""What the relay remembers: which courses, which posts, which dates; ids, times and hashes only."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = (
    """CREATE TABLE relay_course (
        course_id BIGINT PRIMARY KEY,
        since DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE relay_post (
        post_id BIGINT PRIMARY KEY,
        course_id BIGINT NOT NULL,
        forum_id BIGINT NOT NULL,
        room_id TEXT NOT NULL,
        sender TEXT NOT NULL,
        state TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL,
        day TEXT NOT NULL,
        digest TEXT NOT NULL,
        event_id TEXT
    )""",
    "CREATE INDEX relay_post_forum ON relay_post (forum_id)",
    "CREATE INDEX relay_post_day ON relay_post (room_id, day)",
    """CREATE TABLE relay_upload (
        post_id BIGINT NOT NULL,
        digest TEXT NOT NULL,
        address TEXT NOT NULL,
        event_id TEXT,
        PRIMARY KEY (post_id, digest)
    )""",
    """CREATE TABLE relay_left_over (
        room_id TEXT NOT NULL,
        day TEXT NOT NULL,
        course_id BIGINT NOT NULL,
        event_id TEXT,
        digest TEXT NOT NULL,
        PRIMARY KEY (room_id, day)
    )""",
    """CREATE TABLE relay_list (
        course_id BIGINT NOT NULL,
        day TEXT NOT NULL,
        room_id TEXT NOT NULL,
        event_id TEXT,
        digest TEXT NOT NULL,
        items TEXT NOT NULL,
        last_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (course_id, day)
    )""",
    "CREATE INDEX relay_list_last ON relay_list (last_at)",
    """CREATE TABLE relay_told (
        course_id BIGINT NOT NULL,
        module_id BIGINT NOT NULL,
        name_of_date TEXT NOT NULL,
        lead BIGINT NOT NULL,
        at BIGINT NOT NULL,
        PRIMARY KEY (course_id, module_id, name_of_date, lead)
    )""",
)


async def relay(connection: Connection) -> None:
    """`items` of a list is JSON: `[[module, name of the date, at, moved from or null], …]`."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
