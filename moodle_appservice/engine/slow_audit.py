"""The slow audit: each room of ours is compared with the homeserver once a day, with one request.

What Synapse pushes keeps the mirror right, so this finds something only after a bug, or where somebody has worked on
the homeserver's database. A room is read into the mirror (what is pushed meanwhile wins); where that changes anything,
the course is looked at, and its plan repairs. The looks are spread over the day, one room at a time, and when each was
is kept: a restart, or days of standstill, are followed by no burst.

Whether an alias leads anywhere is no state of the room: the directory is asked with a second request. An alias of ours
that leads nowhere is taken for one that the room does not name any more, and the plan puts it back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from ..domain.compare import differences
from ..domain.markers import is_alias_of_ours
from ..domain.model import CourseId, RoomAlias, RoomId
from ..domain.repairs import CANONICAL_ALIAS
from ..domain.rules import Rules
from ..errors import AppError, PermanentFailure
from ..ports import SITE, Clock, Event, Matrix, Priority, Queue, Store, course_key
from .stopping import end

DAY = 86400.0
SHORTEST, LONGEST = 1.0, 900.0
SIGNAL = "audit"
log = logging.getLogger(__name__)


class SlowAudit:
    """Compares rooms. `every`: seconds between two looks at one room."""

    def __init__(
        self, matrix: Matrix, store: Store, queue: Queue, rules: Rules, clock: Clock, *, every: float = DAY
    ) -> None:
        self._rules = rules
        self._matrix = matrix
        self._store = store
        self._queue = queue
        self._clock = clock
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look comes after the first pause."""
        self._task = asyncio.create_task(self._tick(), name="slow audit")

    async def stop(self) -> None:
        """No further looks."""
        await end(self._task)
        self._task = None

    async def _tick(self) -> None:
        while True:
            pause = LONGEST
            try:
                pause = await self.pause()
                await asyncio.sleep(pause)
                await self.turn()
            except AppError as failure:
                log.warning("The slow audit goes on later: %s", failure)
                await asyncio.sleep(pause)

    async def pause(self) -> float:
        """Seconds between two rooms: as many as let each have its turn in time, none in a hurry."""
        number = await self._store.drift.number_of_rooms()
        return min(max(self._every / max(number, 1), SHORTEST), LONGEST)

    async def turn(self) -> RoomId | None:
        """Compare the room whose look is longest ago, if it is due; which that was."""
        found = await self._store.drift.next_room()
        if found is None or self._clock.now() - found[1] < self._every:
            return None
        await self.compare(found[0])
        return found[0]

    async def compare(self, room_id: RoomId) -> tuple[str, ...]:
        """Read one room into the mirror; what it had otherwise, in sentences. Its course is looked at then."""
        ours = await self._store.mirror.room(room_id)
        guard = await self._store.mirror.begin_read()
        try:
            events = await self._matrix.read_state(room_id)
            lost = await self._lost_alias(room_id, events)
        except PermanentFailure as failure:
            await self._store.mirror.mark_stale(room_id)
            found: tuple[str, ...] = (f"The room can't be read. {failure}",)
        else:
            await self._store.mirror.replace(room_id, _without(lost, events), guard=guard)
            theirs = await self._store.mirror.room(room_id)
            found = differences(ours, theirs, lost) if theirs is not None else ()
        await self._store.drift.looked(room_id, at=self._clock.now())
        if found:
            await self._tell(room_id, len(found))
        return found

    async def compare_course(self, course_id: CourseId) -> tuple[str, ...]:
        """Compare all rooms of a course now."""
        rooms = await self._store.ledger.rooms_of(course_id)
        found: list[str] = []
        for key, own in sorted(rooms.items(), key=lambda one: one[0].rank):
            found.extend(f"{key}: {sentence}" for sentence in await self.compare(own.room_id))
        return tuple(found)

    async def _lost_alias(self, room_id: RoomId, events: Sequence[Event]) -> RoomAlias | None:
        """The alias of ours that the room names and that leads nowhere."""
        named = next((event.content.get("alias") for event in events if event.type == CANONICAL_ALIAS), None)
        if not is_alias_of_ours(named, self._rules) or await self._store.ledger.key_of(room_id) is None:
            return None
        alias = RoomAlias(str(named))
        return alias if await self._matrix.resolve_alias(alias) is None else None

    async def _tell(self, room_id: RoomId, number: int) -> None:
        key = await self._store.ledger.key_of(room_id)
        course_id = key.course_id if key is not None else None
        what = "one thing differs" if number == 1 else f"{number} things differ"
        log.warning("%s (%s): %s from what we knew of the room; it is looked at.", room_id, key, what)
        await self._store.journal.note(
            "AuditOfRoom",
            at=self._clock.now(),
            why=f"Compared with the homeserver, {what} from what we knew of the room.",
            course_id=course_id,
            room_id=room_id,
            signal=SIGNAL,
        )
        due = SITE if course_id is None else course_key(course_id)
        await self._queue.add(due, priority=Priority.HINT, signal=SIGNAL)


def _without(lost: RoomAlias | None, events: Sequence[Event]) -> Sequence[Event]:
    """The state as it is to be repaired: a room that names an alias which leads nowhere names none."""
    if lost is None:
        return events
    return [replace(event, content={}) if event.type == CANONICAL_ALIAS else event for event in events]
