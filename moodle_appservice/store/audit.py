"""Lines of the audit log: they name a person by an opaque random key, which lies with the person.

As long as `person.audit_key` stands, a line leads to the person; with the person's row the key is gone, and what
remains says what was done, but not to whom. So no line may hold a Matrix id, a user name or a Moodle id itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mautrix.util.async_db import Connection

from ..domain.model import CourseId, MoodleUserId, RoomId
from .db import fetch_in, in_order
from .keys import key_of, new_key
from .settings import next_number

NUMBER = "audit"
"""The counter of lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. Of a `person` whom we do not know, or not any more, it names nobody."""

    kind: str
    at: float
    why: str
    result: str
    person: MoodleUserId | None = None
    course_id: CourseId | None = None
    room_id: RoomId | None = None
    signal: str = ""
    reference: str = ""


async def add_line(connection: Connection, line: Line) -> None:
    """Add one line inside a running transaction."""
    await add_lines(connection, [line], last=await next_number(connection, NUMBER))


async def add_lines(connection: Connection, lines: Sequence[Line], *, last: int) -> None:
    """Add lines inside a running transaction, in this order. `last`: the number of the last one, of `NUMBER`."""
    people = {line.person for line in lines if line.person is not None}
    keys = await _keys_of(connection, people)
    await connection.executemany(
        "INSERT INTO audit (number, at, course_id, room_id, person, kind, why, signal, result, reference) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [
            (
                number,
                line.at,
                line.course_id,
                line.room_id or None,
                None if line.person is None else keys.get(line.person),
                line.kind,
                line.why,
                line.signal,
                line.result,
                line.reference,
            )
            for number, line in enumerate(lines, start=last - len(lines) + 1)
        ],
    )


async def _keys_of(connection: Connection, people: Collection[MoodleUserId]) -> Mapping[MoodleUserId, str]:
    """The keys of many, made at the first need; who has no row is absent."""
    if len(people) == 1:
        return {person: key for person in people if (key := await key_of(connection, person)) is not None}
    query = "SELECT moodle_id, audit_key FROM person WHERE moodle_id IN ({in})"
    rows = await fetch_in(connection, query, list(people))
    lacking = [row["moodle_id"] for row in rows if row["audit_key"] is None]
    if lacking:
        await connection.executemany(
            "UPDATE person SET audit_key = COALESCE(audit_key, $2) WHERE moodle_id = $1",
            in_order((person, new_key()) for person in lacking),
        )
        rows = await fetch_in(connection, query, list(people))
    # Who was stored between the two questions has none yet.
    return {MoodleUserId(row["moodle_id"]): row["audit_key"] for row in rows if row["audit_key"] is not None}
