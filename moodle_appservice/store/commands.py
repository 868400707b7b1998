"""Messages to the bot: stored with the push that brought them, claimed once before they are answered.

A message is for the bot when it starts with the prefix (in a room of ours) or stands in a direct chat.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

from ..ports import Event

MAX_BODY = 1000
LONG_PREFIX = "!moodle"
"""Understood in rooms whatever the configured prefix is."""


async def store_command(connection: Connection, event: Event, *, prefix: str) -> bool:
    """Store a message for the bot inside the push's transaction; False where it is none, or was stored before."""
    body = event.content.get("body")
    if event.content.get("msgtype") != "m.text" or not isinstance(body, str):
        return False
    relation = event.content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    if relation.get("rel_type") == "m.replace":
        return False
    has_prefix = body.startswith(prefix) or body.lower().startswith(LONG_PREFIX)
    if not await _is_for_us(connection, event, has_prefix=has_prefix):
        return False
    thread = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
    row = await connection.fetchrow(
        "INSERT INTO command (event_id, room_id, sender, body, sent_at, thread, state) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'new') ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
        event.event_id,
        event.room_id,
        event.sender,
        body[:MAX_BODY],
        event.timestamp / 1000,
        thread if isinstance(thread, str) else None,
    )
    return row is not None


async def _is_for_us(connection: Connection, event: Event, *, has_prefix: bool) -> bool:
    table = "room" if has_prefix else "direct_room"
    found = await connection.fetchrow(f"SELECT room_id FROM {table} WHERE room_id = $1", event.room_id)
    if found is None and has_prefix:
        found = await connection.fetchrow("SELECT room_id FROM direct_room WHERE room_id = $1", event.room_id)
    return found is not None
