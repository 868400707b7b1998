"""Which rooms belong to a course, and what they look like: from the books, the mirror, or the homeserver itself.

A room is ours when the bot made it, or a person had it adopted, and our marker in it, set by the bot, names this site
and room. Normally books and mirror know it. After a crash between a request and its booking the mirror knows it alone;
after the loss of the database only the homeserver does, and then `recovery` asks it, or the alias leads there.

A room of ours in which the bot is not any more is `Absent`: it stays ours, nothing is planned for it, and no other room
is made in its place. `returning` brings the bot back.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..domain.markers import alias_of, key_in
from ..domain.model import ActualRoom, CourseId, Membership, RoomAlias, RoomId, UserId
from ..domain.power import MARKER
from ..domain.rooms import RoomKey, main_room
from ..domain.rules import Rules
from ..errors import PermanentFailure, RoomGone, TemporaryFailure
from ..ports import Clock, Event, Matrix, OwnRoom, Store

TRIES = 5
"""How often an unfinished room is looked at before its alias is given to a new one."""
MEMBER = "m.room.member"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Absent:
    """A room of ours in which the bot is not. `last`: the room as we last knew it, None where we know nothing of it."""

    key: RoomKey
    own: OwnRoom
    last: ActualRoom | None

    @property
    def sentence(self) -> str:
        """What happened, what was left untouched, what to do."""
        return (
            f"The bot is not in the room {self.own.room_id} ({self.key}) any more, so nothing is changed there, and no "
            "other room is made for it. Somebody who may invite there invites the bot again, and it comes back. If "
            "nobody is left there, delete its alias at the homeserver, and a new room is made."
        )


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
        """The rooms as they are, as in `look`; one that the homeserver has lost is forgotten.

        Raises `PermanentFailure` where the bot is not in one of them.
        """
        found, absent = await self.look(rooms)
        for one in absent.values():
            if not await self.give_up_lost(one):
                raise PermanentFailure(one.sentence)
        return found

    async def look(
        self, rooms: Mapping[RoomKey, OwnRoom]
    ) -> tuple[dict[RoomKey, ActualRoom], dict[RoomKey, Absent]]:
        """The rooms as they are, and those in which the bot is not; reads what the mirror can't be trusted with."""
        mirrored = await self._store.mirror.rooms([own.room_id for own in rooms.values()])
        found: dict[RoomKey, ActualRoom] = {}
        absent: dict[RoomKey, Absent] = {}
        for key, own in rooms.items():
            room = mirrored.get(own.room_id)
            if room is None or not self._bot_is_in(room):
                room = await self._read(own)
            if room is not None:
                found[key] = room
            else:
                absent[key] = Absent(key, own, await self._store.mirror.room(own.room_id))
        return found, absent

    async def replaced(self, rooms: Mapping[RoomKey, OwnRoom]) -> dict[RoomKey, ActualRoom]:
        """Rooms that others have replaced. One in which the bot is not any more is forgotten: nothing hangs on it."""
        found, absent = await self.look(rooms)
        for one in absent.values():
            log.warning("The bot is not in the replaced room %s (%s) any more.", one.own.room_id, one.key)
            await self._store.mirror.forget(one.own.room_id)
            await self._store.ledger.release(one.own.room_id)
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
        events = await self._state_behind(alias, room_id)
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

    async def give_up_lost(self, absent: Absent) -> bool:
        """Forget a room that the homeserver does not have any more: only where even its alias is gone."""
        own = absent.own
        if await self._matrix.resolve_alias(alias_of(absent.key, self._rules, own.generation)) is not None:
            return False
        log.error("The homeserver has lost the room %s (%s); a new one is made.", own.room_id, absent.key)
        await self._store.mirror.forget(own.room_id)
        await self._store.ledger.release(own.room_id)
        return True

    async def _read(self, own: OwnRoom) -> ActualRoom | None:
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(own.room_id)
        except PermanentFailure:
            return None
        await self._store.mirror.replace(own.room_id, events, guard=guard)
        room = await self._store.mirror.room(own.room_id)
        return room if room is not None and self._bot_is_in(room) else None

    async def _state_behind(self, alias: RoomAlias, room_id: RoomId) -> Sequence[Event]:
        """The state of the room behind an alias of ours; nothing where it was never finished.

        Who was put out still sees the state of that moment, and who was banned sees nothing, as of an unfinished room.
        Whether somebody is in the room tells the homeserver's answer to the wish to join. Raises `PermanentFailure`
        where the room is a whole one and the bot can't come in.
        """
        try:
            events = await self._matrix.read_state(room_id)
            if any(_is_join_of(event, self._rules.bot) for event in events):
                return events
        except PermanentFailure:
            events = []
        try:
            await self._matrix.join(room_id)
        except RoomGone:
            return events
        except PermanentFailure as failure:
            raise PermanentFailure(
                f"The alias {alias} leads to the room {room_id}, in which the bot is not any more. No other room was "
                "made, and the alias was left. Somebody who may invite there invites the bot again (and lifts a ban "
                f"first), then it is taken back into the books. {failure}"
            ) from None
        return await self._matrix.read_state(room_id)

    def _bot_is_in(self, room: ActualRoom) -> bool:
        bot = room.members.get(self._rules.bot)
        return bot is not None and bot.membership is Membership.JOIN

    def _is_ours(self, events: Sequence[Event], key: RoomKey) -> bool:
        bot: UserId = self._rules.bot
        creator = any(event.type == "m.room.create" and event.sender == bot for event in events)
        adopted = any(event.type == MARKER and event.content.get("adopted") is True for event in events)
        powered = any(event.type == "m.room.power_levels" for event in events)
        marked = any(
            event.type == MARKER and event.sender == bot and key_in(event.content, self._rules) == key
            for event in events
        )
        return (creator or adopted) and powered and marked


def _is_join_of(event: Event, user: UserId) -> bool:
    return event.type == MEMBER and event.state_key == user and event.content.get("membership") == "join"
