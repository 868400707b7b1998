"""Matrix as the homeserver pushed it.

The mirror holds state and members of our own rooms. Of messages it takes in only those to the bot, as commands
(`Journal`). After a request of ours it holds what the homeserver has accepted, until the push replaces that; a
push that comes late or twice changes nothing. A room of which this can't be relied on is stale, and is read in
full before the next write. By canaries and the newest write of ours `engine.gate` knows that no push is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..domain.model import ActualRoom, CourseId, EventId, RoomId, UserId
from ..domain.order import Version
from ..domain.rooms import RoomKey
from .world import Event


@dataclass(frozen=True, slots=True)
class OwnRoom:
    """A room of ours. `generation`: how often the key has been given a new room, 1 for the first."""

    room_id: RoomId
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pushed batch meant for us beyond the mirror."""

    rooms: Mapping[RoomId, frozenset[str]] = field(default_factory=dict)
    """Rooms of ours in which somebody else than the bot changed something → the types of the events."""
    canaries: frozenset[int] = frozenset()
    commands: tuple[EventId, ...] = ()
    invites: tuple[Event, ...] = ()
    """Invites of the bot to rooms that it did not make."""


@dataclass(frozen=True, slots=True)
class Before:
    """What the mirror knew of one member or state event before a request, so that a later push is not overwritten."""

    event_id: EventId | None
    exists: bool


UNKNOWN_BEFORE = Before(None, False)
"""Nothing was known before a request."""


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """Where we wrote last of all that came back by push, and the version that stands there now as far as we know."""

    room_id: RoomId
    type: str
    state_key: str
    version: Version


class Mirror(Protocol):
    """Matrix as the homeserver pushed it. Writes are idempotent per event: duplicates and late ones change nothing."""

    async def take_in(self, events: Sequence[Event]) -> Seen:
        """Store one pushed batch, all of it or nothing, and say what it held for us."""
        ...

    async def newest_own(self) -> OwnWrite | None:
        """The newest write of ours since the newest canary; None where there is none, or nobody can tell."""
        ...

    async def unconfirmed(self, *, before: float) -> Mapping[RoomId, frozenset[UserId]]:
        """Whose memberships we have changed before this time (Unix seconds), and have not been pushed back, by room."""
        ...

    async def await_canary(self, process: str) -> None:
        """A canary of this process is about to be sent: there is no newest write of ours until it has come back."""
        ...

    async def replace(self, room_id: RoomId, events: Sequence[Event], *, guard: str) -> None:
        """Overwrite a room by its full state as just read; `guard` from `begin_read` drops what came meanwhile late."""
        ...

    async def begin_read(self) -> str:
        """Call before asking the homeserver for a room's state; hand the answer to `replace`."""
        ...

    async def room(self, room_id: RoomId) -> ActualRoom | None:
        """A room as we know it, or None where the mirror has nothing of it."""
        ...

    async def rooms(self, room_ids: Sequence[RoomId]) -> Mapping[RoomId, ActualRoom]:
        """Those of these rooms that the mirror has and trusts."""
        ...

    async def forget(self, room_id: RoomId) -> None:
        """Drop a room that the homeserver does not have, or that we are not in any more."""
        ...

    async def is_stale(self, room_id: RoomId) -> bool:
        """Whether the room must be read again before the next write to it."""
        ...

    async def mark_stale(self, room_id: RoomId | None = None) -> None:
        """Mark one room, or all, to be read again before the next write."""
        ...

    async def before(self, room_id: RoomId, event_type: str, state_key: str) -> Before:
        """What we know of one member or state event, to be handed back when a request that changes it is booked."""
        ...

    async def members_before(self, room_id: RoomId, users: Collection[UserId]) -> Mapping[UserId, Before]:
        """`before` for many members of a room at once."""
        ...

    async def find_marked(self, site: str, course_id: CourseId) -> Mapping[RoomKey, OwnRoom]:
        """Rooms that the bot made or adopted, and marked for this course, of the newest generation."""
        ...

    async def joined_with(self, user_id: UserId) -> Sequence[RoomId]:
        """Direct chats: rooms that hold this person and the bot, as recorded by `set_direct`, newest first."""
        ...

    async def set_direct(self, user_id: UserId, room_id: RoomId) -> None:
        """Record a room as the direct chat with this person."""
        ...

    async def direct_partner(self, room_id: RoomId) -> UserId | None:
        """Whose direct chat a room is, or None."""
        ...
