"""Invites of the bot: it accepts its own course rooms, direct chats with people whom it knows, and, so that somebody
can send it a code from a new account, a few direct chats with strangers; nothing else.

What strangers can cause is bounded: one chat each an hour, from allowed homeservers, so many an hour from all of them
together, none from an account that is locked for wrong codes. An earlier chat with the same stranger is left.

It is called while the push that brought the invite is still open: should we die in between, the homeserver pushes it
again, and joining twice changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..domain.linking import unfit
from ..domain.model import RoomId, UserId
from ..domain.rules import Rules
from ..errors import AppError
from ..ports import Clock, Event, Matrix, Store

STRANGERS_AN_HOUR = 60
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


class DirectChats:
    """Answers invites of the bot."""

    def __init__(
        self, matrix: Matrix, store: Store, rules: Rules, clock: Clock, strangers: Strangers | None = None
    ) -> None:
        self._matrix = matrix
        self._store = store
        self._rules = rules
        self._clock = clock
        self._strangers = strangers or Strangers()

    async def __call__(self, invites: Sequence[Event]) -> None:
        """Accept what is a course's room or a direct chat; leave everything else unanswered."""
        for invite in invites:
            if await self._store.ledger.course_of(invite.room_id) is not None:
                await self._join(invite.room_id)
                continue
            known = bool(await self._store.people.by_matrix_id([invite.sender]))
            direct = invite.content.get("is_direct") is True
            if not direct or not (known or await self._may_come(invite.sender)):
                log.info("An invite to %s by %s is left unanswered.", invite.room_id, invite.sender)
                continue
            earlier = [] if known else await self._store.mirror.joined_with(invite.sender)
            if await self._join(invite.room_id):
                await self._store.mirror.set_direct(invite.sender, invite.room_id)
                await self._leave(room for room in earlier if room != invite.room_id)

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
