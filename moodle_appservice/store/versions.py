"""State events in bulk: what stands there is read once, what is newer is written once, in as few trips as possible.

The order in which events come decides nothing that their chain of replacements does not: each is compared with what
stands there after the events before it, in memory, and only the last version of each key is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from mautrix.util.async_db import Connection

from ..domain.model import Membership, RoomId
from ..domain.order import Order, Version, compare
from ..domain.power import MARKER
from ..ports import Event
from .assume import note_marker
from .db import Row, to_json

CREATE: Final = "m.room.create"
MEMBER: Final = "m.room.member"
AT_ONCE: Final = 250
"""Keys in one question; each takes up to three of SQLite's variables."""
Key: TypeAlias = tuple[str, str, str]
"""Room, type, state key."""


async def write_events(connection: Connection, events: Sequence[Event], *, change: int) -> list[Order]:
    """Write state events where they are newer than what stands there; says how each related to what was before it."""
    current = await _standing(connection, {key_of(event) for event in events})
    newest: dict[Key, Event] = {}
    orders: list[Order] = []
    for event in events:
        key = key_of(event)
        incoming = Version(event.event_id, event.replaces, event.timestamp)
        order = compare(current.get(key), incoming)
        if order is Order.NEWER:
            current[key], newest[key] = incoming, event
        orders.append(order)
    await _write(connection, newest.values(), change)
    return orders


async def with_memory(connection: Connection, room_id: RoomId, events: Sequence[Event]) -> list[Event]:
    """The events of a full read, each leave with the membership before it where the mirror still knows that.

    The state of a room does not tell what was there before, as pushed events do.
    """
    rows = await connection.fetch(
        "SELECT user_id, event_id, membership, declined FROM mirror_member WHERE room_id = $1 "
        "AND event_id IS NOT NULL AND (membership = 'invite' OR declined = 1)",
        room_id,
    )
    invited = {(row["user_id"], row["event_id"]) for row in rows if not row["declined"]}
    refused = {(row["user_id"], row["event_id"]) for row in rows if row["declined"]}
    return [
        replace(event, prev_membership=Membership.INVITE)
        if event.type == MEMBER
        and ((event.state_key, event.replaces) in invited or (event.state_key, event.event_id) in refused)
        else event
        for event in events
    ]


def key_of(event: Event) -> Key:
    """What an event is a version of."""
    return event.room_id, event.type, event.state_key or ""


async def _standing(connection: Connection, keys: Iterable[Key]) -> dict[Key, Version]:
    wanted = sorted(keys)
    members = [(room, user) for room, event_type, user in wanted if event_type == MEMBER]
    others = [key for key in wanted if key[1] != MEMBER]
    rows = await _found(connection, "mirror_member", ("room_id", "user_id"), members)
    found = {(row["room_id"], MEMBER, row["user_id"]): _version(row) for row in rows}
    rows = await _found(connection, "mirror_state", ("room_id", "type", "state_key"), others)
    found.update({(row["room_id"], row["type"], row["state_key"]): _version(row) for row in rows})
    return found


async def _found(
    connection: Connection, table: str, columns: tuple[str, ...], keys: Sequence[tuple[str, ...]]
) -> list[Row]:
    """Rows by their whole keys: a join with the wanted ones, which both engines do by the primary key."""
    rows: list[Row] = []
    width = len(columns)
    named = ", ".join(columns)
    same = " AND ".join(f"{table}.{column} = wanted.{column}" for column in columns)
    for start in range(0, len(keys), AT_ONCE):
        part = keys[start : start + AT_ONCE]
        marks = ", ".join(
            f"({', '.join(f'${number * width + place}' for place in range(1, width + 1))})"
            for number in range(len(part))
        )
        rows.extend(
            await connection.fetch(
                f"WITH wanted ({named}) AS (VALUES {marks}) SELECT {table}.* FROM wanted JOIN {table} ON {same}",
                *[text for key in part for text in key],
            )
        )
    return rows


def _version(row: Row) -> Version:
    return Version(row["event_id"], row["replaces"], row["sent_at"])


async def _write(connection: Connection, events: Iterable[Event], change: int) -> None:
    newest = list(events)
    members = [_member(event, change) for event in newest if event.type == MEMBER]
    others = [event for event in newest if event.type != MEMBER]
    if members:
        await connection.executemany(
            "INSERT INTO mirror_member (room_id, user_id, membership, sender, event_id, replaces, sent_at, change, "
            "admitted, declined) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
            "ON CONFLICT (room_id, user_id) DO UPDATE SET "
            "membership = excluded.membership, sender = excluded.sender, event_id = excluded.event_id, "
            "replaces = excluded.replaces, sent_at = excluded.sent_at, change = excluded.change, "
            "admitted = excluded.admitted, declined = excluded.declined",
            members,
        )
    if others:
        await connection.executemany(
            "INSERT INTO mirror_state (room_id, type, state_key, content, sender, event_id, replaces, sent_at, "
            "change) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (room_id, type, state_key) "
            "DO UPDATE SET content = excluded.content, sender = excluded.sender, event_id = excluded.event_id, "
            "replaces = excluded.replaces, sent_at = excluded.sent_at, change = excluded.change",
            [_state(event, change) for event in others],
        )
    for event in others:
        await _note(connection, event)


def _member(event: Event, change: int) -> tuple[Any, ...]:
    membership = event.content.get("membership")
    known = Membership.LEAVE
    if isinstance(membership, str) and membership in set(Membership):
        known = Membership(membership)
    # Only a restricted join names somebody who vouches for it (specification, "Restricted rooms").
    admitted = known is Membership.JOIN and bool(event.content.get("join_authorised_via_users_server"))
    written = (event.room_id, event.state_key, str(known), event.sender, event.event_id, event.replaces)
    return (*written, event.timestamp, change, int(admitted), int(event.is_refusal))


def _state(event: Event, change: int) -> tuple[Any, ...]:
    content = to_json(dict(event.content))
    written = (event.room_id, event.type, event.state_key, content, event.sender, event.event_id)
    return (*written, event.replaces, event.timestamp, change)


async def _note(connection: Connection, event: Event) -> None:
    """What stands beside the room itself."""
    if event.type == CREATE:
        version = event.content.get("room_version")
        await connection.execute(
            "UPDATE mirror_room SET version = $2, creator = $3 WHERE room_id = $1",
            event.room_id,
            # What is no version is taken for the first, as rooms without one are.
            version if isinstance(version, str) and version.isprintable() else "1",
            event.sender,
        )
    elif event.type == MARKER:
        await note_marker(connection, event.room_id, event.content, event.sender)
