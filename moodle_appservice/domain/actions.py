"""Everything that can be done to our rooms: a closed union, each action one request to the homeserver.

`why` is the fact behind it, a sentence for the audit log. Actions are values: the planner makes them, safety may
hold them, the engine carries them out and nothing else changes membership or state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .model import MoodleUserId, RoomAlias, UserId
from .rooms import RoomKey


@dataclass(frozen=True, slots=True)
class CreateRoom:
    """One `createRoom` with everything in it but the people. `content` is the request's body."""

    room: RoomKey
    alias: RoomAlias
    content: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class SetState:
    """One state event, e.g. name, topic or join rules."""

    event_type: str
    state_key: str
    content: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """Let an alias of ours lead to this room, wherever it led before. Up to three requests, the last one sets it."""

    alias: RoomAlias
    why: str


@dataclass(frozen=True, slots=True)
class Export:
    """Write what the bot may read of the room into a file."""

    why: str


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete the room at the homeserver with everything in it, for good."""

    why: str


@dataclass(frozen=True, slots=True)
class SetPower:
    """The one power-level event of a change set. `levels`: the people to whom we give a level with it."""

    content: Mapping[str, Any]
    levels: Mapping[UserId, int]
    why: str


@dataclass(frozen=True, slots=True)
class Invite:
    """Invite one person."""

    matrix_id: UserId
    person: MoodleUserId
    level: int
    why: str


@dataclass(frozen=True, slots=True)
class Join:
    """Let a virtual user of ours take the place of a person; never anybody else, never with a level.

    Two requests where `invite` says that the bot has to invite it first, else one.
    """

    matrix_id: UserId
    person: MoodleUserId
    invite: bool
    why: str


@dataclass(frozen=True, slots=True)
class ForceJoin:
    """Put an account into the room without asking its person, by our rights over the homeserver."""

    matrix_id: UserId
    person: MoodleUserId
    level: int
    why: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove one account: kicks who is joined, withdraws the invite of who is invited.

    `person` None: an account of nobody whom we know.
    """

    matrix_id: UserId
    person: MoodleUserId | None
    why: str
    instead: UserId | None = None
    """The account of the same person that has the place now: nobody loses anything. Without it, this one stays."""
    counted: bool = True
    """Whether safety counts it: not one that explains itself, or that a person has asked for."""


@dataclass(frozen=True, slots=True)
class Ban:
    """Ban one person whose Moodle account is suspended, where the institution wants that. `counted`: see `Remove`."""

    matrix_id: UserId
    person: MoodleUserId
    why: str
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Unban:
    """Take back a ban of ours, never a moderator's."""

    matrix_id: UserId
    person: MoodleUserId
    why: str


@dataclass(frozen=True, slots=True)
class PutAlias:
    """Let an alias lead to the room; fine where it does."""

    alias: RoomAlias
    why: str


OfPerson = Invite | Join | ForceJoin | Remove | Ban | Unban
"""What is done to one account of one person."""
Arrival = Invite | Join | ForceJoin
"""What lets somebody in."""
Departure = Remove | Ban
"""What takes somebody out of the room."""
Action = CreateRoom | SetState | SetPower | PutAlias | MoveAlias | Export | Purge | OfPerson


def takes_out(action: Action) -> bool:
    """Whether somebody has no place any more after this: not where another account of the person has it."""
    return isinstance(action, Ban) or (isinstance(action, Remove) and action.instead is None)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the plan leaves alone on purpose, with the reason. `person` None: it concerns the room."""

    person: MoodleUserId | None
    text: str
    kind: str
    """What `!status` counts by.

    Not in the room: `unresolved`, `waiting`, `blocked`, `unasked`, `left`, `declined`, `banned`. In it or not:
    `unusable`, `excluded`. In it: `untrusted` (without the level of the role), `guest`, `stranger`, `above` (beyond the
    bot's reach). The room itself: `renamed`, `phase`, `encrypted` (against the rules), `crowded` (more people with a
    level than an event holds), and what else was changed there: see `drift`.
    """


@dataclass(frozen=True, slots=True)
class Bookings:
    """What the room itself tells our books, without any request.

    `found`: accounts that are where they belong, and have no place in the books. `banned`: accounts that the bot has
    banned, with the books none the wiser. `unwanted`: places of people who are neither here nor wanted here.
    """

    found: Mapping[UserId, MoodleUserId] = field(default_factory=dict)
    banned: Mapping[UserId, MoodleUserId] = field(default_factory=dict)
    unwanted: frozenset[UserId] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    """`name` or `topic` → what we would write and do not, because people's own was there before our books began."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one room, in order. Empty `actions` means: everything is as it should be."""

    room: RoomKey
    actions: tuple[Action, ...]
    notes: tuple[Note, ...]
    next_look: float | None = None
    """Unix seconds: when a period of grace ends, so that the same facts mean something else."""
    bookings: Bookings = field(default_factory=Bookings)

    @property
    def removals(self) -> tuple[Departure, ...]:
        """Only what takes people out, in order. Who keeps the place with another account is not taken out."""
        return tuple(action for action in self.actions if isinstance(action, Departure) and takes_out(action))


@dataclass(frozen=True, slots=True)
class Step:
    """One action in one of the rooms of a course."""

    room: RoomKey
    action: Action
