"""A person of the story at a real Matrix client (matrix-nio), with only the rights that such a person has.

What an actor sees is what the homeserver sent in an answer to `/sync`: memberships, names of rooms, messages. Nothing
is forgotten between two waits, so it does not matter which answer brought what; `until` looks at what is known first
and only then asks on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import nio

from ..domain.model import RoomId, UserId
from ..errors import PermanentFailure, TemporaryFailure

_LONG_POLL_MS = 20_000
Found = TypeVar("Found")


class Actor:
    """One person. `name` is for the audience."""

    def __init__(self, name: str, user_id: UserId, homeserver: str) -> None:
        self.name = name
        self.user_id = user_id
        self.membership: dict[RoomId, str] = {}
        self._notices: dict[RoomId, list[str]] = {}
        self._texts: dict[RoomId, list[str]] = {}
        self._client = nio.AsyncClient(homeserver, user_id)

    async def log_in(self, password: str) -> None:
        """Log in and look once."""
        await self._must(self._client.login(password, device_name="demo"))
        await self._look(0)

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()

    async def until(self, seen: Callable[[], Found | None]) -> Found:
        """Sync until `seen` gives something. Waits for ever: the caller sets the limit."""
        while True:
            found = seen()
            if found:
                return found
            await self._look(_LONG_POLL_MS)

    async def until_in(self, room_id: RoomId, membership: str) -> None:
        """Sync until one's own membership in a room is this."""
        await self.until(lambda: self.membership.get(room_id) == membership)

    def room_name(self, room_id: RoomId) -> str:
        """What the room is called, as told in the invite or in the room."""
        room = self._client.rooms.get(room_id) or self._client.invited_rooms.get(room_id)
        return str(room.name or "") if room is not None else ""

    async def join(self, room_id: RoomId) -> None:
        """Accept an invite."""
        await self._must(self._client.join(room_id))

    async def open_chat(self, other: UserId) -> RoomId:
        """Start a direct chat and wait until the other one is in it."""
        preset = nio.RoomPreset.private_chat
        answer = await self._must(self._client.room_create(is_direct=True, preset=preset, invite=[other]))
        room_id = RoomId(answer.room_id)
        await self.until(lambda: self._has_joined(room_id, other))
        return room_id

    async def greeting(self, room_id: RoomId) -> list[str]:
        """Wait for the first notice in a chat; gives its lines."""
        heard = await self.until(lambda: self._notices.get(room_id, []))
        return heard[0].splitlines()

    async def until_told(self, room_id: RoomId, words: str) -> list[str]:
        """Wait for a message with these words in a room; gives its lines."""
        text = await self.until(
            lambda: next((text for text in self._texts.get(room_id, []) if words in text), None)
        )
        return text.splitlines()

    async def ask(self, room_id: RoomId, text: str) -> list[str]:
        """Write into a chat and wait for the next notice in it; gives its lines."""
        before = len(self._notices.get(room_id, []))
        content = {"msgtype": "m.text", "body": text}
        await self._must(self._client.room_send(room_id, "m.room.message", content))
        heard = await self.until(lambda: self._notices.get(room_id, [])[before:])
        return heard[0].splitlines()

    def _has_joined(self, room_id: RoomId, user: UserId) -> bool:
        room = self._client.rooms.get(room_id)
        return room is not None and user in room.users and user not in room.invited_users

    async def _look(self, timeout: int) -> None:
        answer = await self._client.sync(timeout=timeout)
        if not isinstance(answer, nio.SyncResponse):
            raise TemporaryFailure(f"The homeserver did not answer the sync of {self.name}: {answer}")
        for membership, rooms in (
            ("join", answer.rooms.join),
            ("invite", answer.rooms.invite),
            ("leave", answer.rooms.leave),
        ):
            self.membership.update(dict.fromkeys(map(RoomId, rooms), membership))
        for room_id, room in answer.rooms.join.items():
            notices = [
                event.body for event in room.timeline.events if isinstance(event, nio.RoomMessageNotice)
            ]
            self._notices.setdefault(RoomId(room_id), []).extend(notices)
            texts = [event.body for event in room.timeline.events if isinstance(event, nio.RoomMessageText)]
            self._texts.setdefault(RoomId(room_id), []).extend(texts)

    async def _must(self, request: Any) -> Any:
        answer = await request
        if isinstance(answer, nio.ErrorResponse):
            raise PermanentFailure(f"The homeserver refused what {self.name} wanted to do: {answer}")
        return answer
