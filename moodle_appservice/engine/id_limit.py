"""How many people may get another Matrix id within a day before a person is asked.

An accident in the rules or in Moodle's profile fields would send everybody out of the rooms, and others into them.

A proven link is the person's own wish and does not count.
"""

from __future__ import annotations

from ..domain.holds import Cause
from ..domain.leavers import DAY
from ..domain.model import CourseId, MoodleUserId, RoomId
from ..domain.rules import Rules
from ..domain.safety import too_many_ids
from ..ports import Clock, Store

ABOVE_ROOMS = RoomId("")
ABOVE_COURSES = CourseId(0)


class IdLimit:
    """Counts, and holds who is too many."""

    def __init__(self, store: Store, rules: Rules, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock

    async def hold(self, user_id: MoodleUserId) -> str:
        """Why this person keeps the id for now, as a sentence; empty where the change is booked and may be made."""
        now, person = self._clock.now(), str(user_id)
        rows = await self._store.journal.held(ABOVE_COURSES)
        row = next((one for one in rows if one.cause is Cause.IDS), None)
        if row is not None and row.confirmed and person in row.users:
            await self._let_go(row.users - {person}, row.reason, now)
            return ""
        changes = await self._store.safety.id_changes(since=now - DAY) + 1
        why = too_many_ids(changes, await self._store.safety.people(), self._rules)
        if not why:
            await self._store.safety.changed_id(at=now)
            return ""
        users = {person} | (row.users if row is not None and not row.confirmed else frozenset())
        await self._store.journal.hold(
            ABOVE_COURSES, ABOVE_ROOMS, frozenset(users), why, at=now, cause=Cause.IDS
        )
        return f"Keeps this Matrix id for now: {why}"

    async def _let_go(self, left: frozenset[str], why: str, now: float) -> None:
        """One of those who were confirmed is done; the others stay confirmed."""
        await self._store.journal.clear_hold(ABOVE_ROOMS, Cause.IDS, course_id=ABOVE_COURSES)
        if not left:
            return
        await self._store.journal.hold(ABOVE_COURSES, ABOVE_ROOMS, left, why, at=now, cause=Cause.IDS)
        rows = await self._store.journal.held(ABOVE_COURSES)
        await self._store.journal.confirm(rows=[one for one in rows if one.cause is Cause.IDS])
