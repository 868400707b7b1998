"""Rooms whose books begin in the middle: adopted, found again after the loss of a database, or upgraded.

`departed`: who had left by choice before our books began. `name_kept`, `topic_kept`, `avatar_kept`: somebody else than
we gave it, so it stands until the template or Moodle says another. `intended_over`: the event of the membership over
which an invite was intended, so that an answer to it is known even where the booking of the invite was lost.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

DESCRIPTION = "Rooms whose books begin in the middle, and what has drifted in rooms"
_STATEMENTS = (
    """CREATE TABLE departed (
        room_id TEXT NOT NULL,
        matrix_id TEXT NOT NULL,
        PRIMARY KEY (room_id, matrix_id)
    )""",
    "ALTER TABLE room ADD COLUMN name_kept BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE room ADD COLUMN topic_kept BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE room ADD COLUMN avatar_kept BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE room ADD COLUMN found_at DOUBLE PRECISION",
    "ALTER TABLE place ADD COLUMN intended_over TEXT",
    "ALTER TABLE mirror_room ADD COLUMN marker_adopted BIGINT NOT NULL DEFAULT 0",
    """CREATE TABLE room_look (
        room_id TEXT PRIMARY KEY,
        looked_at DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE drift (
        room_id TEXT NOT NULL,
        what TEXT NOT NULL,
        sentence TEXT NOT NULL,
        since DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (room_id, what)
    )""",
)


async def upgrade(connection: Connection) -> None:
    """Rooms whose books begin in the middle."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
