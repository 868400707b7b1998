"""Which rooms belong to a course, and what they look like: from the books, the mirror, or the homeserver itself.

A room is ours when the bot made it and our marker in it, set by the bot, names this site and room. Normally books
and mirror know it. After a crash between a request and its booking the mirror knows it alone; after the loss of the
database only the homeserver does, and then its alias leads there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ..domain.markers import alias_of, key_in
from ..domain.model import ActualRoom, CourseId, Membership, RoomAlias, RoomId, UserId
from ..domain.power import MARKER
from ..domain.rooms import RoomKey, main_room
from ..domain.rules import Rules
from ..errors import PermanentFailure, TemporaryFailure
from ..ports import Clock, Event, Matrix, OwnRoom, Store

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

    async def find(self, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """The rooms of a course as far as we know without asking anybody."""
        found = await self._store.ledger.rooms_of(course_id)
        if main_room(course_id) in found:
            return found
        marked = await self._store.mirror.find_marked(self._rules.site, course_id)
        for key, own in marked.items():
            if key in found:
                continue
            log.info(
                "Course %d already has the room %s (%s); it is taken back into the books.",
                course_id,
                own.room_id,
                key,
            )
            await self._store.ledger.adopt(own.room_id, key, generation=own.generation, at=self._clock.now())
        return {**marked, **found}

    async def find_space(self, key: RoomKey) -> RoomId | None:
        """The space of the site or of a category, as far as we know without asking anybody."""
        found = (await self._store.spaces.spaces()).get(key)
        if found is not None:
            return found
        marked = await self._store.spaces.marked(key, self._rules.site)
        if marked is None:
            return None
        log.info("The space %s of %s is known already; it is taken back into the books.", marked.room_id, key)
        await self._store.ledger.adopt(
            marked.room_id, key, generation=marked.generation, at=self._clock.now()
        )
        return marked.room_id

    async def actual(self, rooms: Mapping[RoomKey, OwnRoom]) -> dict[RoomKey, ActualRoom]:
        """The rooms as they are; reads those from the homeserver where the mirror can't be trusted.

        A room that the homeserver does not have any more is missing: books and mirror have forgotten it.
        """
        mirrored = await self._store.mirror.rooms([own.room_id for own in rooms.values()])
        found: dict[RoomKey, ActualRoom] = {}
        for key, own in rooms.items():
            room = mirrored.get(own.room_id)
            if room is None or not self._bot_is_in(room):
                room = await self._read(own, key)
            if room is not None:
                found[key] = room
        return found

    async def take_alias(self, key: RoomKey, alias: RoomAlias, *, generation: int = 1) -> None:
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
        if self._is_ours(events, key):
            self._unfinished.pop(room_id, None)
            await self._store.mirror.replace(room_id, events, guard=guard)
            await self._store.ledger.adopt(room_id, key, generation=generation, at=self._clock.now())
            log.info("The room of %s exists already as %s; it was adopted.", key, room_id)
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

    async def _read(self, own: OwnRoom, key: RoomKey) -> ActualRoom | None:
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(own.room_id)
        except PermanentFailure:
            await self._lost(own, key)
            return None
        await self._store.mirror.replace(own.room_id, events, guard=guard)
        room = await self._store.mirror.room(own.room_id)
        if room is None or not self._bot_is_in(room):
            await self._lost(own, key)
            return None
        return room

    async def _lost(self, own: OwnRoom, key: RoomKey) -> None:
        """A room that we can't read: gone for good when even its alias is gone, else somebody put the bot out."""
        alias = alias_of(key, self._rules, own.generation)
        if await self._matrix.resolve_alias(alias) is None:
            log.error("The homeserver has lost the room %s (%s); a new one is made.", own.room_id, key)
            await self._store.mirror.forget(own.room_id)
            await self._store.ledger.release(own.room_id)
            return
        raise PermanentFailure(
            f"The bot is not in the room {own.room_id} ({key}) any more. Nothing was changed. Invite the bot "
            f"again (a server admin can), or delete the alias {alias} to have a new room made."
        )

    def _bot_is_in(self, room: ActualRoom) -> bool:
        bot = room.members.get(self._rules.bot)
        return bot is not None and bot.membership is Membership.JOIN

    def _is_ours(self, events: Sequence[Event], key: RoomKey) -> bool:
        bot: UserId = self._rules.bot
        creator = any(event.type == "m.room.create" and event.sender == bot for event in events)
        powered = any(event.type == "m.room.power_levels" for event in events)
        marked = any(
            event.type == MARKER and event.sender == bot and key_in(event.content, self._rules) == key
            for event in events
        )
        return creator and powered and marked
