"""What safety holds, for those who decide: grouped by cause, with whom it would remove, and a mark of what was seen.

A group is approved as it was shown: where its plans have changed since, nothing is confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..domain.holds import HeldPart, HoldGroup
from ..domain.model import CourseId, MoodleUserId, UserId
from ..errors import Refused
from ..ports import Clock, HeldRow, Store
from .operations import Operations, SyncReport

ABOVE_COURSES = CourseId(0)
PAGE = "an administrator, on a page"
CHANGED = "What is held has changed since this was shown, so nothing was confirmed. Look at it again."


@dataclass(frozen=True, slots=True)
class HeldCourse:
    """The removals of one course. `people`: names, as far as they are known, else accounts."""

    course_id: CourseId
    shortname: str
    reason: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Everything that is held for one cause. `since`: of the oldest; `mark` tells it from a later state."""

    cause: str
    mark: str
    since: float
    number: int
    courses: tuple[HeldCourse, ...]


class HeldPlans:
    """Reads and confirms."""

    def __init__(self, store: Store, operations: Operations, clock: Clock) -> None:
        self._store = store
        self._operations = operations
        self._clock = clock

    async def groups(self) -> Sequence[HeldGroup]:
        """What waits, the oldest first."""
        rows = {(row.course_id, row.room_id, row.cause): row for row in await self._store.journal.held()}
        return [await self._group(group, rows) for group in await self._operations.holds.groups()]

    async def approve(self, mark: str, *, person: MoodleUserId | None) -> SyncReport:
        """Confirm a group as it was shown and carry it out. Raises `Refused` where it has changed since."""
        try:
            report = await self._operations.sync_confirmed(mark, by=PAGE)
        except Refused:
            raise Refused(CHANGED) from None
        await self._store.journal.note(
            "Confirmed",
            at=self._clock.now(),
            why="An administrator has confirmed what was held.",
            person=person,
            signal="page",
        )
        return report

    async def _group(self, group: HoldGroup, rows: Mapping[Any, HeldRow]) -> HeldGroup:
        known = await self._store.courses.all()
        courses: dict[CourseId, list[HeldPart]] = {}
        for part in group.parts:
            courses.setdefault(part.course_id or ABOVE_COURSES, []).append(part)
        found = []
        for course_id, parts in sorted(courses.items()):
            held = [rows[key] for part in parts if (key := (course_id, part.room, group.cause)) in rows]
            shortname = known[course_id].shortname if course_id in known else ""
            found.append(HeldCourse(course_id, shortname, parts[0].reason, await self._names(held)))
        return HeldGroup(group.title, group.id, group.since, group.users, tuple(found))

    async def _names(self, rows: Sequence[HeldRow]) -> tuple[str, ...]:
        found: dict[str, str] = {}
        for row in rows:
            places = dict(await self._store.ledger.places(row.room_id)) if row.room_id else {}
            users = [UserId(user) for user in row.users]
            people = {user: places[user] for user in users if user in places}
            people |= {user: MoodleUserId(int(user)) for user in users if user.isdigit()}
            names = await self._store.people.names(list(people.values()))
            for user in users:
                found[user] = (names.get(people[user], "") if user in people else "") or user
        return tuple(sorted(found.values(), key=str.casefold))
