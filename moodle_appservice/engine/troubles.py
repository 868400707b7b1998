"""What could not be done for one person or one piece of state, and when it is tried again.

One invite that fails (a server that is down, an account that refuses invites) must not hold up the next person, nor
be sent again with every look at the room. So it is put aside with a growing delay, and the rest of the plan goes on.
Kept in memory: after a restart everything is tried once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..domain.actions import (
    Action,
    Ban,
    CreateRoom,
    Invite,
    Join,
    Remove,
    SetPower,
    SetState,
    Unban,
)
from ..domain.model import CourseId
from ..errors import AppError, TemporaryFailure

FIRST_DELAY = 90.0
LONGEST_DELAY = 3600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One action that failed: why, how often in a row, and when it is tried again (Unix seconds)."""

    action: Action
    failure: AppError
    times: int
    retry_at: float


class Troubles:
    """All actions that are put aside, by course."""

    def __init__(self) -> None:
        self._of: dict[CourseId, dict[str, Trouble]] = {}

    def add(self, course_id: CourseId, action: Action, failure: AppError, *, now: float) -> None:
        """Put an action aside."""
        known = self._of.setdefault(course_id, {})
        before = known.get(name_of(action))
        times = before.times + 1 if before else 1
        asked = failure.retry_after if isinstance(failure, TemporaryFailure) else None
        delay = max(min(FIRST_DELAY * 2 ** (times - 1), LONGEST_DELAY), asked or 0.0)
        known[name_of(action)] = Trouble(action, failure, times, now + delay)

    def solved(self, course_id: CourseId, action: Action) -> None:
        """An action has worked."""
        known = self._of.get(course_id)
        if known and known.pop(name_of(action), None) and not known:
            del self._of[course_id]

    def keep_only(self, course_id: CourseId, actions: tuple[Action, ...]) -> None:
        """Forget what is not to be done any more."""
        names = {name_of(action) for action in actions}
        known = {name: trouble for name, trouble in self.of(course_id).items() if name in names}
        if known:
            self._of[course_id] = known
        else:
            self._of.pop(course_id, None)

    def due(self, course_id: CourseId, actions: tuple[Action, ...], *, now: float) -> tuple[Action, ...]:
        """The actions that may be tried now, those that never failed first, without what depends on one of the rest."""
        known = self.of(course_id)
        late = {name for name, trouble in known.items() if trouble.retry_at > now}
        due = [action for action in actions if name_of(action) not in late and not after(action) & late]
        # What depends on something that is tried again follows it.
        again = [action for action in due if name_of(action) in known or after(action) & known.keys()]
        fresh = [action for action in due if action not in again]
        return (*fresh, *again)

    def of(self, course_id: CourseId) -> Mapping[str, Trouble]:
        """What is put aside for a course."""
        return self._of.get(course_id, {})

    def all(self) -> Mapping[CourseId, Mapping[str, Trouble]]:
        """What is put aside anywhere."""
        return self._of


def after(action: Action) -> frozenset[str]:
    """The names of actions without which this one must not happen: who takes a place comes before who gives way."""
    if not isinstance(action, Remove) or action.instead is None:
        return frozenset()
    return frozenset({f"Invite {action.instead}", f"Join {action.instead}"})


def name_of(action: Action) -> str:
    """What an action is about, whatever its content: the same person's invite, the same event type."""
    match action:
        case Invite(matrix_id) | Join(matrix_id) | Remove(matrix_id) | Ban(matrix_id) | Unban(matrix_id):
            return f"{type(action).__name__} {matrix_id}"
        case SetState(event_type, state_key):
            return f"SetState {event_type} {state_key}"
        case CreateRoom() | SetPower():
            return type(action).__name__
