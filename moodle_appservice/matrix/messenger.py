"""How the bot speaks: notices with plain text and simple HTML, each sent once however often it is asked for.

The key of a message is both the transaction id at the homeserver and a row in our journal, because a homeserver
forgets transaction ids when it restarts.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..domain.model import EventId, RoomId, UserId
from ..ports import Matrix, Store


class MatrixMessenger:
    """Implements `ports.Messenger`."""

    def __init__(self, matrix: Matrix, store: Store) -> None:
        self._matrix = matrix
        self._store = store

    async def notice(
        self, room_id: RoomId, text: str, html: str, *, key: str, thread: EventId | None = None
    ) -> EventId:
        """Send an `m.notice`."""
        sent = await self._store.journal.message(key)
        if sent is not None:
            return sent
        event_id = await self._matrix.send(room_id, _content(text, html, thread), _txn_id(key))
        await self._store.journal.sent(key, event_id)
        return event_id

    async def direct(self, user_id: UserId, text: str, html: str, *, key: str) -> EventId:
        """Send to the person's direct chat."""
        rooms = await self._store.mirror.joined_with(user_id)
        if rooms:
            return await self.notice(rooms[0], text, html, key=key)
        room_id = await self._matrix.direct_room(user_id)
        await self._store.mirror.set_direct(user_id, room_id)
        return await self.notice(room_id, text, html, key=key)

    async def react(self, room_id: RoomId, event_id: EventId, emoji: str, *, key: str) -> None:
        """Put a reaction on an event."""
        if await self._store.journal.message(key) is None:
            sent = await self._matrix.react(room_id, event_id, emoji, _txn_id(key))
            await self._store.journal.sent(key, sent)


def _content(text: str, html: str, thread: EventId | None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "msgtype": "m.notice",
        "body": text,
        "format": "org.matrix.custom.html",
        "formatted_body": html,
        "m.mentions": {},
    }
    if thread is not None:
        content["m.relates_to"] = {"rel_type": "m.thread", "event_id": thread}
    return content


def _txn_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
