"""Plans and reports as JSON objects (the control socket, `--json`) and as text (a terminal).

One shape for both doors: what the socket answers is what `--json` prints and what the text is made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from .domain.actions import (
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
    Unban,
)
from .domain.holds import HoldGroup
from .domain.moments import moment
from .domain.progress import Progress
from .engine.operations import PlanView, SyncReport
from .engine.space import PreparedSpace
from .errors import Unreachable

_FEW = 5
"""Parts of a group that are told; the others are like them."""
_NONE_ON = "No course is on. To see why one is off: moodle-appservice plan --course ID"


def plan_json(
    views: Sequence[PlanView], spaces: Sequence[PreparedSpace] = (), groups: Sequence[HoldGroup] = ()
) -> dict[str, Any]:
    """The plan of each course, and of the spaces above them, as JSON.

    `{"courses": [{course, shortname, room_id, rooms, actions, held, notes, trouble, paused, differences}],
    "spaces": [{space, name, room_id, rooms, actions, held, notes}], "actions": n, "held": n,
    "groups": [{id, cause, title, since, users, parts: [{course, room, users, reason}]}]}`.
    """
    courses, above = [_course(view) for view in views], [_space(space) for space in spaces]
    return {
        "courses": courses,
        "spaces": above,
        "actions": sum(len(one["actions"]) for one in (*courses, *above)),
        "held": sum(len(one["held"]["users"]) for one in (*courses, *above) if one["held"]),
        "groups": [group_json(group) for group in groups],
    }


def _space(prepared: PreparedSpace) -> dict[str, Any]:
    room = prepared.room
    hold = room.verdict.hold
    return {
        "space": str(prepared.key),
        "name": room.desired.name,
        "room_id": room.room_id,
        "rooms": [str(key) for key in prepared.grove.tree.spaces.get(prepared.key, ())],
        "actions": [{"room": str(step.room), **_action(step.action)} for step in prepared.steps],
        "held": {"reason": hold.reason, "users": sorted(hold.users)} if hold else None,
        "notes": [{"person": one.person, "kind": one.kind, "text": one.text} for one in room.plan.notes],
    }


def group_json(group: HoldGroup) -> dict[str, Any]:
    """What waits for a person, in one group."""
    return {
        "id": group.id,
        "cause": str(group.cause),
        "title": group.title,
        "since": group.since,
        "users": group.users,
        "parts": [
            {"course": part.course_id, "room": part.room, "users": part.users, "reason": part.reason}
            for part in group.parts
        ],
    }


def _group_lines(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for group in groups:
        lines.append(f"HELD {group['id']}: {group['title']}, since {moment(group['since'])}.")
        for part in group["parts"][:_FEW]:
            where = "" if part["course"] is None else f"{_where_held(part['course'])}: "
            lines.append(f"  {where}{_how_many(part['users'] or None)}. {part['reason']}")
        if len(group["parts"]) > _FEW:
            lines.append(f"  and {len(group['parts']) - _FEW} more like these.")
        lines.append(f"  To let it pass: moodle-appservice sync --confirm {group['id']}")
    return lines


def _course(view: PlanView) -> dict[str, Any]:
    found: dict[str, Any] = {
        "course": view.row.id,
        "shortname": view.row.shortname,
        "why": view.row.reason,
        "room_id": None,
        "rooms": [],
        "actions": [],
        "held": None,
        "notes": [],
        "trouble": view.trouble,
        "paused": view.paused,
        "differences": list(view.differences),
    }
    prepared = view.prepared
    if prepared is None:
        return found
    holds = [room.verdict.hold for room in prepared.rooms if room.verdict.hold is not None]
    found.update(
        room_id=prepared.main.room_id,
        rooms=[
            {"room": str(room.key), "name": room.desired.name, "room_id": room.room_id}
            for room in prepared.rooms
        ],
        actions=[{"room": str(step.room), **_action(step.action)} for step in prepared.steps],
        held={
            "reason": " ".join(dict.fromkeys(hold.reason for hold in holds)),
            "users": sorted({user for hold in holds for user in hold.users}),
        }
        if holds
        else None,
        notes=[
            {"person": note.person, "kind": note.kind, "text": note.text}
            for room in prepared.rooms
            for note in room.plan.notes
        ],
    )
    return found


def _action(action: Action) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": type(action).__name__, "why": action.why}
    match action:
        case CreateRoom(alias=alias, content=content):
            shown.update(alias=alias, name=content.get("name"), topic=content.get("topic"))
        case SetState(event_type, _, content):
            shown.update(type=event_type, content=dict(content))
        case PutAlias(alias) | MoveAlias(alias):
            shown.update(alias=alias)
        case Export() | Purge():
            pass
        case SetPower(levels=levels):
            shown.update(levels=dict(levels))
        case Invite(matrix_id, person, level) | ForceJoin(matrix_id, person, level):
            shown.update(user=matrix_id, person=person, level=level)
        case Remove(matrix_id, person, instead=instead):
            shown.update(user=matrix_id, person=person, instead=instead)
        case Join(matrix_id, person) | Ban(matrix_id, person) | Unban(matrix_id, person):
            shown.update(user=matrix_id, person=person)
        case _ as unreachable:
            assert_never(unreachable)
    return shown


def action_sentence(action: Action) -> str:
    """One action for people."""
    return _sentence(_action(action))


def plan_text(plan: Mapping[str, Any]) -> str:
    """The plan for people."""
    lines: list[str] = []
    for course in plan["courses"]:
        lines.append(f"Course {course['course']} {course['shortname']}: {_summary(course)}")
        if course["paused"]:
            lines.append(f"  PAUSED: {course['paused']}")
        lines.extend(f"  differed: {sentence}" for sentence in course["differences"])
        several = len(course["rooms"]) > 1
        lines.extend(
            f"  {_where(action) if several else ''}{_sentence(action)}" for action in course["actions"]
        )
        if course["held"]:
            lines.append(f"  HELD: {course['held']['reason']}")
            lines.extend(f"    {user}" for user in course["held"]["users"])
        lines.extend(f"  note: {_who(note)}{note['text']}" for note in course["notes"])
        if course["trouble"]:
            lines.append(f"  {course['trouble']}")
    lines.extend(_space_lines(plan["spaces"]))
    lines.extend(_group_lines(plan.get("groups", ())))
    spaces = f" and {len(plan['spaces'])} spaces above them" if plan["spaces"] else ""
    lines.append(f"{plan['actions']} actions in {len(plan['courses'])} courses{spaces}. Nothing was changed.")
    if not plan["courses"]:
        lines.append(_NONE_ON)
    return "\n".join(lines)


def _space_lines(spaces: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for space in spaces:
        what = f"{len(space['actions'])} actions" if space["actions"] else "all as it should be"
        lines.append(
            f"Space of {_what(space['space'])} “{space['name']}”: {what}, {len(space['rooms'])} in it"
        )
        lines.extend(f"  {_sentence(action)}" for action in space["actions"])
        if space["held"]:
            lines.append(f"  HELD: {space['held']['reason']}")
            lines.extend(f"    would remove {user}" for user in space["held"]["users"])
        lines.extend(f"  note: {_who(note)}{note['text']}" for note in space["notes"])
    return lines


def _what(space: str) -> str:
    return "the site" if space == "site" else space


def _summary(course: Mapping[str, Any]) -> str:
    if course["trouble"]:
        return "no plan"
    return f"{len(course['actions'])} actions" if course["actions"] else "all as it should be"


def _who(note: Mapping[str, Any]) -> str:
    return "" if note["person"] is None else f"Moodle user {note['person']}: "


def _where(action: Mapping[str, Any]) -> str:
    """The room, without the course that stands above it."""
    return f"{action['room'].split(' ', 2)[2]}: "


def _sentence(action: Mapping[str, Any]) -> str:
    match action["kind"]:
        case "CreateRoom":
            what = f"make the room “{action['name']}” as {action['alias']}"
        case "Invite":
            what = f"invite {action['user']} with level {action['level']}"
        case "ForceJoin":
            what = f"put {action['user']} into the room with level {action['level']}"
        case "Remove":
            what = f"remove {action['user']}" + (
                f" in favour of {action['instead']}" if action["instead"] else ""
            )
        case "Join":
            what = f"let {action['user']} hold the place of Moodle user {action['person']}"
        case "Ban":
            what = f"ban {action['user']}"
        case "Unban":
            what = f"lift the ban of {action['user']}"
        case "PutAlias" | "MoveAlias":
            what = f"let {action['alias']} lead to the room"
        case "Export":
            what = "write the messages into a file"
        case "Purge":
            what = "delete the room at the homeserver with everything in it"
        case "SetPower":
            what = f"set power levels for {len(action['levels'])} people"
        case _:
            what = f"set {action['type']} to {action['content']}"
    return f"{what} ({action['why']})"


def report_json(report: SyncReport) -> dict[str, Any]:
    """What a sync came to.

    `{"courses": n, "failures": [{key, error, unreachable}], "held": [{course, users, reason}], "groups": [as in
    `plan_json`], "note": s}`.
    """
    return {
        "courses": report.courses,
        "failures": [
            {"key": str(key), "error": str(error), "unreachable": isinstance(error, Unreachable)}
            for key, error in sorted(report.failures.items())
        ],
        "held": [
            *(
                {"course": row.course_id, "users": len(row.users), "reason": row.reason}
                for row in report.held
            ),
            *({"course": course, "users": None, "reason": why} for course, why in report.doubted.items()),
        ],
        "groups": [group_json(group) for group in report.groups],
        "note": report.note,
    }


def progress_json(progress: Progress) -> dict[str, Any]:
    """`{"left": places, "per_second": rate or null, "seconds": time left or null, "sentence": s}`."""
    return {
        "left": progress.left,
        "per_second": progress.per_second,
        "seconds": progress.seconds,
        "sentence": progress.sentence,
    }


def report_text(report: Mapping[str, Any]) -> str:
    """The end of a sync for people."""
    lines = ["1 course is on." if report["courses"] == 1 else f"{report['courses']} courses are on."]
    if not report["courses"]:
        lines.append(_NONE_ON)
    lines.extend(f"Not done: {failure['key']}: {failure['error']}" for failure in report["failures"])
    lines.extend(_group_lines(report["groups"]))
    if report["held"]:
        lines.append("To let all of it pass: sync --confirm, for one course: sync --course ID --confirm")
    note = str(report.get("note") or "")
    if note:
        lines.append(note)
    elif not report["failures"] and not report["held"]:
        lines.append("Everything is as it should be.")
    return "\n".join(lines)


def _where_held(course: int) -> str:
    """No course has the number 0: the spaces above courses are booked under it."""
    return f"course {course}" if course else "the spaces above courses"


def _how_many(users: int | None) -> str:
    if not users:
        return "nobody is removed"
    return "1 person" if users == 1 else f"{users} people"


def accepted_text(answer: Mapping[str, Any]) -> str:
    """Which reports were accepted as they are now."""
    changed = answer["changed"]
    if not changed:
        return "The reports are as they were set up; there was nothing to accept."
    return "\n".join((*changed, "Accepted: from now on they are compared with what they are now."))
