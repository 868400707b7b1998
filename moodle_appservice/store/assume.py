"""What the mirror may assume after a request that the homeserver accepted, until the push confirms it.

An assumption has no event id, so the first push replaces it. It is written only where the row is still as it was
when the request was planned: a push that was faster knows more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mautrix.util.async_db import Connection

from ..domain.model import RoomId, UserId
from ..domain.power import MARKER
from ..ports import Done
from .db import to_json
from .settings import next_number

CHANGE = "mirror_change"


async def assume_member(
    connection: Connection, done: Done, user: UserId, membership: str, bot: UserId
) -> None:
    """A membership that an invite or a kick of ours has just made."""
    last = await next_number(connection, CHANGE)
    await assume_members(connection, [(done, user)], membership, bot, last=last)


async def assume_members(
    connection: Connection, made: Sequence[tuple[Done, UserId]], membership: str, bot: UserId, *, last: int
) -> None:
    """The same for many, of which no two are one person in one room. `last`: the last number of `CHANGE` for them."""
    changed, new = [], []
    for change, (done, user) in enumerate(made, start=last - len(made) + 1):
        values = (done.room_id, user, membership, bot, int(done.at * 1000), change)
        if done.before.exists:
            changed.append((*values, done.before.event_id or ""))
        else:
            new.append(values)
    if changed:
        await connection.executemany(
            "UPDATE mirror_member SET membership = $3, sender = $4, event_id = NULL, replaces = NULL, sent_at = $5, "
            "change = $6, declined = 0 WHERE room_id = $1 AND user_id = $2 AND COALESCE(event_id, '') = $7",
            changed,
        )
    if new:
        await connection.executemany(
            "INSERT INTO mirror_member (room_id, user_id, membership, sender, sent_at, change) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room_id, user_id) DO NOTHING",
            new,
        )


async def assume_state(
    connection: Connection,
    done: Done,
    event_type: str,
    state_key: str,
    content: Mapping[str, Any],
    bot: UserId,
) -> None:
    """A state event that a request of ours has just set; `done.event_id` is known from the answer."""
    change = await next_number(connection, CHANGE)
    values = (
        done.room_id,
        event_type,
        state_key,
        to_json(dict(content)),
        bot,
        done.event_id,
        int(done.at * 1000),
        change,
    )
    if done.before.exists:
        await connection.execute(
            "UPDATE mirror_state SET content = $4, sender = $5, event_id = $6, replaces = NULL, sent_at = $7, "
            "change = $8 WHERE room_id = $1 AND type = $2 AND state_key = $3 AND COALESCE(event_id, '') = $9",
            *values,
            done.before.event_id or "",
        )
    else:
        await connection.execute(
            "INSERT INTO mirror_state (room_id, type, state_key, content, sender, event_id, sent_at, change) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (room_id, type, state_key) DO NOTHING",
            *values,
        )


async def assume_room(
    connection: Connection, room_id: RoomId, content: Mapping[str, Any], bot: UserId
) -> None:
    """The state of a room that a createRoom of ours has just made, from the request's body."""
    change = await next_number(connection, CHANGE)
    state = _state_of_new(content, bot)
    version = state["m.room.create", ""]["room_version"]
    await connection.execute(
        "INSERT INTO mirror_room (room_id, version, creator) VALUES ($1, $2, $3) ON CONFLICT (room_id) DO NOTHING",
        room_id,
        version,
        bot,
    )
    for (event_type, state_key), event_content in state.items():
        await connection.execute(
            "INSERT INTO mirror_state (room_id, type, state_key, content, sender, sent_at, change) "
            "VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (room_id, type, state_key) DO NOTHING",
            room_id,
            event_type,
            state_key,
            to_json(event_content),
            bot,
            change,
        )
    await connection.execute(
        "INSERT INTO mirror_member (room_id, user_id, membership, sender, sent_at, change) "
        "VALUES ($1, $2, 'join', $2, 0, $3) ON CONFLICT (room_id, user_id) DO NOTHING",
        room_id,
        bot,
        change,
    )
    marker = state.get((MARKER, ""))
    if marker is not None:
        await note_marker(connection, room_id, marker, bot)


def _state_of_new(content: Mapping[str, Any], bot: UserId) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(type, state key) → content, as a homeserver makes it of the body of a createRoom."""
    return {
        ("m.room.create", ""): {"room_version": str(content.get("room_version", ""))},
        ("m.room.name", ""): {"name": content.get("name", "")},
        ("m.room.topic", ""): {"topic": content.get("topic", "")},
        ("m.room.power_levels", ""): content.get("power_level_content_override", {}),
        # With the alias that we ask for the homeserver names the room as well.
        ("m.room.canonical_alias", ""): {"alias": _alias(content, bot)},
        **{
            (event["type"], event["state_key"]): event["content"]
            for event in content.get("initial_state", ())
        },
    }


def _alias(content: Mapping[str, Any], bot: UserId) -> str:
    return f"#{content.get('room_alias_name', '')}:{bot.partition(':')[2]}"


async def note_marker(
    connection: Connection, room_id: RoomId, content: Mapping[str, Any], sender: UserId
) -> None:
    """Keep what a marker says beside its room, so that the room of a course is found without reading all markers."""
    course, generation = content.get("moodle_id"), content.get("generation", 1)
    site, room, group = content.get("site"), content.get("room", "main"), content.get("group", 0)
    if not (isinstance(site, str) and isinstance(room, str) and site.isprintable() and room.isprintable()):
        return
    if not all(isinstance(number, int) and abs(number) < 2**62 for number in (course, generation, group)):
        return
    await connection.execute(
        "UPDATE mirror_room SET marker_site = $2, marker_course = $3, marker_generation = $4, marker_sender = $5, "
        "marker_room = $6, marker_group = $7, marker_adopted = $8 WHERE room_id = $1",
        room_id,
        site,
        course,
        generation,
        sender,
        room,
        group,
        int(content.get("adopted") is True),
    )
