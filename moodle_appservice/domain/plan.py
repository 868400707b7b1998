"""Desired × actual × ledger → what to do, in order. Pure: the same plan is shown, held or carried out.

The ledger is what we last wrote and whom we invited; it tells a human's rename from a stale name, and somebody who
left by choice from somebody who was never asked. Order: removals, then one power-level event, then state, then
invites with the person who is waiting first, teachers next and the rest by id. Only people whom we know from Moodle
are ever removed: strangers that a teacher invited are not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .actions import Action, CreateRoom, Invite, Note, Plan, Remove, SetPower, SetState
from .mapping import DesiredMember, DesiredRoom, creation_content
from .model import ActualMember, ActualRoom, Membership, MoodleUserId, UserId
from .power import power_levels, same_power
from .rules import Rules

PRESENT = frozenset({Membership.INVITE, Membership.JOIN})
NAME = ("m.room.name", "name")
TOPIC = ("m.room.topic", "topic")


@dataclass(frozen=True, slots=True)
class Ledger:
    """What we last did in one room.

    `places`: everyone whom we invited, or found where they belong, and who has been wanted ever since. `intended`:
    whom we were about to invite, and do not know whether we did. `bans`: whom we have banned ourselves.
    """

    name: str | None = None
    topic: str | None = None
    levels: Mapping[UserId, int] = field(default_factory=dict)
    places: frozenset[UserId] = frozenset()
    intended: frozenset[UserId] = frozenset()
    bans: frozenset[UserId] = frozenset()


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
    desired = _without_absent_guests(desired, actual)
    if actual is None:
        power = power_levels(rules.room_version, rules, desired.levels)
        content = creation_content(desired, power, rules)
        create = CreateRoom(
            desired.course_id, desired.alias, content, "The course is on and has no room yet."
        )
        return Plan(desired.course_id, (create, *_invites(desired, {}, waiting)), desired.notes)
    notes = list(desired.notes)
    wanted: dict[UserId, DesiredMember] = {}
    for user, member in desired.members.items():
        reason = _not_invited(user, actual.members.get(user), ledger)
        if reason is not None:
            notes.append(Note(member.person, *reason))
        elif member.required:
            wanted[user] = member
    actions: list[Action] = [
        *_removals(desired, actual, known, rules),
        *_power(desired, actual, ledger, known, rules),
        *_naming(desired, actual, ledger, notes),
        *_fixed_state(actual, rules),
        *_invites_of(wanted, actual.members, waiting),
    ]
    return Plan(desired.course_id, tuple(actions), tuple(notes))


def _without_absent_guests(desired: DesiredRoom, actual: ActualRoom | None) -> DesiredRoom:
    """A manager of the whole site stands in the levels of those rooms alone in which the manager is."""
    members = actual.members if actual else {}
    there = {user for user, member in members.items() if member.membership in PRESENT}
    kept = {user: one for user, one in desired.members.items() if not one.guest or user in there}
    return desired if len(kept) == len(desired.members) else replace(desired, members=kept)


def _not_invited(user: UserId, member: ActualMember | None, ledger: Ledger) -> tuple[str, str] | None:
    if member is None:
        return None
    if member.membership is Membership.BAN:
        return "A moderator has banned this person from the room.", "banned"
    if member.membership is Membership.LEAVE and member.sender == user and user in ledger.places:
        return "Left or declined by choice; not invited again until asked for.", "left"
    return None


def _removals(
    desired: DesiredRoom, actual: ActualRoom, known: Mapping[UserId, MoodleUserId], rules: Rules
) -> list[Remove]:
    gone = [
        user
        for user, member in actual.members.items()
        if member.membership in PRESENT
        and user in known
        and user not in desired.members
        and user != rules.bot
    ]
    reasons = {note.person: note.text for note in desired.notes if note.kind == "unusable"}
    return [
        Remove(user, known[user], reasons.get(known[user], "No active enrolment in this course."))
        for user in sorted(gone)
    ]


def _power(
    desired: DesiredRoom,
    actual: ActualRoom,
    ledger: Ledger,
    known: Mapping[UserId, MoodleUserId],
    rules: Rules,
) -> list[SetPower]:
    current = actual.content("m.room.power_levels")
    # Whom we know is ours even where the ledger has lost the level: nobody who is removed keeps it.
    managed = frozenset(ledger.levels) | frozenset(desired.members) | frozenset(known)
    content = power_levels(actual.version, rules, desired.levels, current=current, managed=managed)
    if same_power(content, current):
        return []
    return [SetPower(content, desired.levels, _why_power(desired, current))]


def _why_power(desired: DesiredRoom, current: Mapping[str, Any]) -> str:
    has = current.get("users")
    changed = [
        user
        for user, level in desired.levels.items()
        if not isinstance(has, Mapping) or has.get(user) != level
    ]
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


def _invites(
    desired: DesiredRoom, present: Mapping[UserId, ActualMember], waiting: MoodleUserId | None
) -> list[Invite]:
    required = {user: member for user, member in desired.members.items() if member.required}
    return _invites_of(required, present, waiting)


def _invites_of(
    wanted: Mapping[UserId, DesiredMember],
    present: Mapping[UserId, ActualMember],
    waiting: MoodleUserId | None,
) -> list[Invite]:
    missing = [
        Invite(user, member.person, member.level, member.why)
        for user, member in wanted.items()
        if user not in present or present[user].membership not in PRESENT
    ]
    return sorted(missing, key=lambda invite: (invite.person != waiting, -invite.level, invite.person))
