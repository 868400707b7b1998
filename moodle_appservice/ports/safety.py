"""What safety counts over a day. Nobody is named here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..domain.model import RoomId
from ..domain.rooms import RoomKey


class SafetyBook(Protocol):
    """Removals that counted are booked with the removal itself (`LedgerBook.record`)."""

    async def departures(self, room_id: RoomId, *, since: float) -> tuple[int, int]:
        """Removals since then (Unix seconds) that counted: from this room, and from all rooms together."""
        ...

    async def places(self) -> int:
        """How many places there are in all rooms together."""
        ...

    async def people(self) -> int:
        """How many people have a Matrix id."""
        ...

    async def id_changes(self, *, since: float) -> int:
        """How many people have got another Matrix id since then."""
        ...

    async def changed_id(self, *, at: float) -> None:
        """Book that somebody has got another Matrix id."""
        ...

    async def filled(self, keys: Sequence[RoomKey], *, at: float) -> None:
        """Everybody who was to come into these rooms has come once: from now on they can grow too fast."""
        ...

    async def forget(self, *, before: float) -> None:
        """Forget what was before that time."""
        ...
