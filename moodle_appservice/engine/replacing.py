"""Rooms that take the place of others: a tombstone that is followed, and rooms of old versions that are upgraded.

A tombstone may be anybody's who has the power to put one up, and lead anywhere. It is followed only where the other
room names the old one as its predecessor and the bot has all power there; then the books move over, and the plan does
the rest: marker, levels, links from the space, people. An upgrade of ours is followed in the same way, also after a
crash in the middle of it.
(Matrix specification, "Room upgrades".)
"""

from __future__ import annotations

import logging

from ..domain.model import ActualRoom, RoomId
from ..domain.power import MARKER
from ..domain.repairs import TOMBSTONE
from ..domain.rights import POWER, level_in, needed_for_state, what_is_missing
from ..domain.rooms import RoomKey
from ..domain.rules import Rules
from ..errors import AppError, PermanentFailure, TemporaryFailure
from ..ports import Clock, Matrix, Priority, Queue, Store, key_of_room

SIGNAL = "upgrade"
log = logging.getLogger(__name__)


class Replacing:
    """Follows tombstones and upgrades rooms."""

    def __init__(self, matrix: Matrix, store: Store, queue: Queue, rules: Rules, clock: Clock) -> None:
        self._matrix = matrix
        self._store = store
        self._queue = queue
        self._rules = rules
        self._clock = clock

    async def follow(self, key: RoomKey, room_id: RoomId, replacement: RoomId) -> None:
        """Take the other room for this one. Raises `PermanentFailure` where it is not to be trusted; nothing is moved.

        What was read of a room that is not followed is forgotten again.
        """
        came = False
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(replacement)
        except PermanentFailure:
            await self._matrix.join(replacement)
            came = True
            events = await self._matrix.read_state(replacement)
        await self._store.mirror.replace(replacement, events, guard=guard)
        room = await self._store.mirror.room(replacement)
        why = why_not_followed(room, room_id, self._rules) if room is not None else "It can't be read."
        if why:
            await self._store.mirror.forget(replacement)
            if came:
                await self._matrix.leave(replacement)
            raise PermanentFailure(f"The tombstone in {room_id} ({key}) is not followed. {why}")
        if room is not None and room.creator != self._rules.bot:
            await self._mark(room_id, replacement)
        await self._store.ledger.move(room_id, replacement)
        course_id = key.course_id
        await self._store.journal.note(
            "RoomReplaced",
            at=self._clock.now(),
            why=f"The room {room_id} was replaced by {replacement}, which takes its place in the books.",
            course_id=course_id,
            room_id=replacement,
        )
        log.info("The room %s of %s was replaced by %s, which is ours now.", room_id, key, replacement)

    async def _mark(self, room_id: RoomId, replacement: RoomId) -> None:
        """A room that somebody else made in the place of ours is one that was adopted."""
        old = await self._store.mirror.room(room_id)
        content = {**old.content(MARKER), "adopted": True} if old is not None else {"adopted": True}
        await self._matrix.set_state(replacement, MARKER, "", content)
        await self._store.mirror.mark_stale(replacement)

    async def upgrade_all(self) -> list[str]:
        """Upgrade every room whose version is older than the configured one; a sentence for each.

        The people of a room come back by its plan: they are invited anew.
        """
        said = []
        for room_id, key in sorted((await self._store.ledger.every()).items(), key=lambda one: one[1].rank):
            if await self._store.ledger.room_of(key) != room_id:
                continue
            room = await self._store.mirror.room(room_id)
            if room is not None and is_older(room.version, self._rules.room_version):
                said.append(await self._upgrade(key, room))
        return said

    async def _upgrade(self, key: RoomKey, room: ActualRoom) -> str:
        named = room.content(TOMBSTONE).get("replacement_room")
        what = f"{key}: {room.room_id}, version {room.version}"
        try:
            if isinstance(named, str) and named:
                new = RoomId(named)
            else:
                if level_in(room, self._rules.bot) < needed_for_state(room, TOMBSTONE):
                    return f"{what}: not upgraded. {_no_power(room, self._rules)}"
                new = await self._matrix.upgrade(room.room_id, self._rules.room_version)
            await self.follow(key, room.room_id, new)
        except TemporaryFailure as failure:
            return f"{what}: not upgraded yet, run it again. {failure}"
        except AppError as failure:
            return f"{what}: not upgraded. {failure}"
        await self._wake(key)
        return f"{what}: replaced by {new}, version {self._rules.room_version}."

    async def _wake(self, key: RoomKey) -> None:
        await self._queue.add(key_of_room(key), priority=Priority.HINT, signal=SIGNAL)


def why_not_followed(room: ActualRoom, old: RoomId, rules: Rules) -> str:
    """A sentence; empty where this room may take the place of the old one."""
    before = room.content("m.room.create").get("predecessor")
    named = before.get("room_id") if isinstance(before, dict) else None
    if named != old:
        return f"The room {room.room_id} does not name it as its predecessor, so it may be anybody's."
    return what_is_missing(room, rules.bot)


def is_older(version: str, wanted: str) -> bool:
    """Whether a room's version is below the one for new rooms; of versions that are no numbers nothing is known."""
    return version.isdigit() and wanted.isdigit() and int(version) < int(wanted)


def _no_power(room: ActualRoom, rules: Rules) -> str:
    missing = what_is_missing(room, rules.bot)
    return missing or (
        f"The bot's level there is {level_in(room, rules.bot):g}, and a tombstone takes "
        f"{needed_for_state(room, TOMBSTONE):g} ({POWER})."
    )
