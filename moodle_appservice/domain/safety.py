"""Holds what looks like an accident until a person confirms it; the rest of the plan goes on.

Held are removals that are many for this room (more than the share *and* more than the number in the rules), and any
removal at all when Moodle says that nobody is enrolled: missing rights make Moodle answer with an empty or shortened
list and no error. A confirmation names the people whom it covers; it does not cover anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass

from .actions import Action, Plan, Remove
from .mapping import DesiredRoom
from .model import ActualRoom, UserId
from .plan import PRESENT
from .rules import Rules


@dataclass(frozen=True, slots=True)
class Hold:
    """Removals that wait for a person. `reason` says what it is, and what to check, in a sentence."""

    users: frozenset[UserId]
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part of a plan that may be carried out, and what is held."""

    actions: tuple[Action, ...]
    hold: Hold | None


def judge(
    plan: Plan,
    desired: DesiredRoom,
    actual: ActualRoom | None,
    rules: Rules,
    *,
    confirmed: frozenset[UserId] = frozenset(),
) -> Verdict:
    """Let a plan pass or hold its removals. `confirmed`: the people whose removal a person has confirmed."""
    removed = frozenset(action.matrix_id for action in plan.removals)
    if actual is None or not removed or removed <= confirmed:
        return Verdict(plan.actions, None)
    present = sum(
        1 for user, member in actual.members.items() if member.membership in PRESENT and user != rules.bot
    )
    reason = _reason(len(removed), present, desired, rules)
    if not reason:
        return Verdict(plan.actions, None)
    kept = tuple(
        action for action in plan.actions if not isinstance(action, Remove) or action.matrix_id in confirmed
    )
    return Verdict(kept, Hold(removed - confirmed, reason))


def _reason(removed: int, present: int, desired: DesiredRoom, rules: Rules) -> str:
    if not desired.members and not desired.notes:
        return (
            f"Moodle lists nobody as enrolled, so all {removed} known members would be removed. "
            "Check that the web service user may still see the participants of this course, then confirm."
        )
    if removed > rules.safety.max_removals and removed > present * rules.safety.max_removals_share:
        return (
            f"{removed} of {present} members would be removed. Check the participants of this course in Moodle, "
            "then confirm."
        )
    return ""
