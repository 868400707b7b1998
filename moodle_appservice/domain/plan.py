"""Desired × actual × ledger → what to do, in order. Pure: the same plan is shown, held or carried out.

The ledger is what we last wrote and whom we invited; it tells a human's rename from a stale name, and somebody who
left by choice from somebody who was never asked. Order: removals, then one power-level event, then state, then
invites with the person who is waiting first, teachers next and the rest by id. Who comes and who goes: see `places`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .actions import Action, CreateRoom, Note, Plan, SetPower, SetState
from .mapping import DesiredRoom, creation_content
from .model import ActualRoom, MoodleUserId, UserId
from .places import PRESENT, Ledger, Places, places_of
from .power import power_levels, same_power
from .rules import Rules

__all__ = ["PRESENT", "Ledger", "plan_room"]
NAME = ("m.room.name", "name")
TOPIC = ("m.room.topic", "topic")


def plan_room(
    desired: DesiredRoom,
    actual: ActualRoom | None,
    ledger: Ledger,
    known: Mapping[UserId, MoodleUserId],
    rules: Rules,
    *,
    waiting: MoodleUserId | None = None,
) -> Plan:
    """Plan one room. `known`: Matrix id → Moodle person for everyone in the room whom we know from Moodle."""
    places = places_of(desired, actual, ledger, known, rules)
    next_look = min((one.until for one in desired.treatments.values() if one.until is not None), default=None)
    if actual is None:
        power = power_levels(rules.room_version, rules, places.levels())
        content = creation_content(desired, power, rules)
        create = CreateRoom(
            desired.course_id, desired.alias, content, "The course is on and has no room yet."
        )
        actions: tuple[Action, ...] = (create, *places.arrivals(waiting))
        return Plan(desired.course_id, actions, desired.notes, next_look)
    notes = [*places.unasked(desired.notes), *places.notes, *places.guests()]
    actions = (
        *places.removals(),
        *_power(actual, places, rules),
        *_naming(desired, actual, ledger, notes),
        *_fixed_state(actual, rules),
        *places.unbans(),
        *places.arrivals(waiting),
    )
    return Plan(desired.course_id, actions, tuple(notes), next_look, places.bookings())


def _power(actual: ActualRoom, places: Places, rules: Rules) -> list[SetPower]:
    current, levels = actual.content("m.room.power_levels"), places.levels()
    content = power_levels(actual.version, rules, levels, current=current, managed=places.managed())
    if same_power(content, current):
        return []
    return [SetPower(content, levels, _why_power(levels, current))]


def _why_power(levels: Mapping[UserId, int], current: Mapping[str, Any]) -> str:
    has = current.get("users")
    known = has if isinstance(has, Mapping) else {}
    changed = [level for user, level in levels.items() if known.get(user) != level]
    muted = sum(1 for level in changed if level < 0)
    if muted:
        return f"The Moodle accounts of {muted} people can't be used, so they may not write."
    return (
        f"Roles in Moodle changed for {len(changed)} people."
        if changed
        else "The power levels differ from the rules."
    )


def _naming(desired: DesiredRoom, actual: ActualRoom, ledger: Ledger, notes: list[Note]) -> list[SetState]:
    actions = []
    for (event_type, key), want, wrote in (
        (NAME, desired.name, ledger.name),
        (TOPIC, desired.topic, ledger.topic),
    ):
        has = actual.content(event_type).get(key, "")
        if has == want:
            continue
        if wrote == want and has != wrote:
            notes.append(Note(None, f"Somebody changed the {key} in the room; it is kept.", "renamed"))
            continue
        actions.append(SetState(event_type, "", {key: want}, f"The {key} follows Moodle."))
    return actions


def _fixed_state(actual: ActualRoom, rules: Rules) -> list[SetState]:
    fixed = (
        ("m.room.join_rules", "join_rule", rules.join_rule),
        ("m.room.history_visibility", "history_visibility", rules.history_visibility),
        ("m.room.guest_access", "guest_access", rules.guest_access),
    )
    return [
        SetState(
            event_type, "", {**actual.content(event_type), key: want}, f"The {key} differs from the rules."
        )
        for event_type, key, want in fixed
        if actual.content(event_type).get(key) != want
    ]
