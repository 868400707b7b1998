"""What a room tells when our books of it begin in the middle: who had left it by choice, and who has named it.

All of it is read from the mirror, inside the transaction that books the room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mautrix.util.async_db import Connection

from ..domain.model import RoomId, UserId
from ..domain.power import MARKER
from .db import Row

NAMES = {"name": "name", "topic": "topic", "url": "avatar"}
"""Key in the content of `m.room.<column>` → the columns in which we keep what we wrote there."""


def generation_in(content: Mapping[str, Any]) -> int:
    """Of a room that is made: as its marker says."""
    markers = (event["content"] for event in content.get("initial_state", ()) if event["type"] == MARKER)
    return next((marker.get("generation", 1) for marker in markers), 1)


def avatar_in(content: Mapping[str, Any]) -> str | None:
    """The picture with which a room is made."""
    states = (one["content"] for one in content.get("initial_state", ()) if one["type"] == "m.room.avatar")
    return next((state.get("url") for state in states), None)


async def levels_of_known(connection: Connection, room_id: RoomId) -> dict[str, int]:
    """The levels in a room of people whom we know from Moodle."""
    row = await connection.fetchrow(
        "SELECT content FROM mirror_state WHERE room_id = $1 AND type = 'm.room.power_levels' AND state_key = ''",
        room_id,
    )
    users = json.loads(row["content"]).get("users") if row else None
    found: dict[str, int] = {}
    for user, level in users.items() if isinstance(users, dict) else ():
        known = await connection.fetchrow("SELECT moodle_id FROM person WHERE matrix_id = $1", user)
        if known is not None and isinstance(level, int):
            found[user] = level
    return found


async def book_departed(connection: Connection, room_id: RoomId) -> None:
    """Who is out of the room by the own choice: they left, or declined, and nobody put them out."""
    await connection.execute(
        "INSERT INTO departed (room_id, matrix_id) SELECT room_id, user_id FROM mirror_member "
        "WHERE room_id = $1 AND membership = 'leave' AND sender = user_id ON CONFLICT (room_id, matrix_id) DO NOTHING",
        room_id,
    )


async def book_names(connection: Connection, room_id: RoomId, bot: UserId, *, at: float) -> None:
    """A name of the bot's is what we last wrote; a name of anybody else's is to be kept."""
    for key, column in NAMES.items():
        row = await connection.fetchrow(
            "SELECT content, sender FROM mirror_state WHERE room_id = $1 AND type = $2 AND state_key = ''",
            room_id,
            f"m.room.{column}",
        )
        said = json.loads(row["content"]).get(key) if row else None
        text = said if isinstance(said, str) and said else None
        is_ours = row is not None and row["sender"] == bot
        await connection.execute(
            f"UPDATE room SET {column}_written = $2, {column}_kept = $3 WHERE room_id = $1",
            *(room_id, text if is_ours else None, int(text is not None and not is_ours)),
        )
    await connection.execute("UPDATE room SET found_at = $2 WHERE room_id = $1", room_id, at)


async def book_name(
    connection: Connection, room_id: RoomId, event_type: str, content: Mapping[str, Any]
) -> None:
    """We have written, or agreed to, a name, a topic or a picture."""
    for key, column in NAMES.items():
        if event_type == f"m.room.{column}":
            await connection.execute(
                f"UPDATE room SET {column}_written = $2, {column}_kept = 0 WHERE room_id = $1",
                room_id,
                content.get(key),
            )


async def move_books(connection: Connection, old: RoomId, new: RoomId) -> None:
    """A room was replaced by another: everything that we know of it is about that one now.

    Who has left the old one by choice is not in the new one, and has left it all the same.
    """
    await connection.execute(
        "INSERT INTO departed (room_id, matrix_id) SELECT $2, user_id FROM mirror_member "
        "WHERE room_id = $1 AND membership = 'leave' AND sender = user_id AND user_id IN "
        "(SELECT matrix_id FROM place WHERE room_id = $1 AND wanted = 1) ON CONFLICT (room_id, matrix_id) DO NOTHING",
        old,
        new,
    )
    await connection.execute("DELETE FROM place WHERE room_id = $1", new)
    await connection.execute("DELETE FROM room WHERE room_id = $1", new)
    for table in ("room", "place"):
        await connection.execute(f"UPDATE {table} SET room_id = $2 WHERE room_id = $1", old, new)
    await connection.execute(
        "INSERT INTO departed (room_id, matrix_id) SELECT $2, matrix_id FROM departed WHERE room_id = $1 "
        "ON CONFLICT (room_id, matrix_id) DO NOTHING",
        old,
        new,
    )
    for table in ("departed", "hold", "drift", "room_look"):
        await connection.execute(f"DELETE FROM {table} WHERE room_id = $1", old)


async def forget_departed(connection: Connection, room_id: RoomId, user: UserId) -> None:
    """Somebody may be invited again."""
    await connection.execute("DELETE FROM departed WHERE room_id = $1 AND matrix_id = $2", room_id, user)


def answered(place: Row) -> bool:
    """Whether the membership has changed since an invite was intended, of which we do not know that it was sent."""
    return bool(place["intended"]) and place["event_now"] not in (None, place["intended_over"])
