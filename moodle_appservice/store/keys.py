"""The opaque key by which the audit log knows a person: random, made with the person's row, and gone with it.

Rows of older versions have none: theirs is made at the first need.
"""

from __future__ import annotations

import secrets

from mautrix.util.async_db import Connection

from ..domain.model import MoodleUserId

KEY_BYTES = 16


def new_key() -> str:
    """A key that nobody has yet."""
    return secrets.token_hex(KEY_BYTES)


async def key_of(connection: Connection, person: MoodleUserId) -> str | None:
    """The person's key, made at the first need; None for somebody without a row."""
    row = await connection.fetchrow("SELECT audit_key FROM person WHERE moodle_id = $1", person)
    if row is None or row["audit_key"] is not None:
        return None if row is None else str(row["audit_key"])
    # Of two who make one at once the first is kept.
    found = await connection.fetchval(
        "UPDATE person SET audit_key = COALESCE(audit_key, $2) WHERE moodle_id = $1 RETURNING audit_key",
        person,
        new_key(),
    )
    return None if found is None else str(found)


async def name_by_keys(connection: Connection) -> None:
    """Upgrade: older lines name people by Matrix id; give them the key of whoever held that place, or nobody's."""
    rows = await connection.fetch(
        "SELECT DISTINCT audit.room_id, audit.matrix_id, COALESCE(place.moodle_id, person.moodle_id) AS moodle_id "
        "FROM audit LEFT JOIN place ON place.room_id = audit.room_id AND place.matrix_id = audit.matrix_id "
        "LEFT JOIN person ON person.matrix_id = audit.matrix_id WHERE audit.matrix_id IS NOT NULL"
    )
    for row in rows:
        key = None if row["moodle_id"] is None else await key_of(connection, MoodleUserId(row["moodle_id"]))
        await connection.execute(
            "UPDATE audit SET person = $1, result = REPLACE(result, matrix_id, 'this account') "
            "WHERE matrix_id = $2 AND room_id = $3",
            key,
            row["matrix_id"],
            row["room_id"],
        )
    await connection.execute("UPDATE audit SET matrix_id = NULL WHERE matrix_id IS NOT NULL")
