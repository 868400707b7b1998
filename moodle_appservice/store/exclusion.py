"""Who was erased: a salted hash of the Moodle id, so that the next pass does not make the person anew.

The salt is random and lies in this database alone: a hash tells nothing to whoever has it without the database.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection

from mautrix.util.async_db import Connection

from ..domain.model import MoodleUserId
from .db import fetch_in

SALT = "exclusion_salt"
SALT_BYTES = 32


async def salt(connection: Connection) -> bytes:
    """The salt of this database, made at the first need."""
    await connection.execute(
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        SALT,
        secrets.token_hex(SALT_BYTES),
    )
    return bytes.fromhex(await connection.fetchval("SELECT value FROM setting WHERE name = $1", SALT))


def hash_of(user_id: MoodleUserId, key: bytes) -> str:
    """What stays of an erased person."""
    return hmac.new(key, f"moodle user {user_id}".encode(), "sha256").hexdigest()


async def excluded(connection: Connection, user_ids: Collection[MoodleUserId]) -> frozenset[MoodleUserId]:
    """Who of these was erased. One small query where nobody ever was."""
    if not user_ids or await connection.fetchval("SELECT COUNT(*) FROM exclusion") == 0:
        return frozenset()
    key = await salt(connection)
    hashes = {hash_of(user_id, key): user_id for user_id in user_ids}
    rows = await fetch_in(
        connection, "SELECT person_hash FROM exclusion WHERE person_hash IN ({in})", list(hashes)
    )
    return frozenset(hashes[row["person_hash"]] for row in rows)
