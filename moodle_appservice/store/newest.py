"""The newest event of ours that the homeserver has pushed back since the newest canary.

A homeserver that was restored from a backup which was made between two of our writes shows the canary ahead of them,
and lacks the second. What it pushed of ours last it must still have, so that is what it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from mautrix.util.async_db import Connection

from ..domain.model import RoomId, UserId
from ..domain.order import Version
from ..domain.power import CANARY
from ..ports import Event, OwnWrite
from .db import Row

NEWEST = "newest_write"
_MEMBER = "m.room.member"
_AWAITED = "waiting:"
"""Begins the value while a canary (of the process that is named) is on its way: what is pushed before it is older."""


class NewestOwn:
    """Which of the events of one pushed batch is the newest of ours."""

    def __init__(self, bot: UserId) -> None:
        self._bot = bot
        self._canaries: list[str] = []
        self._newest: str | None = None

    def see(self, event: Event) -> None:
        """Take a state event that stands now, in the order of the batch."""
        if event.sender != self._bot or event.state_key is None:
            return
        if event.type == CANARY:
            self._canaries.append(event.state_key)
            self._newest = ""
        elif event.type != _MEMBER or event.state_key != self._bot:
            self._newest = json.dumps([event.room_id, event.type, event.state_key])

    async def store(self, connection: Connection) -> None:
        """Keep it, inside the transaction that stores the batch."""
        for process in self._canaries:
            await connection.execute(
                "UPDATE setting SET value = '' WHERE name = $1 AND value = $2", NEWEST, _AWAITED + process
            )
        if self._newest is not None:
            await connection.execute(
                "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE "
                f"SET value = excluded.value WHERE setting.value NOT LIKE '{_AWAITED}%'",
                NEWEST,
                self._newest,
            )


async def await_canary(connection: Connection, process: str) -> None:
    """A canary of this process (empty: the only one) is about to be sent; nothing is the newest until it is back."""
    await connection.execute(
        "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        NEWEST,
        _AWAITED + process,
    )


async def about(connection: Connection, accounts: Collection[UserId]) -> list[Row]:
    """The row of the `setting` table, where the newest write is the membership of one of these accounts."""
    rows = await connection.fetch("SELECT name, value FROM setting WHERE name = $1", NEWEST)
    return [row for row in rows if row["value"].startswith("[") and json.loads(row["value"])[2] in accounts]


async def forget(connection: Connection, accounts: Collection[UserId]) -> None:
    """Where it is about one of these, there is none until the next: the canary is looked at meanwhile."""
    if await about(connection, accounts):
        await connection.execute("UPDATE setting SET value = '' WHERE name = $1", NEWEST)


async def newest_own(connection: Connection, bot: UserId) -> OwnWrite | None:
    """What the homeserver must have, or None: where the canary is newer, or nobody can tell.

    The version is that which stands there now: others may have written over ours, and were pushed.
    """
    value = await connection.fetchval("SELECT value FROM setting WHERE name = $1", NEWEST)
    if not value or value.startswith(_AWAITED):
        return None
    room_id, event_type, state_key = json.loads(value)
    is_told = await connection.fetchval(
        "SELECT 1 FROM mirror_member JOIN mirror_room USING (room_id) "
        "WHERE room_id = $1 AND user_id = $2 AND membership = 'join' AND stale = 0",
        room_id,
        bot,
    )
    if is_told is None:
        # Who is not in a room is shown nothing of it; and of a room that is to be read again we know too little.
        return None
    table, key = ("mirror_member", "user_id") if event_type == _MEMBER else ("mirror_state", "state_key")
    row = await connection.fetchrow(
        f"SELECT event_id, replaces, sent_at FROM {table} WHERE room_id = $1 AND {key} = $2"
        + ("" if event_type == _MEMBER else " AND type = $3"),
        *([room_id, state_key] if event_type == _MEMBER else [room_id, state_key, event_type]),
    )
    if row is None or row["event_id"] is None:
        return None
    version = Version(row["event_id"], row["replaces"], row["sent_at"])
    return OwnWrite(RoomId(room_id), event_type, state_key, version)
