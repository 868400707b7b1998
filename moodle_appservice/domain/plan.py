"""Desired × actual × ledger → what to do, in order. Pure: the same plan is shown, held or carried out.

The ledger is what we last wrote and whom we invited; it tells a human's rename from a stale name, and somebody who
left by choice from somebody who was never asked. Order in a room: removals, then one power-level event, then state,
then invites with the person who is waiting first, teachers next and the rest by id. Who comes and who goes: see
`places`. All rooms of a course are planned one by one; `steps_of` puts what is to be done in them into one order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import repairs
from .actions import (
    Action,
    Arrival,
    CreateRoom,
    Departure,
    ForceJoin,
    Join,
    MoveAlias,
    Note,
    OfPerson,
    Plan,
    SetPower,
    SetState,
    Step,
)
from .creation import creation_content
from .drift import Policy
from .ledger import Ledger
from .mapping import DesiredRoom
from .model import ActualRoom, Membership, MoodleUserId, RoomId, UserId
from .places import PRESENT, Places, places_of
from .power import MARKER, creators_of, fitting, power_levels, same_power
from .rules import Rules

__all__ = ["PRESENT", "plan_room", "steps_of"]
NAME = ("m.room.name", "name")
TOPIC = ("m.room.topic", "topic")
AVATAR = ("m.room.avatar", "url")
CHILD = "m.space.child"
PARENT = "m.space.parent"
JOIN_RULES = "m.room.join_rules"
NO_ROOM_YET = "The course is on and has no room yet."
NO_SPACE_YET = "A course below is on, and there is no space yet."
ENCRYPTION = "m.room.encryption"
CANONICAL = "m.room.canonical_alias"


def plan_room(
    desired: DesiredRoom,
    actual: ActualRoom | None,
    ledger: Ledger,
    known: Mapping[UserId, MoodleUserId],
    rules: Rules,
    *,
    waiting: MoodleUserId | None = None,
    admitted: frozenset[UserId] = frozenset(),
    ours: frozenset[RoomId] = frozenset(),
) -> Plan:
    """Plan one room.

    `known`: Matrix id → Moodle person for everyone in the room whom we know from Moodle. `rules`: those of the course.
    `admitted`: who stays in a room whose members this one lets in. `ours`: every room that we may take out of a space.
    """
    places = places_of(desired, actual, ledger, known, rules, admitted)
    if actual is None:
        making = _making(desired, places, rules, waiting, ours) if desired.is_made else ()
        return Plan(desired.key, making, desired.notes, _next_look(desired))
    notes = [*places.unasked(desired.notes), *places.notes]
    names: dict[str, str] = {}
    if not desired.key.retired:
        notes += [*places.guests(), *places.strange()]
        repairs.replaced(actual, notes)
    actions: tuple[Action, ...] = (
        *places.removals(),
        *_power(desired, actual, places, rules, notes),
        *_naming(desired, actual, ledger, rules, notes, names),
        *_fixed_state(desired, actual, notes),
        *repairs.alias(desired, actual, rules, notes),
        *_parents(desired, actual, ours),
        *_children(desired, actual.state, ours, notes),
        *places.unbans(),
        *places.arrivals(waiting),
        *_address(desired, actual),
    )
    passing = repairs.possible(actions, actual, rules, notes)
    bookings = replace(places.bookings(), names=names)
    return Plan(desired.key, passing, tuple(notes), _next_look(desired), bookings)


def _making(
    desired: DesiredRoom,
    places: Places,
    rules: Rules,
    waiting: MoodleUserId | None,
    ours: frozenset[RoomId],
) -> tuple[Action, ...]:
    return (
        _creation(desired, places, rules),
        *_children(desired, {}, ours, []),
        *places.arrivals(waiting),
        *_address(desired, None),
    )


def _next_look(desired: DesiredRoom) -> float | None:
    looks = [desired.next_look, *(one.until for one in desired.treatments.values())]
    return min((look for look in looks if look is not None), default=None)


def _creation(desired: DesiredRoom, places: Places, rules: Rules) -> CreateRoom:
    power = power_levels(
        rules.room_version,
        rules,
        places.levels(),
        kind=desired.key.kind,
        voice=desired.voice,
        creators=creators_of(desired.creation),
    )
    why = NO_ROOM_YET if desired.key.kind.is_of_course else NO_SPACE_YET
    return CreateRoom(desired.key, desired.alias, creation_content(desired, fitting(power)[0]), why)


def staying_in(
    desired: DesiredRoom,
    actual: ActualRoom | None,
    plan: Plan,
) -> frozenset[UserId]:
    """Who is, or will be, in a room by its plan: those whom rooms with it in their join rules let in."""
    leaving = {action.matrix_id for action in plan.actions if isinstance(action, Departure)}
    coming = {action.matrix_id for action in plan.actions if isinstance(action, Join | ForceJoin)}
    there = (
        user
        for user, member in (actual.members.items() if actual else ())
        if member.membership is Membership.JOIN and user not in leaving
    )
    return frozenset({*there, *coming} - {desired.rules.bot})


def steps_of(
    plans: Sequence[tuple[Plan, Sequence[Action]]], *, waiting: MoodleUserId | None = None
) -> tuple[Step, ...]:
    """What is to be done in all rooms of a course, in one order.

    `plans`: room after room, each with those of its actions that may be carried out. First people go, from the space
    first, because whoever is in it can come back into the rooms below; then rooms are made and set up; then they are
    hung into the space; then people come, each into all rooms before the next. Last of all aliases are moved.
    """
    going, making, hanging, moving = [], [], [], []
    coming: dict[MoodleUserId | None, list[Step]] = {}
    for plan, actions in plans:
        arriving = False
        for action in actions:
            step = Step(plan.room, action)
            arriving = arriving or isinstance(action, Arrival)
            if arriving and isinstance(action, OfPerson):
                coming.setdefault(action.person, []).append(step)
            elif isinstance(action, Departure):
                going.append(step)
            elif isinstance(action, MoveAlias) or (
                isinstance(action, SetState) and action.event_type == CANONICAL
            ):
                moving.append(step)
            elif isinstance(action, SetState) and action.event_type == CHILD:
                hanging.append(step)
            else:
                making.append(step)
    order = sorted(coming, key=lambda person: (person != waiting, -_highest(coming[person])))
    arrivals = (step for person in order for step in coming[person])
    return (*going, *making, *hanging, *arrivals, *moving)


def _highest(steps: Sequence[Step]) -> int:
    """The highest level with which somebody comes into one of the rooms."""
    return max(getattr(step.action, "level", 0) for step in steps)


CROWDED = (
    "{number} people have no power level here although their roles give one: the event that holds the levels would be "
    "too large. Give fewer roles a level (rooms.levels), or the roles another level here (rooms.kinds)."
)


def _power(
    desired: DesiredRoom, actual: ActualRoom, places: Places, rules: Rules, notes: list[Note]
) -> list[SetPower]:
    current, levels = actual.content("m.room.power_levels"), places.levels()
    content = power_levels(
        actual.version,
        rules,
        levels,
        kind=desired.key.kind,
        voice=desired.voice,
        current=current,
        managed=places.managed(),
        creators=creators_of(actual.content("m.room.create")),
        maker=actual.creator,
    )
    content, left_out = fitting(content)
    if left_out:
        notes.append(Note(None, CROWDED.format(number=left_out), "crowded"))
    content = repairs.powers(content, current, rules, notes)
    if same_power(content, current):
        return []
    if content["events_default"] != current.get("events_default") and desired.why:
        return [SetPower(content, levels, desired.why)]
    return [SetPower(content, levels, _why_power(levels, current))]


def _address(desired: DesiredRoom, actual: ActualRoom | None) -> list[MoveAlias | SetState]:
    """After a reset, let the alias without a generation lead to the new room, and have that say so when it does."""
    if desired.key.retired or not desired.key.kind.is_of_course:
        return []
    said = actual.content(CANONICAL) if actual is not None else {}
    has = said.get("alias", desired.alias)
    if desired.alias == desired.address or has != desired.alias:
        return []
    why = "The alias of the course leads to its newest room."
    return [
        MoveAlias(desired.address, why),
        SetState(CANONICAL, "", {**said, "alias": desired.address}, why),
    ]


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


def _naming(
    desired: DesiredRoom,
    actual: ActualRoom,
    ledger: Ledger,
    rules: Rules,
    notes: list[Note],
    names: dict[str, str],
) -> list[SetState]:
    if desired.key.retired:
        return []
    keep = not rules.strict and rules.drift.names is not Policy.REPAIR
    actions = []
    for (event_type, key), want, wrote in (
        (NAME, desired.name, ledger.name),
        (TOPIC, desired.topic, ledger.topic),
        (AVATAR, desired.avatar, ledger.avatar),
    ):
        has = actual.content(event_type).get(key, "")
        if key in ledger.kept and keep:
            names[key] = want
        if has == want or (event_type == AVATAR[0] and not want):
            continue
        is_changed = wrote == want and not _is_of_bot(event_type, actual, rules)
        if keep and (key in names or is_changed):
            what = "picture" if key == "url" else key
            notes.append(Note(None, f"Somebody changed the {what} in the room; it is kept.", "renamed"))
            continue
        what = "picture" if key == "url" else key
        actions.append(SetState(event_type, "", {key: want}, f"The {what} follows Moodle."))
    return actions


def _is_of_bot(event_type: str, actual: ActualRoom, rules: Rules) -> bool:
    """Whether we wrote it ourselves, earlier: so it is where the homeserver went back in time.

    Into a room that replaces another the bot has copied whatever stood there, by whomever.
    """
    is_copied = "predecessor" in actual.content("m.room.create")
    return actual.senders.get((event_type, "")) == rules.bot and not is_copied


_SAID_ONCE = {
    JOIN_RULES: "join_rule",
    "m.room.history_visibility": "history_visibility",
    "m.room.guest_access": "guest_access",
}


def _fixed_state(desired: DesiredRoom, actual: ActualRoom, notes: list[Note]) -> list[SetState]:
    """State that a room must have; what else stands in such an event is kept."""
    found = []
    for (event_type, state_key), want in desired.state.items():
        has = actual.content(event_type, state_key)
        if event_type == MARKER and has != repairs.marker_in(actual, want):
            # Ours alone: what is not to be said any more must not stay.
            said = repairs.marker_in(actual, want)
            found.append(SetState(event_type, state_key, said, "The marker says what the room is."))
            continue
        if all(has.get(key) == value for key, value in want.items()):
            continue
        what = _SAID_ONCE.get(event_type, event_type)
        if repairs.is_kept(event_type, what, has, desired.rules, notes):
            continue
        kept = {key: value for key, value in has.items() if key != "allow" or event_type != JOIN_RULES}
        found.append(SetState(event_type, state_key, {**kept, **want}, f"The {what} differs from the rules."))
    is_encrypted = bool(actual.content(ENCRYPTION))
    if is_encrypted and (ENCRYPTION, "") not in desired.state:
        notes.append(Note(None, ENCRYPTED, "encrypted"))
    return found


ENCRYPTED = (
    "The room is encrypted although the rules do not say so: the homeserver forces it, or somebody switched it on. "
    "People are managed as before; commands are only read in the direct chat."
)


def _parents(desired: DesiredRoom, actual: ActualRoom, ours: frozenset[RoomId]) -> list[SetState]:
    """Take back links to spaces of ours in which the room does not hang any more.

    A room has one canonical parent (specification, `m.space.parent`): another one is that of a space that is lost.
    """
    if desired.key.retired:
        return []
    has_parent = any(event_type == PARENT for event_type, _ in desired.state)
    return [
        SetState(PARENT, state_key, {}, "The room does not belong to this space any more.")
        for (event_type, state_key), content in sorted(actual.state.items())
        if event_type == PARENT
        and content
        and (state_key in ours or (has_parent and content.get("canonical") is True))
        and (PARENT, state_key) not in desired.state
    ]


def _children(
    desired: DesiredRoom,
    state: Mapping[tuple[str, str], Mapping[str, Any]],
    ours: frozenset[RoomId],
    notes: list[Note],
) -> list[SetState]:
    """Hang rooms into a space and take out those of ours that do not belong there; what others hung there stays."""
    if desired.key.retired:
        return []
    found = []
    for room_id, want in desired.children.items():
        has = state.get((CHILD, room_id), {})
        if (CHILD, room_id) in state and not has and desired.rules.drift.children is not Policy.REPAIR:
            notes.append(Note(None, "Somebody took a room out of the space; it is left so.", "unlisted"))
        elif any(has.get(key) != value for key, value in want.items()):
            found.append(SetState(CHILD, room_id, {**has, **want}, "The room belongs to this space."))
    for (event_type, state_key), content in sorted(state.items()):
        if event_type == CHILD and content and state_key in ours and state_key not in desired.children:
            found.append(SetState(CHILD, state_key, {}, "The room does not belong to this space any more."))
    return found
