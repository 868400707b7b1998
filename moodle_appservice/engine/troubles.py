"""What could not be done for one person or one piece of state, and when it is tried again.

One invite that fails (a server that is down, an account that refuses invites) must not hold up the next person, nor
be sent again with every look at the room. So it is put aside with a growing delay, and the rest of the plan goes on.
Whoever asks for a sync has all of it tried at once.
Kept in memory: after a restart everything is tried once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ..domain.actions import (
    Action,
    Ban,
    CreateRoom,
    Export,
    ForceJoin,
    Invite,
    Join,
    MoveAlias,
    Purge,
    PutAlias,
    Remove,
    SetPower,
    SetState,
    Step,
    Unban,
)
from ..domain.markers import waited_for
from ..domain.model import CourseId
from ..domain.rooms import RoomKey
from ..errors import AppError, TemporaryFailure

Owner = TypeVar("Owner", bound=CourseId | RoomKey)
"""What the steps are about: a course with all its rooms, or a space above courses."""
FIRST_DELAY = 90.0
LONGEST_DELAY = 3600.0
ALIAS = "m.room.canonical_alias"
"""State that only works where the alias leads to the room."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One step that failed: why, how often in a row, and when it is tried again (Unix seconds).

    `delay`: seconds between the failure and that. `hurried`: somebody wants it tried sooner.
    """

    step: Step
    failure: AppError
    times: int
    retry_at: float
    delay: float
    hurried: bool = False

    @property
    def action(self) -> Action:
        """What was to be done."""
        return self.step.action


class TroublesOf(Generic[Owner]):
    """All steps that are put aside, by course, or by space."""

    def __init__(self) -> None:
        self._of: dict[Owner, dict[str, Trouble]] = {}

    def add(self, owner: Owner, step: Step, failure: AppError, *, now: float) -> None:
        """Put a step aside."""
        known = self._of.setdefault(owner, {})
        before = known.get(name_of(step))
        times = before.times + 1 if before else 1
        asked = failure.retry_after if isinstance(failure, TemporaryFailure) else None
        delay = _next_delay(before)
        known[name_of(step)] = Trouble(step, failure, times, now + max(delay, asked or 0.0), delay)

    def solved(self, owner: Owner, step: Step) -> None:
        """A step has worked."""
        known = self._of.get(owner)
        if known and known.pop(name_of(step), None) and not known:
            del self._of[owner]

    def hurry(self, owner: Owner, *, now: float) -> None:
        """Somebody has asked for it: what is put aside may be tried now. Its delay does not grow by that."""
        known = self._of.get(owner, {})
        late = {name: one for name, one in known.items() if one.retry_at > now}
        known.update({name: replace(one, retry_at=now, hurried=True) for name, one in late.items()})

    def keep_only(self, owner: Owner, steps: tuple[Step, ...]) -> None:
        """Forget what is not to be done any more."""
        if owner not in self._of:
            return
        names = {name_of(step) for step in steps}
        known = {name: trouble for name, trouble in self.of(owner).items() if name in names}
        if known:
            self._of[owner] = known
        else:
            self._of.pop(owner, None)

    def due(self, owner: Owner, steps: tuple[Step, ...], *, now: float) -> tuple[Step, ...]:
        """The steps that may be tried now, those that never failed first, without what depends on one of the rest."""
        known = self.of(owner)
        if not known:
            return steps
        late = {name for name, trouble in known.items() if trouble.retry_at > now}
        due = [step for step in steps if name_of(step) not in late and not after(step) & late]
        # What depends on something that is tried again follows it.
        again = [step for step in due if name_of(step) in known or after(step) & known.keys()]
        fresh = [step for step in due if step not in again]
        return (*fresh, *again)

    def of(self, owner: Owner) -> Mapping[str, Trouble]:
        """What is put aside for a course or a space."""
        return self._of.get(owner, {})

    def all(self) -> Mapping[Owner, Mapping[str, Trouble]]:
        """What is put aside anywhere."""
        return self._of


Troubles = TroublesOf[CourseId]
"""What is put aside in the rooms of courses."""
SpaceTroubles = TroublesOf[RoomKey]
"""What is put aside in spaces above courses."""


def _next_delay(before: Trouble | None) -> float:
    if before is None:
        return FIRST_DELAY
    return before.delay if before.hurried else min(2 * before.delay, LONGEST_DELAY)


def after(step: Step) -> frozenset[str]:
    """The names of steps without which this one must not happen.

    A room is made before anything is done in it, or with its id elsewhere; who takes a place comes before who goes.
    """
    room, action = step.room, step.action
    made = set() if isinstance(action, CreateRoom) else {_name(str(room), "CreateRoom")}
    if isinstance(action, SetState | CreateRoom):
        made.update(_name(other, "CreateRoom") for other in waited_for(action.content))
    if isinstance(action, SetState):
        made.update(_name(other, "CreateRoom") for other in waited_for(action.state_key))
    if isinstance(action, SetState) and action.event_type == ALIAS:
        made.update(_name(str(room), kind) for kind in ("PutAlias", "MoveAlias"))
    if isinstance(action, Purge):
        made.add(_name(str(room), "Export"))
    if isinstance(action, Remove) and action.instead is not None:
        made.update(_name(str(room), f"{kind} {action.instead}") for kind in ("Invite", "Join", "ForceJoin"))
    return frozenset(made)


def name_of(step: Step) -> str:
    """What a step is about, whatever its content: the same person's invite, the same event type in the same room."""
    action = step.action
    match action:
        case (
            Invite(matrix_id)
            | Join(matrix_id)
            | ForceJoin(matrix_id)
            | Remove(matrix_id)
            | Ban(matrix_id)
            | Unban(matrix_id)
        ):
            what = f"{type(action).__name__} {matrix_id}"
        case SetState(event_type, state_key):
            what = f"SetState {event_type} {state_key}"
        case CreateRoom() | SetPower() | PutAlias() | MoveAlias() | Export() | Purge():
            what = type(action).__name__
    return _name(str(step.room), what)


def _name(room: str, what: str) -> str:
    return f"{room}: {what}"
