"""Memberships that we have changed and that were not pushed back are found by an index of their own: they are few."""

from __future__ import annotations

from mautrix.util.async_db import Connection

_STATEMENTS = ("CREATE INDEX mirror_member_unconfirmed ON mirror_member (sent_at) WHERE event_id IS NULL",)


async def unconfirmed(connection: Connection) -> None:
    """An index alone."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
