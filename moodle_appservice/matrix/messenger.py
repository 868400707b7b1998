"""How the bot speaks: notices with plain text and simple HTML, each sent once however often it is asked for.

The key of a message is both the transaction id at the homeserver and a row in our journal, because a homeserver
forgets transaction ids when it restarts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
        return await self._once(room_id, _content(text, html, thread), key)

    async def direct(self, user_id: UserId, text: str, html: str, *, key: str) -> EventId:
        """Send to the person's direct chat."""
        return await self.notice(await self.open(user_id), text, html, key=key)

    async def open(self, user_id: UserId, *, but_not: RoomId | None = None) -> RoomId:
        """The direct chat with this person."""
        rooms = [room for room in await self._store.mirror.joined_with(user_id) if room != but_not]
        if rooms:
            return rooms[0]
        room_id = await self._matrix.direct_room(user_id)
        await self._store.mirror.set_direct(user_id, room_id)
        return room_id

    async def edit(self, room_id: RoomId, event_id: EventId, text: str, html: str, *, key: str) -> None:
        """Put another text in the place of a notice (client-server API, "Event replacements")."""
        new = _content(text, html, None)
        content = {
            **_content(f"* {text}", f"* {html}", None),
            "m.new_content": new,
            "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
        }
        await self._once(room_id, content, key)

    async def file(self, room_id: RoomId, name: str, data: bytes, content_type: str, *, key: str) -> EventId:
        """Send an `m.file`."""
        sent = await self._store.journal.message(key)
        if sent is not None:
            return sent
        content = {
            "msgtype": "m.file",
            "body": name,
            "filename": name,
            "url": await self._matrix.upload(data, content_type),
            "info": {"mimetype": content_type, "size": len(data)},
            "m.mentions": {},
        }
        return await self._once(room_id, content, key)

    async def is_encrypted(self, room_id: RoomId) -> bool:
        """Whether messages in the room are encrypted."""
        return await self._matrix.get_state(room_id, "m.room.encryption") is not None

    async def react(self, room_id: RoomId, event_id: EventId, emoji: str, *, key: str) -> None:
        """Put a reaction on an event."""
        if await self._store.journal.message(key) is None:
            sent = await self._matrix.react(room_id, event_id, emoji, _txn_id(key))
            await self._store.journal.sent(key, sent)

    async def _once(self, room_id: RoomId, content: Mapping[str, Any], key: str) -> EventId:
        sent = await self._store.journal.message(key)
        if sent is not None:
            return sent
        event_id = await self._matrix.send(room_id, content, _txn_id(key))
        await self._store.journal.sent(key, event_id)
        return event_id


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
