"""What an explanation says about a person and the rooms of one course: from a plan to sentences.

Pure: it is handed the plan as `planning` has prepared it, and what was put aside, and asks nobody. So an
explanation says what the next sync does. Sentences about the account, and about courses without rooms, are in
`sentences`; `explain` puts both together and adds what was tried last. They are English, and are translated by
their form (`languages.sentences`): a new one needs its text in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..domain.actions import (
    Action,
    Ban,
    CreateRoom,
    ForceJoin,
    Invite,
    Join,
    OfPerson,
    Remove,
    SetPower,
    Unban,
)
from ..domain.members import Treatment
from ..domain.model import CourseFacts, Membership, MoodleUserId, UserId
from ..domain.moments import moment
from ..domain.places import PRESENT
from .planning import Prepared, PreparedRoom
from .sentences import listed
from .troubles import Trouble

IN_ROOM = {
    Membership.JOIN: "is in the room",
    Membership.INVITE: "is invited to the room",
    Membership.LEAVE: "is not in the room any more",
    Membership.BAN: "is banned from the room",
    Membership.KNOCK: "knocks at the room",
    Membership.NONE: "is not in the room",
}


def about_rooms(
    prepared: Prepared,
    user_id: MoodleUserId,
    troubles: Mapping[str, Trouble],
    accounts: frozenset[UserId],
) -> list[str]:
    """Everything: enrolment, groups, dates, the room, what is planned, held and put aside.

    `accounts`: the person's, as far as our books know them.
    """
    return [
        *_of_enrolment(prepared.facts, user_id),
        *_of_dates(prepared.facts),
        *(
            sentence
            for room in prepared.rooms
            for sentence in _of_one(room, user_id, accounts, several=len(prepared.rooms) > 1)
        ),
        *(_failed(trouble) for trouble in troubles.values() if _is_about(trouble.action, user_id)),
    ]


def _of_enrolment(facts: CourseFacts, user_id: MoodleUserId) -> Iterator[str]:
    enrolment = next((one for one in facts.enrolments if one.user_id == user_id), None)
    if enrolment is None:
        yield "Moodle lists no active enrolment of the person in this course."
    else:
        yield f"Moodle lists an active enrolment; roles: {listed(enrolment.roles)}."
        names = {group.id: group.name for group in facts.groups}
        if enrolment.groups:
            yield f"Groups: {listed(names.get(group, str(group)) for group in enrolment.groups)}."
    above = facts.inherited.get(user_id)
    if above:
        yield f"Roles in a category above or in the whole site: {listed(above)}."
    yield f"Moodle was read at {moment(facts.read_at)}."


def _of_dates(facts: CourseFacts) -> Iterator[str]:
    course = facts.course
    if course.start is not None and course.start > facts.read_at:
        yield f"The course begins at {moment(course.start)}."
    if course.end is not None:
        yield f"The course {'ends' if course.end > facts.read_at else 'ended'} at {moment(course.end)}."


def _of_one(
    room: PreparedRoom, user_id: MoodleUserId, accounts: frozenset[UserId], *, several: bool
) -> Iterator[str]:
    """One room; where there are several, only if there is anything to say, after a sentence that names it."""
    told = [*_of_room(room, user_id, accounts), *_of_plan(room, user_id)]
    if several and told:
        yield f"The room “{room.desired.name}” ({room.key.kind}):"
    yield from told


def _of_room(room: PreparedRoom, user_id: MoodleUserId, accounts: frozenset[UserId]) -> Iterator[str]:
    members = {user: member for user, member in room.desired.members.items() if member.person == user_id}
    if room.actual is None:
        yield "There is no room yet."
    for user, member in members.items():
        yield f"{user} {'belongs in the room' if member.required else 'may be in the room'}: {member.why}"
        yield _level(room, user, member.level)
    there = room.actual.members if room.actual else {}
    for user in sorted((accounts | members.keys()) & there.keys()):
        yield _stands(room, user)
    treatment: Treatment | None = room.desired.treatments.get(user_id)
    if treatment is not None and treatment.why:
        until = f" (until {moment(treatment.until)})" if treatment.until is not None else ""
        yield f"What happens to the accounts: {treatment.fate}{until}. {treatment.why}"
    for note in room.plan.notes:
        if note.person == user_id:
            yield note.text


def _level(room: PreparedRoom, user: UserId, wanted: int) -> str:
    users = room.actual.content("m.room.power_levels").get("users") if room.actual else None
    has = users.get(user, 0) if isinstance(users, Mapping) else 0
    if has == wanted:
        return f"The power level is {wanted}, as the roles give it."
    return f"The power level is to be {wanted}, and is {has} in the room."


def _stands(room: PreparedRoom, user: UserId) -> str:
    assert room.actual is not None
    here = room.actual.members[user]
    by = ""
    if here.membership not in PRESENT and here.sender is not None:
        by = ", by the account's own choice" if here.sender == user else f", by {here.sender}"
    return f"{user} {IN_ROOM[here.membership]}{by}."


def _of_plan(room: PreparedRoom, user_id: MoodleUserId) -> Iterator[str]:
    passing = [action for action in room.verdict.actions if _is_about(action, user_id)]
    for action in room.plan.actions:
        if not _is_about(action, user_id):
            continue
        if action in passing:
            yield f"{_named(action)} is what the next look at the course does: {action.why}"
        elif room.verdict.hold is not None:
            yield f"{_named(action)} is held until a person confirms it: {room.verdict.hold.reason}"


def _is_about(action: Action, user_id: MoodleUserId) -> bool:
    return isinstance(action, OfPerson) and action.person == user_id


def _named(action: Action) -> str:
    match action:
        case Invite(user):
            return f"The invite of {user}"
        case ForceJoin(user):
            return f"Putting {user} into the room"
        case Join(user):
            return f"Letting {user} hold the place"
        case Remove(user):
            return f"The removal of {user}"
        case Ban(user):
            return f"The ban of {user}"
        case Unban(user):
            return f"Lifting the ban of {user}"
        case SetPower():
            return "Setting the power levels"
        case CreateRoom():
            return "Making the room"
        case _:
            return "A change of the room"


def _failed(trouble: Trouble) -> str:
    what, at, why = _named(trouble.action), moment(trouble.retry_at), trouble.failure
    if trouble.times == 1:
        return f"{what} failed once and is tried again at {at}: {why}"
    return f"{what} failed {trouble.times} times and is tried again at {at}: {why}"
