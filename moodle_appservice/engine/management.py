"""The management room, in which administrators talk with the bot: one that they have made, or one that we make.

Its id is kept as a setting, so that messages in it are recognised. In our own the administrators whom the permissions
name by account are invited; who is in the room may read what the bot says there, so it is not a course's room.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..domain.model import RoomAlias, RoomId, UserId
from ..domain.permissions import Permissions
from ..domain.rules import Rules
from ..errors import AliasTaken, AlreadyThere, AppError
from ..ports import Matrix, Store

ROOM = "management_room"
MAKE = "make"
log = logging.getLogger(__name__)


class Management:
    """Sees to the room. `wanted`: a room's id or alias, `make` for one of our own, empty for none."""

    def __init__(
        self, matrix: Matrix, store: Store, rules: Rules, permissions: Permissions, wanted: str
    ) -> None:
        self._matrix = matrix
        self._store = store
        self._rules = rules
        self._permissions = permissions
        self._wanted = wanted

    async def settle(self) -> None:
        """Find or make the room, and be in it. What is wrong is logged: the chats of courses do not depend on it."""
        try:
            room_id = await self._find()
            await self._store.settings.set(ROOM, room_id or "")
            if room_id is not None and self._wanted == MAKE:
                await self._invite(room_id)
            elif room_id is not None:
                await self._matrix.join(room_id)
        except AppError as failure:
            log.warning(
                "The management room %s can't be used: %s Invite the bot to it.", self._wanted, failure
            )

    async def _find(self) -> RoomId | None:
        if not self._wanted:
            return None
        if self._wanted.startswith("!"):
            return RoomId(self._wanted)
        alias = self._alias if self._wanted == MAKE else RoomAlias(self._wanted)
        found = await self._matrix.resolve_alias(alias)
        if found is not None or self._wanted != MAKE:
            return found
        try:
            return await self._matrix.create_room(self._content())
        except AliasTaken:
            return await self._matrix.resolve_alias(alias)

    async def _invite(self, room_id: RoomId) -> None:
        state = await self._matrix.read_state(room_id)
        there = {
            UserId(event.state_key or "")
            for event in state
            if event.type == "m.room.member" and event.content.get("membership") in ("join", "invite", "ban")
        }
        for account in sorted(self._permissions.admin_accounts - there):
            try:
                await self._matrix.invite(room_id, account)
            except AlreadyThere:
                continue
            except AppError as failure:
                log.warning("%s could not be invited to the management room: %s", account, failure)

    @property
    def _alias(self) -> RoomAlias:
        return RoomAlias(f"#moodle_{self._rules.site}_management:{self._rules.domain}")

    def _content(self) -> Mapping[str, Any]:
        return {
            "room_version": self._rules.room_version,
            "room_alias_name": self._alias[1:].partition(":")[0],
            "visibility": "private",
            "preset": "private_chat",
            "name": f"Moodle chat: management ({self._rules.site})",
            "initial_state": [
                {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
                {
                    "type": "m.room.history_visibility",
                    "state_key": "",
                    "content": {"history_visibility": "invited"},
                },
            ],
        }
