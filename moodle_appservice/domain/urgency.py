"""What goes first when more is to be done than can be done at once: who waits, who must not stay, who teaches."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, auto
from itertools import takewhile

from .actions import Action, Arrival, CreateRoom, ForceJoin, Invite, SetPower, Step, takes_out


class Urgency(IntEnum):
    """Classes of steps, the most urgent first."""

    REMOVAL = auto()
    """Somebody is in a room who must not be."""
    TEACHER = auto()
    """Somebody with a level in the room waits outside, or has not got it."""
    NEW_ROOM = auto()
    """There is no room yet."""
    REST = auto()


def urgency(steps: Sequence[Step]) -> Urgency:
    """How urgent the most urgent of these steps is."""
    return min((_of(step) for step in steps), default=Urgency.REST)


def urgent_part(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The beginning of a plan that is more urgent than its rest: all of it where nothing is, or everything is.

    A plan begins with what is urgent, and a step that others depend on comes before them: so it is a beginning.
    """
    part = tuple(takewhile(lambda step: not _is_ordinary_arrival(step.action), steps))
    return part or tuple(steps)


def _is_ordinary_arrival(action: Action) -> bool:
    return isinstance(action, Arrival) and not _level(action)


def _level(action: Action) -> int:
    return action.level if isinstance(action, Invite | ForceJoin) else 0


def _of(step: Step) -> Urgency:
    action = step.action
    if takes_out(action):
        return Urgency.REMOVAL
    if isinstance(action, CreateRoom):
        return Urgency.NEW_ROOM
    is_teacher_s = isinstance(action, SetPower) or _level(action) > 0
    return Urgency.TEACHER if is_teacher_s else Urgency.REST
