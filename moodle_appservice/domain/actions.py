"""Everything that can be done to a course's rooms: a closed union, each action one request to the homeserver.

`why` is the fact behind it, a sentence for the audit log. Actions are values: the planner makes them, safety may
hold them, the engine carries them out and nothing else changes membership or state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .model import CourseId, MoodleUserId, RoomAlias, UserId


@dataclass(frozen=True, slots=True)
class CreateRoom:
    """One `createRoom` with everything in it but the people. `content` is the request's body."""

    course_id: CourseId
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
class Remove:
    """Remove one person: kicks who is joined, withdraws the invite of who is invited."""

    matrix_id: UserId
    person: MoodleUserId
    why: str


Action = CreateRoom | SetState | SetPower | Invite | Remove


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the plan leaves alone on purpose, with the reason. `person` None: it concerns the room."""

    person: MoodleUserId | None
    text: str
    kind: str
    """`unresolved`, `unusable`, `unknown`, `left`, `banned`, `renamed`: what `!status` counts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one course, in order. Empty `actions` means: everything is as it should be."""

    course_id: CourseId
    actions: tuple[Action, ...]
    notes: tuple[Note, ...]

    @property
    def removals(self) -> tuple[Remove, ...]:
        """Only the removals, in order."""
        return tuple(action for action in self.actions if isinstance(action, Remove))
