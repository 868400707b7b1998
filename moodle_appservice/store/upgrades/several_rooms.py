"""A course has several rooms, each with its own holds; people choose for a course; who let themselves in is known.

`room.course_id` is the id of what owns the room: of a course, or of a category for its space.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

DESCRIPTION = "Several rooms for a course, and what people have chosen for it"
_STATEMENTS = (
    "ALTER TABLE room ADD COLUMN room_kind TEXT NOT NULL DEFAULT 'main'",
    "ALTER TABLE room ADD COLUMN group_id BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE room ADD COLUMN generation BIGINT NOT NULL DEFAULT 1",
    "ALTER TABLE room ADD COLUMN avatar_written TEXT",
    "DROP INDEX room_course",
    "CREATE UNIQUE INDEX room_key ON room (kind, course_id, room_kind, group_id, generation)",
    "ALTER TABLE mirror_room ADD COLUMN marker_room TEXT NOT NULL DEFAULT 'main'",
    "ALTER TABLE mirror_room ADD COLUMN marker_group BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE mirror_member ADD COLUMN admitted BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE hold RENAME TO hold_of_course",
    """CREATE TABLE hold (
        room_id TEXT PRIMARY KEY,
        course_id BIGINT NOT NULL,
        users TEXT NOT NULL,
        reason TEXT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        confirmed BIGINT NOT NULL DEFAULT 0
    )""",
    "INSERT INTO hold (room_id, course_id, users, reason, since, confirmed) "
    "SELECT room_id, course_id, users, reason, since, confirmed FROM hold_of_course",
    "DROP TABLE hold_of_course",
    "CREATE INDEX hold_course ON hold (course_id)",
    """CREATE TABLE course_choice (
        course_id BIGINT NOT NULL,
        setting TEXT NOT NULL,
        value TEXT NOT NULL,
        chosen_by TEXT NOT NULL,
        chosen_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (course_id, setting)
    )""",
)


async def upgrade(connection: Connection) -> None:
    """Several rooms for a course."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
