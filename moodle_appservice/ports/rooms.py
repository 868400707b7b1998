"""What an administrator of the homeserver may do with rooms in which the bot is not, or has no power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..domain.model import RoomId, UserId
from .world import Event


class RoomAdmin(Protocol):
    """By admin rights. Every method raises `NoAdminRights` where we have none."""

    async def give_power(self, room_id: RoomId, user_id: UserId) -> None:
        """`POST /_synapse/admin/v1/rooms/{id}/make_room_admin`: the level of the highest there, and an invite.

        Raises `PermanentFailure` where nobody of this homeserver in the room could give it.
        """
        ...

    async def state_of(self, room_id: RoomId) -> Sequence[Event]:
        """`GET /_synapse/admin/v1/rooms/{id}/state`: the state of a room in which the bot need not be."""
        ...
