"""What waits for a person, in groups by cause, and how a group is confirmed: what one has seen, or nothing.

A group's id says what is in it. Confirming takes an id: if anything has changed since it was shown, the id is another
one and the confirmation is refused. Confirming makes the courses due that it lets go on. What the source of facts holds
by itself is a group like the others.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from ..domain.holds import Cause, HeldPart, HoldGroup, group_id
from ..domain.model import CourseId, MoodleUserId
from ..errors import Refused
from ..ports import SITE, Clock, Facts, HeldRow, Priority, Queue, Store, course_key, person_key

CONFIRM = "confirm"
log = logging.getLogger(__name__)


class Holds:
    """Lists groups and confirms them."""

    def __init__(self, store: Store, facts: Facts, queue: Queue, clock: Clock) -> None:
        self._store = store
        self._facts = facts
        self._queue = queue
        self._clock = clock
        self._doubted_since: dict[CourseId, float] = {}

    async def groups(self, course_id: CourseId | None = None) -> Sequence[HoldGroup]:
        """Everything that waits, or what of it concerns this course, by cause; the oldest group first."""
        found = [_group(cause, rows) for cause, rows in (await self._waiting(course_id)).items()]
        doubt = self._doubt(course_id)
        return sorted([*found, *([doubt] if doubt else [])], key=lambda group: (group.since, group.id))

    async def confirm(self, wanted: str, *, by: str, course_id: CourseId | None = None) -> str:
        """Let a group go on, as it was listed (with `course_id`: for that course). Returns a sentence for the person.

        Raises `Refused` where there is no such group, or where it has changed since; then nothing was confirmed.
        """
        doubt = self._doubt(course_id)
        if doubt is not None and wanted == doubt.id:
            courses = [part.course_id for part in doubt.parts if part.course_id is not None]
            await self._facts.confirm(courses)
            await self._done(Cause.DOUBT, by, len(courses))
            await self._queue.add(SITE, priority=Priority.WAITING_PERSON, signal=CONFIRM)
            return f"Confirmed: what Moodle says is taken as it is. Courses: {len(courses)}."
        for cause, rows in (await self._waiting(course_id)).items():
            if wanted == _group(cause, rows).id:
                return await self._confirm(cause, rows, by)
        raise Refused(await self._refusal(wanted, course_id))

    async def _confirm(self, cause: Cause, rows: Sequence[HeldRow], by: str) -> str:
        if not await self._store.journal.confirm(rows=rows):
            raise Refused(_CHANGED)
        await self._done(cause, by, len(rows))
        for course in sorted({row.course_id for row in rows if row.course_id}):
            await self._queue.add(course_key(course), priority=Priority.WAITING_PERSON, signal=CONFIRM)
        if cause is not Cause.IDS and any(not row.course_id for row in rows):
            # Spaces above courses are looked at with the site.
            await self._queue.add(SITE, priority=Priority.WAITING_PERSON, signal=CONFIRM)
        if cause is Cause.IDS:
            for row in rows:
                for number in sorted(row.users):
                    key = person_key(MoodleUserId(int(number)))
                    await self._queue.add(key, priority=Priority.PERSON, signal=CONFIRM)
        users = sum(len(row.users) for row in rows)
        return f"Confirmed: {_group(cause, rows).title}. Rooms or courses: {len(rows)}, people: {users}."

    async def _done(self, cause: Cause, by: str, number: int) -> None:
        log.warning("%s confirms what was held: %s, %d.", by, cause, number)
        why = f"A person has confirmed what was held ({cause}, {number})."
        await self._store.journal.note("Confirmed", at=self._clock.now(), why=why, signal=CONFIRM)

    async def _waiting(self, course_id: CourseId | None) -> dict[Cause, list[HeldRow]]:
        found: dict[Cause, list[HeldRow]] = defaultdict(list)
        for row in await self._store.journal.held(course_id):
            if not row.confirmed:
                found[row.cause].append(row)
        return found

    async def _refusal(self, wanted: str, course_id: CourseId | None) -> str:
        cause = wanted.rpartition("-")[0]
        if any(group.cause == cause for group in await self.groups(course_id)):
            return _CHANGED
        return (
            f"Nothing is held under {wanted}. Nothing was confirmed. `plan` lists what is held, with its ids."
        )

    def _doubt(self, course_id: CourseId | None) -> HoldGroup | None:
        held = {one: why for one, why in self._facts.held.items() if course_id in (None, one)}
        self._doubted_since = {
            one: self._doubted_since.get(one, self._clock.now()) for one in self._facts.held
        }
        if not held:
            return None
        parts = tuple(HeldPart(one, "", 0, why) for one, why in sorted(held.items()))
        wanted = group_id(Cause.DOUBT, [(str(one), [why]) for one, why in held.items()])
        return HoldGroup(wanted, Cause.DOUBT, min(self._doubted_since[one] for one in held), parts)


_CHANGED = (
    "What is held has changed since this id was shown. Nothing was confirmed. Look at it again: `plan` lists what is "
    "held now, with its ids."
)


def _group(cause: Cause, rows: Sequence[HeldRow]) -> HoldGroup:
    parts = tuple(HeldPart(row.course_id or None, row.room_id, len(row.users), row.reason) for row in rows)
    places = [(f"{row.course_id} {row.room_id}", row.users) for row in rows]
    return HoldGroup(group_id(cause, places), cause, min(row.since for row in rows), parts)
