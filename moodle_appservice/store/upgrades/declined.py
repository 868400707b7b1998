"""Whether somebody who is out of a room has refused the invite, or has been in it: two numbers of a status."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = ("ALTER TABLE mirror_member ADD COLUMN declined BIGINT NOT NULL DEFAULT 0",)


async def declined(connection: Connection) -> None:
    """Of whom we know that they are out already, nobody can tell: they count as people who have left."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
