"""Rooms as an administrator of the homeserver sees them (Synapse's admin API)."""

from __future__ import annotations

from collections.abc import Sequence

from mautrix.api import Method, SynapseAdminPath

from ..domain.model import RoomId, UserId
from ..errors import TemporaryFailure
from ..ports import Event
from .admin import AdminApi
from .events import parse_state


class SynapseRooms:
    """Implements `ports.RoomAdmin`."""

    def __init__(self, admin: AdminApi) -> None:
        self._admin = admin

    async def give_power(self, room_id: RoomId, user_id: UserId) -> None:
        """`POST /_synapse/admin/v1/rooms/{id}/make_room_admin`."""
        path = SynapseAdminPath.v1.rooms[room_id].make_room_admin
        await self._admin.ask(Method.POST, path, {"user_id": user_id}, attempts=1)

    async def state_of(self, room_id: RoomId) -> Sequence[Event]:
        """`GET /_synapse/admin/v1/rooms/{id}/state`. Raises `TemporaryFailure` for what is no list."""
        reply = await self._admin.ask(Method.GET, SynapseAdminPath.v1.rooms[room_id].state)
        raw = reply.body.get("state")
        if not isinstance(raw, list):
            raise TemporaryFailure(
                f"The homeserver's answer about the room {room_id} is not a list. It is tried again."
            )
        return parse_state(raw, room_id)
