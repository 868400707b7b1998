"""How a course's room stands, in numbers and names: what `!status` and the pages show.

Made from the same plan that a sync would carry out, so that a status never tells another story than the sync.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.actions import Invite
from ..domain.model import CourseId, Membership, MoodleUserId, RoomId
from ..ports import Facts, Store
from .course import CoursePlanner, Prepared
from .troubles import Troubles


@dataclass(frozen=True, slots=True)
class Missing:
    """Somebody who is enrolled and not in the room, with the reason as a sentence."""

    person: MoodleUserId
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CourseStatus:
    """The state of one course. Times are Unix seconds. `expected` = joined + invited + missing."""

    course_id: CourseId
    shortname: str
    on: bool
    reason: str
    room_id: RoomId | None = None
    expected: int = 0
    joined: int = 0
    invited: int = 0
    missing: tuple[Missing, ...] = ()
    to_do: int = 0
    held: str = ""
    last_sync: float | None = None
    last_error: str = ""
    own_room: bool = False
    """Moodle itself has made a room for the course too, so it has two."""


class StatusReader:
    """Reads the status of courses."""

    def __init__(self, planner: CoursePlanner, store: Store, troubles: Troubles, facts: Facts) -> None:
        self._facts = facts
        self._troubles = troubles
        self._planner = planner
        self._store = store

    async def course(self, course_id: CourseId) -> CourseStatus | None:
        """One course, or None where it was never seen. Uses the facts in memory where there are any."""
        row = await self._store.courses.get(course_id)
        if row is None:
            return None
        if not row.on:
            return CourseStatus(course_id, row.shortname, False, row.reason)
        prepared = await self._planner.prepare(course_id, not_older_than=0.0)
        joined, invited = _count(prepared)
        missing = await self._missing(prepared)
        return CourseStatus(
            course_id=course_id,
            shortname=row.shortname,
            on=True,
            reason=row.reason,
            room_id=prepared.room_id,
            expected=joined + invited + len(missing),
            joined=joined,
            invited=invited,
            missing=missing,
            to_do=len(prepared.plan.actions),
            held=prepared.verdict.hold.reason
            if prepared.verdict.hold
            else self._facts.held.get(course_id, ""),
            last_sync=row.last_sync,
            last_error=row.last_error,
            own_room=bool(prepared.facts.course.own_room_url),
        )

    async def _missing(self, prepared: Prepared) -> tuple[Missing, ...]:
        reasons = {
            note.person: note.text
            for note in prepared.plan.notes
            if note.person is not None and note.kind in {"unresolved", "left", "banned"}
        }
        for trouble in self._troubles.of(prepared.facts.course.id).values():
            if isinstance(trouble.action, Invite):
                reasons[trouble.action.person] = f"The invite failed and is tried again: {trouble.failure}"
        for member in prepared.desired.members.values():
            if member.person not in reasons and member.required and not _is_there(prepared, member.person):
                reasons[member.person] = "The invite has not been sent yet."
        names = await self._store.people.names(list(reasons))
        return tuple(
            Missing(person, names.get(person) or _name(prepared, person), reason)
            for person, reason in sorted(reasons.items())
        )


def _count(prepared: Prepared) -> tuple[int, int]:
    members = prepared.actual.members if prepared.actual else {}
    wanted = [members[user].membership for user in prepared.desired.members if user in members]
    return wanted.count(Membership.JOIN), wanted.count(Membership.INVITE)


def _is_there(prepared: Prepared, person: MoodleUserId) -> bool:
    members = prepared.actual.members if prepared.actual else {}
    return any(
        member.person == person
        and user in members
        and members[user].membership in (Membership.JOIN, Membership.INVITE)
        for user, member in prepared.desired.members.items()
    )


def _name(prepared: Prepared, person: MoodleUserId) -> str:
    found = prepared.facts.people.get(person)
    return found.full_name if found else f"Moodle user {person}"
