"""The mirror: rooms as the homeserver pushed them, written so that a repeated or late push changes nothing.

Only rooms that the bot made (or that were adopted by a full read) are mirrored. Each row knows the event that it
came from; a row without one is an assumption from a request of ours and gives way to the first push. `change` is a
counter over all writes: a full read of a room does not overwrite what was pushed while it was under way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mautrix.util.async_db import Connection

from ..domain.model import (
    ActualMember,
    ActualRoom,
    CourseId,
    EventId,
    GroupId,
    Membership,
    RoomId,
    UserId,
)
from ..domain.order import Order
from ..domain.power import CANARY
from ..domain.rooms import RoomKey, RoomKind
from ..ports import Before, Event, OwnRoom, OwnWrite, Seen
from .commands import is_command, is_own_room, store_command
from .db import Db, Row, fetch_in
from .newest import NewestOwn, await_canary, newest_own
from .settings import next_number
from .versions import CREATE, MEMBER, with_memory, write_events

CHANGE = "mirror_change"
MESSAGES = frozenset({"m.room.message", "m.room.encrypted"})


@dataclass(slots=True)
class _Intake:
    """What one batch means beyond the mirror, while it is being stored."""

    rooms: dict[RoomId, set[str]] = field(default_factory=lambda: defaultdict(set))
    canaries: set[int] = field(default_factory=set)
    commands: list[EventId] = field(default_factory=list)
    invites: list[Event] = field(default_factory=list)


class MirrorBook:
    """The `mirror_*` and `direct_room` tables. `bot` is the appservice's own user."""

    def __init__(self, db: Db, *, bot: UserId, prefix: str) -> None:
        self._db = db
        self._bot = bot
        self._prefix = prefix
        self._no_chats: set[RoomId] = set()
        """Rooms of ours, of which it is known that they are nobody's direct chat."""

    async def take_in(self, events: Sequence[Event]) -> Seen:
        """Store one pushed batch, all of it or nothing, and say what it held for us."""
        intake = _Intake()

        state = [event for event in events if event.state_key is not None]
        messages = [event for event in events if event.state_key is None and self._may_be_for_us(event)]
        if not state and not messages:
            return Seen()

        async def work(connection: Connection) -> None:
            if state:
                await self._take_state(connection, state, intake)
            for event in messages:
                if await self._take_message(connection, event):
                    intake.commands.append(event.event_id)

        await self._db.transaction(work)
        return Seen(
            rooms={room: frozenset(types) for room, types in intake.rooms.items()},
            canaries=frozenset(intake.canaries),
            commands=tuple(intake.commands),
            invites=tuple(intake.invites),
        )

    def _may_be_for_us(self, event: Event) -> bool:
        """Most messages are other people's, and this is all that is done for them."""
        if event.type not in MESSAGES or event.sender == self._bot:
            return False
        return event.room_id not in self._no_chats or is_command(event, prefix=self._prefix)

    async def _take_message(self, connection: Connection, event: Event) -> bool:
        if await store_command(connection, event, prefix=self._prefix):
            return True
        if event.room_id not in self._no_chats and await is_own_room(connection, event.room_id):
            self._no_chats.add(event.room_id)
        return False

    async def _take_state(self, connection: Connection, events: Sequence[Event], intake: _Intake) -> None:
        change = await next_number(connection, CHANGE)
        rooms = sorted({event.room_id for event in events})
        found = await fetch_in(connection, "SELECT room_id FROM mirror_room WHERE room_id IN ({in})", rooms)
        known = {RoomId(row["room_id"]) for row in found}
        await _end_direct(connection, events)
        mirrored: list[Event] = []
        for event in events:
            if event.room_id in known or await self._meet(connection, event, intake):
                known.add(event.room_id)
                mirrored.append(event)
        orders = await write_events(connection, mirrored, change=change)
        newest = NewestOwn(self._bot)
        for event, order in zip(mirrored, orders, strict=True):
            if order is Order.UNCLEAR:
                await connection.execute("UPDATE mirror_room SET stale = 1 WHERE room_id = $1", event.room_id)
                intake.rooms[event.room_id].add(event.type)
            # A canary has come wherever it stands; it is the first one again where the homeserver was set back so far.
            if order is Order.NEWER or (order is Order.UNCLEAR and event.type == CANARY):
                self._notice(event, intake)
            if order in (Order.NEWER, Order.SAME):
                # Of state that we wrote the answer has told the id already: what is pushed is the same.
                newest.see(event)
        await newest.store(connection)

    async def _meet(self, connection: Connection, event: Event, intake: _Intake) -> bool:
        """Whether a room that we see for the first time is one to mirror: only if the bot itself writes state there."""
        if event.type == MEMBER and event.state_key == self._bot:
            # The bot's own membership says nothing: it also joins other people's direct chats.
            if event.sender != self._bot and event.content.get("membership") == "invite":
                intake.invites.append(event)
            return False
        if event.sender != self._bot:
            return False
        # Unless this is the very first event, something came before it that we have not seen: read the room.
        stale = 0 if event.type == CREATE else 1
        await connection.execute(
            "INSERT INTO mirror_room (room_id, stale) VALUES ($1, $2)", event.room_id, stale
        )
        return True

    def _notice(self, event: Event, intake: _Intake) -> None:
        if event.type == CANARY and event.sender == self._bot:
            counter = event.content.get("counter")
            if isinstance(counter, int):
                intake.canaries.add(counter)
        elif event.sender != self._bot:
            membership = event.content.get("membership")
            if event.type == MEMBER and event.state_key == self._bot and membership == "invite":
                intake.invites.append(event)
            # An accepted invite is what we wait for, not something to look at again.
            if not (event.type == MEMBER and membership == "join" and event.state_key == event.sender):
                intake.rooms[event.room_id].add(event.type)

    async def newest_own(self) -> OwnWrite | None:
        """The newest write of ours since the newest canary."""
        return await self._db.transaction(lambda connection: newest_own(connection, self._bot))

    async def unconfirmed(self, *, before: float) -> Mapping[RoomId, frozenset[UserId]]:
        """Whose memberships we have changed before this time, and have not been pushed back, by room.

        Of rooms that are to be read again anyway nothing is said.
        """
        # The bot's own membership of a room that it makes is assumed at no time.
        rows = await self._db.fetch(
            "SELECT room_id, user_id FROM mirror_member JOIN mirror_room USING (room_id) WHERE event_id IS NULL "
            "AND sent_at > 0 AND sent_at < $1 AND stale = 0",
            int(before * 1000),
        )
        return {
            RoomId(room_id): frozenset(UserId(row["user_id"]) for row in of_room)
            for room_id, of_room in _by_room(rows).items()
        }

    async def await_canary(self, process: str) -> None:
        """A canary of this process is about to be sent."""
        await self._db.transaction(lambda connection: await_canary(connection, process))

    async def begin_read(self) -> str:
        """The state of the change counter before a full read."""
        row = await self._db.fetch_one("SELECT value FROM setting WHERE name = $1", CHANGE)
        return "0" if row is None else str(row["value"])

    async def replace(self, room_id: RoomId, events: Sequence[Event], *, guard: str) -> None:
        """Overwrite a room by its full state; rows that were pushed since `guard` stay."""

        async def work(connection: Connection) -> None:
            change = await next_number(connection, CHANGE)
            remembering = await with_memory(connection, room_id, events)
            for table in ("mirror_state", "mirror_member"):
                await connection.execute(
                    f"DELETE FROM {table} WHERE room_id = $1 AND change <= $2", room_id, int(guard)
                )
            await connection.execute(
                "INSERT INTO mirror_room (room_id) VALUES ($1) ON CONFLICT (room_id) DO UPDATE SET stale = 0",
                room_id,
            )
            if Order.UNCLEAR in await write_events(connection, remembering, change=change):
                # Pushed while the room was read, and nobody can tell which is newer: the next reading does.
                await connection.execute("UPDATE mirror_room SET stale = 1 WHERE room_id = $1", room_id)

        await self._db.transaction(work)

    async def room(self, room_id: RoomId) -> ActualRoom | None:
        """A room as we know it."""
        return (await self._read([room_id])).get(room_id)

    async def rooms(self, room_ids: Sequence[RoomId]) -> Mapping[RoomId, ActualRoom]:
        """Those of these rooms that can be trusted as we know them."""
        return await self._read(room_ids, only_fresh=True)

    async def _read(
        self, room_ids: Sequence[RoomId], *, only_fresh: bool = False
    ) -> dict[RoomId, ActualRoom]:
        async def work(connection: Connection) -> dict[RoomId, ActualRoom]:
            found = await fetch_in(connection, "SELECT * FROM mirror_room WHERE room_id IN ({in})", room_ids)
            rows = {RoomId(row["room_id"]): row for row in found if not (only_fresh and row["stale"])}
            state = await fetch_in(
                connection,
                "SELECT room_id, type, state_key, content, sender FROM mirror_state WHERE room_id IN ({in})",
                list(rows),
            )
            members = await fetch_in(
                connection,
                "SELECT room_id, user_id, membership, sender, admitted, declined FROM mirror_member "
                "WHERE room_id IN ({in})",
                list(rows),
            )
            of_state, of_members = _by_room(state), _by_room(members)
            return {
                room_id: _actual(row, of_state.get(room_id, ()), of_members.get(room_id, ()))
                for room_id, row in rows.items()
            }

        return await self._db.transaction(work)

    async def forget(self, room_id: RoomId) -> None:
        """Drop a room."""

        async def work(connection: Connection) -> None:
            for table in ("mirror_state", "mirror_member", "mirror_room", "direct_room"):
                await connection.execute(f"DELETE FROM {table} WHERE room_id = $1", room_id)

        await self._db.transaction(work)

    async def is_stale(self, room_id: RoomId) -> bool:
        """Whether the room must be read again before the next write to it."""
        row = await self._db.fetch_one("SELECT stale FROM mirror_room WHERE room_id = $1", room_id)
        return row is None or bool(row["stale"])

    async def mark_stale(self, room_id: RoomId | None = None) -> None:
        """Mark one room, or all, to be read again."""
        if room_id is None:
            await self._db.execute("UPDATE mirror_room SET stale = 1")
        else:
            await self._db.execute("UPDATE mirror_room SET stale = 1 WHERE room_id = $1", room_id)

    async def before(self, room_id: RoomId, event_type: str, state_key: str) -> Before:
        """What we know of one member or state event just before a request."""
        if event_type == MEMBER:
            query = "SELECT event_id FROM mirror_member WHERE room_id = $1 AND user_id = $2"
            row = await self._db.fetch_one(query, room_id, state_key)
        else:
            query = "SELECT event_id FROM mirror_state WHERE room_id = $1 AND type = $2 AND state_key = $3"
            row = await self._db.fetch_one(query, room_id, event_type, state_key)
        return Before(None, False) if row is None else Before(row["event_id"], True)

    async def members_before(self, room_id: RoomId, users: Collection[UserId]) -> Mapping[UserId, Before]:
        """What we know of these members just before requests."""
        query = "SELECT user_id, event_id FROM mirror_member WHERE room_id = $1 AND user_id IN ({in})"
        known = {row["user_id"]: row["event_id"] for row in await self._db.fetch_in(query, users, room_id)}
        return {user: Before(known.get(user), user in known) for user in users}

    async def find_marked(self, site: str, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """Rooms of the bot with our marker for this course, of the newest generation each."""
        rows = await self._db.fetch(
            "SELECT * FROM mirror_room WHERE marker_course = $1 AND marker_site = $2 "
            "AND marker_sender = $3 AND (creator = $3 OR marker_adopted = 1) ORDER BY marker_generation",
            course_id,
            site,
            self._bot,
        )
        kinds = {str(kind) for kind in RoomKind if kind.is_of_course}
        return {
            RoomKey(RoomKind(row["marker_room"]), course_id, GroupId(row["marker_group"])): OwnRoom(
                RoomId(row["room_id"]), row["marker_generation"]
            )
            for row in rows
            if row["marker_room"] in kinds
        }

    async def joined_with(self, user_id: UserId) -> Sequence[RoomId]:
        """Direct chats with this person, newest first."""
        rows = await self._db.fetch(
            "SELECT room_id FROM direct_room WHERE user_id = $1 ORDER BY number DESC", user_id
        )
        return [RoomId(row["room_id"]) for row in rows]

    async def set_direct(self, user_id: UserId, room_id: RoomId) -> None:
        """Record a direct chat."""

        async def work(connection: Connection) -> None:
            number = await next_number(connection, "direct_room")
            await connection.execute(
                "INSERT INTO direct_room (room_id, user_id, number) VALUES ($1, $2, $3) "
                "ON CONFLICT (room_id) DO UPDATE SET user_id = excluded.user_id, number = excluded.number",
                room_id,
                user_id,
                number,
            )

        await self._db.transaction(work)

    async def direct_partner(self, room_id: RoomId) -> UserId | None:
        """Whose direct chat a room is."""
        row = await self._db.fetch_one("SELECT user_id FROM direct_room WHERE room_id = $1", room_id)
        return None if row is None else UserId(row["user_id"])


async def _end_direct(connection: Connection, events: Sequence[Event]) -> None:
    """A direct chat that the person has left is none any more."""
    left = {
        (event.room_id, event.state_key)
        for event in events
        if event.type == MEMBER and event.content.get("membership") in (Membership.LEAVE, Membership.BAN)
    }
    rows = await fetch_in(
        connection,
        "SELECT room_id, user_id FROM direct_room WHERE room_id IN ({in})",
        sorted({room_id for room_id, _ in left}),
    )
    for row in rows:
        if (row["room_id"], row["user_id"]) in left:
            await connection.execute("DELETE FROM direct_room WHERE room_id = $1", row["room_id"])


def _by_room(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["room_id"], []).append(row)
    return found


def _actual(room: Row, state: Sequence[Row], members: Sequence[Row]) -> ActualRoom:
    return ActualRoom(
        room_id=RoomId(room["room_id"]),
        version=room["version"],
        creator=UserId(room["creator"]),
        state={(row["type"], row["state_key"]): json.loads(row["content"]) for row in state},
        members={
            UserId(row["user_id"]): ActualMember(
                Membership(row["membership"]),
                UserId(row["sender"]),
                bool(row["admitted"]),
                bool(row["declined"]),
            )
            for row in members
        },
        senders={(row["type"], row["state_key"]): UserId(row["sender"]) for row in state},
    )
