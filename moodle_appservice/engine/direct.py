"""Invites of the bot: it accepts a direct chat with people whom it knows, and its own course rooms; nothing else.

It is called while the push that brought the invite is still open: should we die in between, the homeserver pushes it
again, and joining twice changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..domain.model import RoomId
from ..errors import AppError
from ..ports import Event, Matrix, Store

log = logging.getLogger(__name__)


class DirectChats:
    """Answers invites of the bot."""

    def __init__(self, matrix: Matrix, store: Store) -> None:
        self._matrix = matrix
        self._store = store

    async def __call__(self, invites: Sequence[Event]) -> None:
        """Accept what is a direct chat with a known person or a course's room; leave everything else unanswered."""
        for invite in invites:
            if await self._store.ledger.course_of(invite.room_id) is not None:
                await self._join(invite.room_id)
                continue
            known = await self._store.people.by_matrix_id([invite.sender])
            if not known or invite.content.get("is_direct") is not True:
                log.info("An invite to %s by %s is left unanswered.", invite.room_id, invite.sender)
                continue
            if await self._join(invite.room_id):
                await self._store.mirror.set_direct(invite.sender, invite.room_id)

    async def _join(self, room_id: RoomId) -> bool:
        try:
            await self._matrix.join(room_id)
        except AppError as failure:
            log.warning("The room %s could not be joined: %s", room_id, failure)
            return False
        return True
