"""What safety holds, for those who decide: grouped by cause, with whom it would remove, and a mark of what was seen.

A group is approved as it was shown: where its plans have changed since, nothing is confirmed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.model import CourseId, MoodleUserId, RoomId, UserId
from ..errors import Refused
from ..ports import Clock, HeldRow, Store
from .operations import Operations, SyncReport

_NUMBERS = re.compile(r"\d+(?:[.,]\d+)?")
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
        by_cause: dict[str, list[HeldRow]] = {}
        for row in await self._store.journal.held():
            if not row.confirmed:
                by_cause.setdefault(_NUMBERS.sub("…", row.reason), []).append(row)
        groups = [await self._group(rows) for rows in by_cause.values()]
        return sorted(groups, key=lambda one: one.since)

    async def approve(self, mark: str, *, person: MoodleUserId | None) -> SyncReport | None:
        """Confirm a group as it was shown and carry it out. Raises `Refused` where it has changed since."""
        group = next((one for one in await self.groups() if one.mark == mark), None)
        if group is None:
            raise Refused(CHANGED)
        report: SyncReport | None = None
        for course in group.courses:
            await self._store.journal.note(
                "Confirmed",
                at=self._clock.now(),
                why="An administrator has confirmed what was held.",
                person=person,
                course_id=course.course_id,
                signal="page",
            )
            report = await self._operations.sync(course.course_id, confirm=True)
        return report

    async def _group(self, rows: Sequence[HeldRow]) -> HeldGroup:
        reasons = {row.reason for row in rows}
        cause = rows[0].reason if len(reasons) == 1 else _NUMBERS.sub("…", rows[0].reason)
        known = await self._store.courses.all()
        courses: dict[CourseId, list[HeldRow]] = {}
        for row in rows:
            courses.setdefault(row.course_id, []).append(row)
        return HeldGroup(
            cause=cause,
            mark=_mark(rows),
            since=min(row.since for row in rows),
            number=len({user for row in rows for user in row.users}),
            courses=tuple(
                [
                    HeldCourse(
                        course_id,
                        known[course_id].shortname if course_id in known else "",
                        held[0].reason,
                        await self._names(held),
                    )
                    for course_id, held in sorted(courses.items())
                ]
            ),
        )

    async def _names(self, rows: Sequence[HeldRow]) -> tuple[str, ...]:
        found: dict[UserId, str] = {}
        for row in rows:
            places = await self._store.ledger.places(row.room_id)
            names = await self._store.people.names([places[user] for user in row.users if user in places])
            for user in row.users:
                found[user] = names.get(places[user], "") or user if user in places else user
        return tuple(sorted(found.values(), key=str.casefold))


def _mark(rows: Sequence[HeldRow]) -> str:
    parts = sorted(f"{row.course_id} {_room(row.room_id)} {','.join(sorted(row.users))}" for row in rows)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _room(room_id: RoomId) -> str:
    return str(room_id)
