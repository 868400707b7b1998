"""What happens to a room as a whole, whoever is in it: it is written down, or deleted at the homeserver."""

from __future__ import annotations

from typing import Protocol

from ..domain.model import RoomId
from ..domain.rooms import RoomKey


class RoomOffice(Protocol):
    """Both may be asked for again after a crash, and then go on or find that nothing is left to do."""

    async def purge(self, room_id: RoomId) -> None:
        """Delete the room at the homeserver with everything in it, for good, and wait for that.

        `DELETE /_synapse/admin/v2/rooms/{id}`. Fine where there is no such room any more. Raises `NoAdminRights`, and
        `TemporaryFailure` where the homeserver takes longer than we wait.
        """
        ...

    async def export(self, room_id: RoomId, key: RoomKey) -> None:
        """Write every event of the room that the bot may read into a file of the folder for exports.

        `GET /rooms/{id}/messages`. Raises `PermanentFailure` where no folder is set or it can't be written.
        """
        ...
