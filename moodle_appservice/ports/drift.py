"""What has drifted in rooms and was reported, and when each room was last compared with the homeserver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import RoomId


@dataclass(frozen=True, slots=True)
class Drifted:
    """One thing that stands in a room although we would have it otherwise. `since`: Unix seconds."""

    room_id: RoomId
    what: str
    sentence: str
    since: float


class DriftBook(Protocol):
    """The reports, and the looks of the slow audit."""

    async def report(
        self, found: Mapping[RoomId, Mapping[str, str]], *, at: float
    ) -> Mapping[RoomId, Sequence[str]]:
        """Replace what is reported of rooms by this (kind → sentence); returns the kinds that are new, by room."""
        ...

    async def every(self) -> Sequence[Drifted]:
        """All that is reported, oldest first."""
        ...

    async def looked(self, room_id: RoomId, *, at: float) -> None:
        """The slow audit has compared a room."""
        ...

    async def next_room(self) -> tuple[RoomId, float] | None:
        """The room that was compared longest ago, with the time (0: never); None where we have no rooms."""
        ...

    async def found_rooms(self) -> Sequence[RoomId]:
        """Rooms that were adopted, or found again after our books of them were lost."""
        ...

    async def number_of_rooms(self) -> int:
        """How many rooms are to be compared."""
        ...
