"""Invites of the bot: it accepts its own course rooms, the management room, direct chats with people whom it knows,
and, so that somebody can send it a code from a new account, a few direct chats with strangers; nothing else.

What anybody can cause is bounded. People whom we know have a few new chats each an hour. Strangers have one each an
hour, from allowed homeservers, so many an hour from all of them together, none from an account that is locked for wrong
codes; an earlier chat with the same stranger is left.

It is called while the push that brought the invite is still open: should we die in between, the homeserver pushes it
again, and joining twice changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..domain.linking import unfit
from ..domain.model import RoomId, UserId
from ..domain.rules import Rules
from ..errors import AppError
from ..ports import Clock, Event, Matrix, Store
from .management import ROOM

STRANGERS_AN_HOUR = 60
CHATS_AN_HOUR = 5
HOUR = 3600.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Strangers:
    """With whom of those whom we do not know a chat was begun within the last hour; a restart begins anew."""

    most: int = STRANGERS_AN_HOUR
    _begun: dict[UserId, float] = field(default_factory=dict)

    def may_come(self, sender: UserId, now: float) -> bool:
        """Whether there is room for this one; if so, it is counted."""
        self._begun = {user: at for user, at in self._begun.items() if now < at + HOUR}
        if sender in self._begun or len(self._begun) >= self.most:
            return False
        self._begun[sender] = now
        return True


@dataclass(slots=True)
class Chats:
    """How many chats each of those whom we know has begun within the last hour; a restart begins anew."""

    most: int = CHATS_AN_HOUR
    _begun: dict[UserId, list[float]] = field(default_factory=dict)

    def may_begin(self, sender: UserId, now: float) -> bool:
        """Whether there is room for one more; if so, it is counted."""
        begun = [at for at in self._begun.pop(sender, ()) if now < at + HOUR]
        fits = len(begun) < self.most
        self._begun[sender] = [*begun, now] if fits else begun
        return fits


class DirectChats:
    """Answers invites of the bot. `on_chat` is told of each direct chat that was begun."""

    def __init__(
        self,
        matrix: Matrix,
        store: Store,
        rules: Rules,
        clock: Clock,
        strangers: Strangers | None = None,
        *,
        on_chat: Callable[[UserId, RoomId], None] | None = None,
    ) -> None:
        self._on_chat = on_chat
        self._chats = Chats()
        self._matrix = matrix
        self._store = store
        self._rules = rules
        self._clock = clock
        self._strangers = strangers or Strangers()

    async def __call__(self, invites: Sequence[Event]) -> None:
        """Accept what is a course's room or a direct chat; leave everything else unanswered."""
        for invite in invites:
            if await self._is_ours(invite.room_id):
                await self._join(invite.room_id)
                continue
            known = bool(await self._store.people.by_matrix_id([invite.sender]))
            direct = invite.content.get("is_direct") is True
            if not direct or not await self._may_begin(invite.sender, known=known):
                log.info("An invite to %s by %s is left unanswered.", invite.room_id, invite.sender)
                continue
            earlier = [] if known else await self._store.mirror.joined_with(invite.sender)
            if await self._join(invite.room_id):
                await self._store.mirror.set_direct(invite.sender, invite.room_id)
                await self._leave(room for room in earlier if room != invite.room_id)
                if self._on_chat is not None:
                    self._on_chat(invite.sender, invite.room_id)

    async def _is_ours(self, room_id: RoomId) -> bool:
        """Whether it is a room of a course, or the one in which administrators talk with the bot."""
        if await self._store.ledger.course_of(room_id) is not None:
            return True
        return await self._store.settings.get(ROOM) == room_id

    async def _may_begin(self, sender: UserId, *, known: bool) -> bool:
        if known:
            return self._chats.may_begin(sender, self._clock.now())
        return await self._may_come(sender)

    async def _may_come(self, sender: UserId) -> bool:
        now = self._clock.now()
        if unfit(sender, self._rules) or (await self._store.links.failures(sender)).locks_at(now):
            return False
        return self._strangers.may_come(sender, now)

    async def _join(self, room_id: RoomId) -> bool:
        try:
            await self._matrix.join(room_id)
        except AppError as failure:
            log.warning("The room %s could not be joined: %s", room_id, failure)
            return False
        return True

    async def _leave(self, rooms: Iterable[RoomId]) -> None:
        for room_id in rooms:
            try:
                await self._matrix.leave(room_id)
                await self._store.mirror.forget(room_id)
            except AppError as failure:
                log.warning("The earlier direct chat %s could not be left: %s", room_id, failure)
