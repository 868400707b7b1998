"""How courses end: since when they are gone or off, by what a restored one is known again, and what became of them."""

from __future__ import annotations

from mautrix.util.async_db import Connection

DESCRIPTION = "How courses end, and what became of their rooms"
_STATEMENTS = (
    "ALTER TABLE course ADD COLUMN idnumber TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE course ADD COLUMN left_at DOUBLE PRECISION",
    "ALTER TABLE course ADD COLUMN released BIGINT NOT NULL DEFAULT 0",
    """CREATE TABLE course_ending (
        course_id BIGINT PRIMARY KEY,
        ending TEXT NOT NULL,
        why TEXT NOT NULL,
        named TEXT NOT NULL,
        is_policy BIGINT NOT NULL,
        booked_at DOUBLE PRECISION NOT NULL,
        done_at DOUBLE PRECISION
    )""",
)


async def upgrade(connection: Connection) -> None:
    """A course that is gone already counts as gone from the first pass on."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
