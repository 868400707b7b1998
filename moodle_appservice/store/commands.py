"""Messages to the bot: stored with the push that brought them, claimed once before they are answered.

A message is for the bot when it starts with the prefix (in a room of ours) or stands in a direct chat. Notices (that is
how bots speak), edits, and what the bot itself has said are none. An encrypted message in a direct chat is one too: it
can't be read, and its sender is to learn that.
"""

from __future__ import annotations

from mautrix.util.async_db import Connection

from ..ports import Event

MAX_BODY = 4000
LONG_PREFIX = "!moodle"
"""Understood in rooms whatever the configured prefix is."""
MANAGEMENT_ROOM = "management_room"
"""The setting with the id of the room in which administrators talk with the bot."""


def is_command(event: Event, *, prefix: str) -> bool:
    """Whether a message is for the bot in whatever room it stands; nothing is asked for that."""
    relation = event.content.get("m.relates_to")
    body = _words_of(event, relation if isinstance(relation, dict) else {})
    return body is not None and _has_prefix(body, prefix)


async def is_own_room(connection: Connection, room_id: str) -> bool:
    """Whether a room is one that we keep for a course, a category or the site: nobody's direct chat, ever."""
    query = "SELECT room_id FROM room WHERE room_id = $1"
    return await connection.fetchrow(query, room_id) is not None


def _has_prefix(body: str, prefix: str) -> bool:
    return body.startswith(prefix) or body.lower().startswith(LONG_PREFIX)


async def store_command(connection: Connection, event: Event, *, prefix: str) -> bool:
    """Store a message for the bot inside the push's transaction; False where it is none, or was stored before."""
    encrypted = event.type == "m.room.encrypted"
    relation = event.content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    body = "" if encrypted else _words_of(event, relation)
    if body is None or relation.get("rel_type") == "m.replace":
        return False
    if not await _is_for_us(connection, event, has_prefix=_has_prefix(body, prefix)):
        return False
    thread = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
    row = await connection.fetchrow(
        "INSERT INTO command (event_id, room_id, sender, body, sent_at, thread, state, encrypted) "
        "VALUES ($1, $2, $3, $4, $5, $6, 'new', $7) ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
        event.event_id,
        event.room_id,
        event.sender,
        body[:MAX_BODY],
        event.timestamp / 1000,
        thread if isinstance(thread, str) else None,
        int(encrypted),
    )
    return row is not None


def _words_of(event: Event, relation: dict[str, object]) -> str | None:
    """What somebody has written, without what a client quotes in front of a reply; None where it is no text."""
    body = event.content.get("body")
    if event.content.get("msgtype") != "m.text" or not isinstance(body, str):
        return None
    if "m.in_reply_to" not in relation or not body.startswith("> "):
        return body
    lines = body.split("\n")
    while lines and lines[0].startswith(">"):
        del lines[0]
    return "\n".join(lines).lstrip("\n")


async def _is_for_us(connection: Connection, event: Event, *, has_prefix: bool) -> bool:
    room_id = event.room_id
    if await connection.fetchrow("SELECT room_id FROM direct_room WHERE room_id = $1", room_id) is not None:
        return True
    if not has_prefix:
        return False
    if await is_own_room(connection, room_id):
        return True
    management = await connection.fetchrow("SELECT value FROM setting WHERE name = $1", MANAGEMENT_ROOM)
    return management is not None and management["value"] == room_id
