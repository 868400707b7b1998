"""Which room belongs to a course, and what it looks like: from the books, the mirror, or the homeserver itself.

A room is ours when the bot made it and our marker in it, set by the bot, names this site and course. Normally books
and mirror know it. After a crash between a request and its booking the mirror knows it alone; after the loss of the
database only the homeserver does, and then its alias leads there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..domain.model import ActualRoom, CourseId, Membership, RoomAlias, RoomId, UserId
from ..domain.power import MARKER
from ..domain.rules import Rules
from ..errors import PermanentFailure, TemporaryFailure
from ..ports import Clock, Event, Matrix, Store

TRIES = 5
"""How often an unfinished room is looked at before its alias is given to a new one."""
log = logging.getLogger(__name__)


class RoomFinder:
    """Finds, reads and adopts rooms. Sends no request for a room that books and mirror know."""

    def __init__(self, matrix: Matrix, store: Store, rules: Rules, clock: Clock) -> None:
        self._matrix = matrix
        self._store = store
        self._rules = rules
        self._clock = clock
        self._unfinished: dict[RoomId, int] = {}

    async def find(self, course_id: CourseId) -> RoomId | None:
        """The room of a course as far as we know without asking anybody."""
        room_id = await self._store.ledger.room_of(course_id)
        if room_id is not None:
            return room_id
        room_id = await self._store.mirror.find_marked(self._rules.site, course_id)
        if room_id is not None:
            log.info(
                "Course %d already has the room %s; it is taken back into the books.", course_id, room_id
            )
            await self._store.ledger.adopt(room_id, course_id, at=self._clock.now())
        return room_id

    async def actual(self, room_id: RoomId, course_id: CourseId) -> ActualRoom | None:
        """The room as it is; reads it from the homeserver where the mirror can't be trusted.

        None when the homeserver does not have the room any more: then books and mirror have forgotten it.
        """
        if not await self._store.mirror.is_stale(room_id):
            room = await self._store.mirror.room(room_id)
            if room is not None and self._bot_is_in(room):
                return room
        return await self._read(room_id, course_id)

    async def take_alias(self, course_id: CourseId, alias: RoomAlias) -> None:
        """The alias of a room to be made exists: adopt that room if it is ours, finish or replace a torso.

        Raises `PermanentFailure` when the room is not ours, `TemporaryFailure` while it may still be in the making.
        """
        room_id = await self._matrix.resolve_alias(alias)
        if room_id is None:
            raise TemporaryFailure(
                f"The alias {alias} has just vanished. The course is looked at again.", retry_after=1
            )
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(room_id)
        except PermanentFailure:
            events = []
        if self._is_ours(events, course_id):
            self._unfinished.pop(room_id, None)
            await self._store.mirror.replace(room_id, events, guard=guard)
            await self._store.ledger.adopt(room_id, course_id, at=self._clock.now())
            log.info("Course %d already has the room %s; it was adopted.", course_id, room_id)
            return
        creator = next((event.sender for event in events if event.type == "m.room.create"), None)
        if creator is not None and creator != self._rules.bot:
            raise PermanentFailure(
                f"The alias {alias} leads to the room {room_id}, which {creator} made. It was left untouched. "
                "Delete that alias, or exclude the course."
            )
        looks = self._unfinished.get(room_id, 0) + 1
        if looks <= TRIES:
            self._unfinished[room_id] = looks
            raise TemporaryFailure(
                f"The room behind {alias} is not complete yet. It is looked at again.", retry_after=2
            )
        log.warning(
            "The room %s behind %s was never finished; the alias is given to a new room.", room_id, alias
        )
        await self._matrix.delete_alias(alias)
        del self._unfinished[room_id]
        raise TemporaryFailure(
            f"The unfinished room behind {alias} was left; a new one is made.", retry_after=0
        )

    async def _read(self, room_id: RoomId, course_id: CourseId) -> ActualRoom | None:
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(room_id)
        except PermanentFailure:
            await self._lost(room_id, course_id)
            return None
        await self._store.mirror.replace(room_id, events, guard=guard)
        room = await self._store.mirror.room(room_id)
        if room is None or not self._bot_is_in(room):
            await self._lost(room_id, course_id)
            return None
        return room

    async def _lost(self, room_id: RoomId, course_id: CourseId) -> None:
        """A room that we can't read: gone for good when even its alias is gone, else somebody put the bot out."""
        alias = self._rules.course_alias(course_id)
        if await self._matrix.resolve_alias(alias) is None:
            log.error(
                "The homeserver has lost the room %s of course %d; a new one is made.", room_id, course_id
            )
            await self._store.mirror.forget(room_id)
            await self._store.ledger.release(room_id)
            return
        raise PermanentFailure(
            f"The bot is not in the room {room_id} of course {course_id} any more. Nothing was changed. Invite the bot "
            f"again (a server admin can), or delete the alias {alias} to have a new room made."
        )

    def _bot_is_in(self, room: ActualRoom) -> bool:
        bot = room.members.get(self._rules.bot)
        return bot is not None and bot.membership is Membership.JOIN

    def _is_ours(self, events: Sequence[Event], course_id: CourseId) -> bool:
        bot: UserId = self._rules.bot
        creator = any(event.type == "m.room.create" and event.sender == bot for event in events)
        powered = any(event.type == "m.room.power_levels" for event in events)
        marked = any(
            event.type == MARKER
            and event.sender == bot
            and event.content.get("site") == self._rules.site
            and event.content.get("moodle_id") == course_id
            for event in events
        )
        return creator and powered and marked
