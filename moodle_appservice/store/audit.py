"""Lines of the audit log: they name a person by an opaque random key, which lies with the person.

As long as `person.audit_key` stands, a line leads to the person; with the person's row the key is gone, and what
remains says what was done, but not to whom. So no line may hold a Matrix id, a user name or a Moodle id itself.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId, RoomId
from .keys import key_of
from .settings import next_number


async def add_line(
    connection: Connection,
    *,
    kind: str,
    at: float,
    why: str,
    result: str,
    person: MoodleUserId | None = None,
    course_id: CourseId | None = None,
    room_id: RoomId | None = None,
    signal: str = "",
    reference: str = "",
) -> None:
    """Add a line inside a running transaction. Of a person whom we do not know, or not any more, it names nobody."""
    number = await next_number(connection, "audit")
    await connection.execute(
        "INSERT INTO audit (number, at, course_id, room_id, person, kind, why, signal, result, reference) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        number,
        at,
        course_id,
        room_id or None,
        None if person is None else await key_of(connection, person),
        kind,
        why,
        signal,
        result,
        reference,
    )
