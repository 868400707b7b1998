"""How the bot gets back what it needs in a room of ours: its place there, and its level.

Somebody may put the bot out, or (before room version 12, and in adopted rooms) take its level away. It tries to join
again: that works where it was invited again or the room lets members of its space in. Where it has admin rights, the
homeserver gives it the level of the highest there, and an invite. If neither works, the room stays as it is and is
reported: no other room is ever made beside it. Only a room that the homeserver does not know any more, alias and all,
is forgotten, so that a new one is made.

Each room is tried with a growing delay; kept in memory, so after a restart everything is tried once more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..domain.drift import Policy
from ..domain.model import Membership, RoomId
from ..domain.rules import Rules
from ..errors import AppError, PermanentFailure, RoomGone, TemporaryFailure
from ..ports import Clock, Matrix, RoomAdmin, Store
from .planning import PreparedRoom
from .replacing import Replacing
from .rooms import Absent, RoomFinder
from .troubles import FIRST_DELAY, LONGEST_DELAY

log = logging.getLogger(__name__)


class Returning:
    """Looks after rooms in which the bot lacks something, and after those with a tombstone."""

    def __init__(
        self,
        matrix: Matrix,
        admin: RoomAdmin,
        store: Store,
        rooms: RoomFinder,
        replacing: Replacing,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._matrix = matrix
        self._admin = admin
        self._store = store
        self._rooms = rooms
        self._replacing = replacing
        self._rules = rules
        self._clock = clock
        self._tries: dict[RoomId, tuple[int, float]] = {}
        """How often in a row it was of no use, and when it is tried again (Unix seconds)."""

    async def settle(self, rooms: Iterable[PreparedRoom]) -> bool:
        """Try what is due; whether anything has changed, so that the course is to be planned anew."""
        changed = False
        for room in rooms:
            room_id = room.room_id
            if room_id is None or not _needs_something(room):
                continue
            times, retry_at = self._tries.get(room_id, (0, 0.0))
            if self._clock.now() < retry_at and not self._is_invited(room):
                continue
            try:
                done = await self._try(room, room_id)
            except TemporaryFailure:
                raise
            except AppError as failure:
                log.warning("%s: %s", room.key, failure)
                done = False
            if done:
                self._tries.pop(room_id, None)
                changed = True
            else:
                delay = min(FIRST_DELAY * 2**times, LONGEST_DELAY)
                self._tries[room_id] = (times + 1, self._clock.now() + delay)
        return changed

    def _is_invited(self, room: PreparedRoom) -> bool:
        """Whether somebody has invited the bot again: what was of no use before is of use now."""
        last = room.absent.last if room.absent is not None else None
        here = last.members.get(self._rules.bot) if last is not None else None
        return here is not None and here.membership is Membership.INVITE

    async def _try(self, room: PreparedRoom, room_id: RoomId) -> bool:
        if room.absent is not None:
            return await self._come_back(room.absent)
        if room.replacement is not None:
            await self._replacing.follow(room.key, room_id, room.replacement)
            return True
        if self._rules.drift.bot is not Policy.REPAIR:
            return False
        await self._admin.give_power(room_id, self._rules.bot)
        await self._store.mirror.mark_stale(room_id)
        log.info("The bot has its level in the room %s again.", room_id)
        return True

    async def _come_back(self, absent: Absent) -> bool:
        room_id = absent.own.room_id
        if self._rules.drift.bot is not Policy.REPAIR:
            return False
        try:
            await self._matrix.join(room_id)
        except RoomGone:
            return await self._rooms.give_up_lost(absent)
        except PermanentFailure as failure:
            log.info("The bot can't simply join the room %s: %s", room_id, failure)
            await self._admin.give_power(room_id, self._rules.bot)
            await self._matrix.join(room_id)
        await self._store.mirror.mark_stale(room_id)
        log.info("The bot is in the room %s (%s) again.", room_id, absent.key)
        return True


def _needs_something(room: PreparedRoom) -> bool:
    if room.key.retired:
        # It says itself where it leads, and nothing hangs on it.
        return False
    return room.absent is not None or room.replacement is not None or room.lacks_power
