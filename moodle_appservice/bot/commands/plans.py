"""A plan in words: what would be done in the rooms of a course, and why."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

from ...domain.actions import (
    Action,
    Ban,
    CreateRoom,
    Export,
    ForceJoin,
    Invite,
    Join,
    MoveAlias,
    OfPerson,
    Purge,
    PutAlias,
    Remove,
    SetPower,
    SetState,
    Unban,
)
from ...engine.operations import PlanView
from ..call import Call
from ..render import Answer, Item
from .pages import listed


async def rendered(call: Call, answer: Answer, view: PlanView) -> Answer:
    """Add the plan of one course to an answer."""
    _, tell = call.reader.language.gettext, call.reader.tell
    prepared = view.prepared
    if view.paused:
        answer.line(tell(view.paused))
    if prepared is None:
        return answer.line(tell(view.trouble), strong=view.row.shortname)
    steps = prepared.steps
    if not steps:
        answer.line(_("Everything is as it should be: there is nothing to do."), strong=view.row.shortname)
    else:
        counted = Counter(_what(call, step.action) for step in steps)
        answer.line(
            ", ".join(f"{what}: {number}" for what, number in counted.items()), strong=view.row.shortname
        )
        people = {
            number: step.action.person
            for number, step in enumerate(steps)
            if isinstance(step.action, OfPerson)
        }
        names = await call.desk.store.people.names(
            [person for person in people.values() if person is not None]
        )
        entries = []
        for number, step in enumerate(steps):
            person = people.get(number)
            name = names.get(person, "") if person is not None else ""
            entries.append(Item(_what(call, step.action), f"{name} – {tell(step.action.why)}".strip()))
        listed(call, answer, entries, per_page=8)
    for room in prepared.rooms:
        if room.verdict.hold is not None:
            answer.line(tell(room.verdict.hold.reason), strong=_("Held"))
    return answer


def _what(call: Call, action: Action) -> str:
    _ = call.reader.language.gettext
    match action:
        case CreateRoom():
            return _("make a room")
        case SetState() | PutAlias() | MoveAlias() | Export() | Purge():
            # Whole rooms are written down and deleted for courses that are over, which are in no plan.
            return _("change a setting")
        case SetPower():
            return _("change levels")
        case Invite():
            return _("invite")
        case Join() | ForceJoin():
            return _("let in")
        case Remove():
            return _("take out")
        case Ban():
            return _("ban")
        case Unban():
            return _("lift a ban")
        case _:
            assert_never(action)
