"""What the command line asks about rooms, as names and JSON: the same through the control socket and without it.

find      {}                      → {rooms: [{course, kind, room, why, command}], unmanaged: [{room, room_id, users}]}
look      {course, room, kind}    → {sentences, room_id}
adopt     {course, room, kind}    → {sentences}
upgrade   {}                      → {sentences}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .domain.model import CourseId
from .domain.rooms import RoomKey, RoomKind
from .engine.adoption import Adoption, Proposal
from .engine.candidates import Candidate, Candidates
from .engine.replacing import Replacing
from .errors import PermanentFailure
from .show import action_sentence

ROOM_WORK = ("find", "look", "adopt", "upgrade")


class RoomWork:
    """Answers one of `ROOM_WORK`. Raises what the work raises."""

    def __init__(self, adoption: Adoption, candidates: Candidates, replacing: Replacing) -> None:
        self._adoption = adoption
        self._candidates = candidates
        self._replacing = replacing

    async def do(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do it and say what came of it. Raises `PermanentFailure` for a name that it does not know."""
        match name:
            case "find":
                return await self._find()
            case "look":
                proposal = await self._adoption.look(*_asked(asked))
                return {"sentences": said_of(proposal), "room_id": proposal.room.room_id}
            case "adopt":
                return {"sentences": await self._adoption.adopt(*_asked(asked))}
            case "upgrade":
                return {"sentences": await self._replacing.upgrade_all()}
        raise PermanentFailure(
            f"This service knows no “{name}” of rooms. Nothing was done. Is it an older version?"
        )

    async def _find(self) -> dict[str, Any]:
        return {
            "rooms": [_candidate(one) for one in await self._candidates.find()],
            "unmanaged": [
                {"room": str(one.key), "room_id": one.room_id, "users": list(one.users)}
                for one in await self._candidates.unmanaged()
            ],
        }


def said_of(proposal: Proposal) -> list[str]:
    """What adopting a room would do, line by line."""
    room, planned = proposal.room, proposal.planned
    name = room.content("m.room.name").get("name") or "without a name"
    there = sum(1 for here in room.members.values() if here.membership == "join")
    lines = [
        f"{room.room_id} ({name}), version {room.version}, {there} members, would be {proposal.key}.",
        *(f"  first: {proposal.lacks}" for _ in range(bool(proposal.lacks))),
        *(f"  note: {note}" for note in proposal.notes),
        *(f"  {action_sentence(action)}" for action in planned.verdict.actions),
    ]
    if planned.verdict.hold is not None:
        lines.append(f"  HELD: {planned.verdict.hold.reason}")
    lines.extend(f"  note: {note.text}" for note in planned.plan.notes if note.person is None)
    return lines


def found_text(answer: Mapping[str, Any]) -> str:
    """What was found, for people."""
    lines = [f"{one['room']} → {_which(one)}: {one['why']}\n  {one['command']}" for one in answer["rooms"]]
    if not lines:
        lines.append("No room was found that could be adopted.")
    lines.extend(
        f"{one['room']} ({one['room_id']}): {len(one['users'])} accounts are nobody's in Moodle by any rule, and are "
        f"left alone: {', '.join(one['users'])}."
        for one in answer["unmanaged"]
    )
    if answer["unmanaged"]:
        lines.append(
            "Whoever of them had proven the account does that once more: `moodle-appservice user link PERSON`, or the "
            "bot's command link."
        )
    return "\n".join(lines)


def _candidate(one: Candidate) -> dict[str, Any]:
    kind = f"group:{one.key.group}" if one.key.kind is RoomKind.GROUP else str(one.key.kind)
    command = f"moodle-appservice adopt {one.key.owner} '{one.room}'" + (
        "" if one.key.kind is RoomKind.MAIN else f" --kind {kind}"
    )
    course: RoomKey = one.key
    return {
        "course": course.course_id,
        "kind": kind,
        "room": one.room,
        "why": one.why,
        "command": command
        if course.course_id is not None
        else "It is taken back at the next look at the site.",
    }


def _which(one: Mapping[str, Any]) -> str:
    return f"course {one['course']}, {one['kind']}" if one["course"] is not None else str(one["kind"])


def _asked(asked: Mapping[str, Any]) -> tuple[CourseId, str, str]:
    course = asked.get("course")
    if not isinstance(course, int):
        raise PermanentFailure("No course was named. Nothing was changed.")
    return CourseId(course), str(asked.get("room", "")), str(asked.get("kind") or "main")
