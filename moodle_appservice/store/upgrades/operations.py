"""What operations need: pauses that survive a restart, and times by which old rows are found."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = (
    """CREATE TABLE pause (
        course_id BIGINT PRIMARY KEY,
        since DOUBLE PRECISION NOT NULL,
        by_whom TEXT NOT NULL,
        why TEXT NOT NULL
    )""",
    "ALTER TABLE message ADD COLUMN sent_at DOUBLE PRECISION",
    "CREATE INDEX audit_at ON audit (at)",
)


async def operations(connection: Connection) -> None:
    """Course 0 in `pause` is the whole site; a message without a time was sent before there were any."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
