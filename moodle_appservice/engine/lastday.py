"""What safety is told beside the plan: what has happened within the last day, and what a person has confirmed."""

from __future__ import annotations

from dataclasses import replace

from ..domain.actions import Plan
from ..domain.holds import Cause
from ..domain.leavers import DAY
from ..domain.mapping import DesiredRoom
from ..domain.model import CourseFacts, CourseId, RoomId
from ..domain.safety import Recent, uncounted
from ..domain.shrink import is_over
from ..ports import Clock, Facts, Store


class LastDay:
    """Reads only."""

    def __init__(self, facts: Facts, store: Store, clock: Clock) -> None:
        self._facts = facts
        self._store = store
        self._clock = clock

    async def recent(
        self, facts: CourseFacts, desired: DesiredRoom, plan: Plan, room_id: RoomId | None, *, filled: bool
    ) -> Recent:
        """What has happened in a room and in all; the books are asked only where somebody goes who counts."""
        now = self._clock.now()
        recent = Recent(
            explained=await self._facts.explained(facts.course.id),
            is_over=is_over(facts.course, now),
            is_filled=filled,
        )
        counted = {action.matrix_id for action in plan.removals} - uncounted(plan, desired, recent)
        if room_id is None or not counted:
            return recent
        here, everywhere = await self._store.safety.departures(room_id, since=now - DAY)
        return replace(
            recent, in_room=here, in_site=everywhere, places=await self._store.safety.places() + everywhere
        )

    async def confirmed(self, course_id: CourseId) -> dict[RoomId, dict[Cause, frozenset[str]]]:
        """What a person has confirmed, by room and cause."""
        found: dict[RoomId, dict[Cause, frozenset[str]]] = {}
        for row in await self._store.journal.held(course_id):
            if row.confirmed:
                found.setdefault(row.room_id, {})[row.cause] = row.users
        return found
