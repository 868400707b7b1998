"""Who asked for a place, and who stays out of one, are looked up by course at each look: by an index of their own."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = (
    "CREATE INDEX request_course ON request (course_id)",
    "CREATE INDEX stays_out_course ON stays_out (course_id)",
)


async def by_course(connection: Connection) -> None:
    """Indices alone."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
