"""Holds what looks like an accident until a person confirms it; the rest of the plan goes on.

Held are removals that are many for this room (more than the share *and* more than the number in the rules), and any
removal at all when Moodle says that nobody is enrolled: missing rights make Moodle answer with an empty or shortened
list and no error. A ban counts as one, for an accident may as well suspend everybody; one account of a person that
gives way to another does not, for nobody loses anything. Whoever is held keeps the power level too. A confirmation
names the people whom it covers; it does not cover anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .actions import Action, Ban, Plan, Remove, SetPower
from .mapping import DesiredRoom
from .model import ActualRoom, UserId
from .plan import PRESENT
from .power import same_power
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
    held = removed - confirmed
    kept = (_without(action, held, actual) for action in plan.actions)
    return Verdict(tuple(action for action in kept if action is not None), Hold(held, reason))


def _without(action: Action, held: frozenset[UserId], actual: ActualRoom) -> Action | None:
    """What is left of an action when nothing may happen to those who are held."""
    if isinstance(action, Remove | Ban):
        return None if action.matrix_id in held else action
    if not isinstance(action, SetPower):
        return action
    current = actual.content("m.room.power_levels")
    users = current.get("users")
    levels = users if isinstance(users, Mapping) else {}
    users = {**action.content["users"], **{user: level for user, level in levels.items() if user in held}}
    content = {**action.content, "users": dict(sorted(users.items()))}
    return None if same_power(content, current) else replace(action, content=content)


def _reason(removed: int, present: int, desired: DesiredRoom, rules: Rules) -> str:
    guests = {member.person for member in desired.members.values() if member.guest}
    if not desired.enrolled - guests:
        return (
            f"Moodle lists nobody as enrolled, so all {removed} known members would be removed. "
            "Check that the web service user may still see the participants of this course, then confirm."
        )
    if removed > rules.safety.max_removals and removed > present * rules.safety.max_removals_share:
        return f"{removed} of {present} members would be removed. Check {_what(desired)} in Moodle, then confirm."
    return ""


def _what(desired: DesiredRoom) -> str:
    if desired.key.kind.is_of_course:
        return "the participants of this course"
    return "the accounts of these people"
