"""The `course` key: what is planned for the rooms of a course, past safety, into requests.

People whom nobody has looked at yet are sent through their own key first; the course comes back when they are done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto

from ..domain.actions import Departure, Step, takes_out
from ..domain.digest import facts_hash
from ..domain.drift import reported
from ..domain.holds import REMOVAL_CAUSES
from ..domain.markers import stand_in
from ..domain.model import CourseId, MoodleUserId, RoomId
from ..domain.urgency import Urgency, urgency, urgent_part
from ..errors import PermanentFailure
from ..ports import (
    UNOBSERVED,
    Clock,
    CourseRow,
    HeldRow,
    Observer,
    Priority,
    Queue,
    Store,
    Taken,
    course_key,
    person_key,
)
from .apply import Hands, SliceResult
from .course_images import CourseImages
from .departed import Departed
from .endings import ENDING
from .freshness import CONTINUED, Freshness, tries_again
from .gate import Gate
from .people import for_course
from .planning import CoursePlanner, Prepared, PreparedRoom
from .returning import Returning
from .settled import Settled
from .tree import SpaceTree
from .troubles import Troubles

TURN = 5.0
"""Seconds after which a course makes room for others that are as urgent as what is left of it."""
LONGEST_LOOK = 10.0
"""Seconds after which a course is planned anew although nobody waits for anything."""
_PRIORITIES = {
    Urgency.REMOVAL: Priority.REMOVAL,
    Urgency.TEACHER: Priority.TEACHER,
    Urgency.NEW_ROOM: Priority.PASS,
    Urgency.REST: Priority.REST,
}
log = logging.getLogger(__name__)


class Outcome(Enum):
    """How a look at a key ended: all is as it should be, more to do at once, or other keys come first."""

    DONE = auto()
    MORE = auto()
    WAITING = auto()


class CourseSync:
    """One look at one course."""

    def __init__(
        self,
        planner: CoursePlanner,
        hands: Hands,
        store: Store,
        queue: Queue,
        gate: Gate,
        clock: Clock,
        freshness: Freshness,
        troubles: Troubles,
        settled: Settled,
        returning: Returning,
        departed: Departed,
        observer: Observer = UNOBSERVED,
        images: CourseImages | None = None,
        tree: SpaceTree | None = None,
        is_crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_crowded = is_crowded
        self._images = images
        self._tree = tree
        self._departed = departed
        self._observer = observer
        self._returning = returning
        self._settled = settled
        self._freshness = freshness
        self._troubles = troubles
        self._planner = planner
        self._hands = hands
        self._store = store
        self._queue = queue
        self._gate = gate
        self._clock = clock
        self._urgency: dict[CourseId, Priority] = {}

    async def run(self, taken: Taken) -> Outcome:
        """Plan and carry out one slice. `MORE`: the key must come back at once."""
        course_id = CourseId(taken.key.number)
        row = await self._store.courses.get(course_id)
        self._settled.unsettle(course_id)
        if tries_again(taken):
            self._troubles.hurry(course_id, now=self._clock.now())
        if row is not None and ENDING in {signal.removesuffix(CONTINUED) for signal in taken.signals}:
            if not await self._departed.run(row, taken):
                return Outcome.MORE
            row = await self._store.courses.get(course_id)
        if row is None or not row.on or row.gone:
            self._observer.forgot(course_id)
            if self._tree is not None:
                await self._tree.left(course_id)
            return Outcome.DONE
        await self._gate.open()
        with self._hands.look(alone=_is_hurried(taken)) as look:
            return await self._look(course_id, row, taken, look)

    async def _look(self, course_id: CourseId, row: CourseRow, taken: Taken, look: object) -> Outcome:
        epoch = self._gate.epoch
        prepared = await self._planner.prepare(
            course_id, not_older_than=self._freshness.oldest_allowed(taken, self._clock.now())
        )
        if prepared.nobody_looked_at:
            signal = for_course(course_id, taken.priority)
            await self._send_people(prepared.nobody_looked_at, signal=signal)
            if self._gate.writes and await self._store.pauses.of(course_id) is None:
                # While they are looked at: whoever is new will be written of.
                await self._gate.before_writes(epoch)
            return Outcome.WAITING
        if await self._returning.settle(prepared.rooms):
            return Outcome.MORE
        await self._remember(row, prepared)
        self._count(course_id, prepared)
        # Nobody waits for these: the course comes back only if another id comes out of it.
        await self._send_people(prepared.changed_people, signal="changed")
        return await self._carry_out(course_id, prepared, taken, epoch, look)

    def _count(self, course_id: CourseId, prepared: Prepared) -> None:
        places = (
            len(
                {
                    one.person
                    for one in room.desired.members.values()
                    if not one.guest and (one.required or one.free)
                }
            )
            for room in prepared.rooms
        )
        self._observer.counted(course_id, sum(places))

    async def _send_people(self, user_ids: Iterable[MoodleUserId], *, signal: str) -> None:
        for user_id in user_ids:
            await self._queue.add(person_key(user_id), priority=Priority.PERSON, signal=signal)

    async def _remember(self, row: CourseRow, prepared: Prepared) -> None:
        """Who is enrolled with which roles, where it has changed; what is held, or is not any more."""
        enrolled = facts_hash(prepared.roles)
        if enrolled != row.facts_hash:
            await self._store.courses.set_enrolments(row.id, prepared.roles, facts_hash=enrolled)
        if prepared.usability:
            await self._store.people.unusable(prepared.usability)
        held = await self._store.journal.held(row.id)
        for room in prepared.rooms:
            if room.absent is not None:
                continue
            await self._book_holds(row.id, room, held)
            if room.room_id is not None:
                await self._book_what_is(room, room.room_id)

    async def _book_holds(self, course_id: CourseId, room: PreparedRoom, held: Sequence[HeldRow]) -> None:
        """What is held in a room, cause by cause; what is not any more is forgotten, so that it can't be confirmed."""
        room_id = room.room_id or stand_in(room.key)
        holds = {hold.cause: hold for hold in room.verdict.holds}
        here = {row.cause: row for row in held if row.room_id == room_id}
        for row in here.values():
            if row.cause not in holds and not _is_under_way(row, room):
                await self._store.journal.clear_hold(room_id, row.cause)
        for hold in holds.values():
            if hold.cause in REMOVAL_CAUSES and self._removes_now(course_id, room):
                continue
            log.warning("%s: %s is held for %d. %s", room.key, hold.cause, len(hold.users), hold.reason)
            if hold.cause in here and here[hold.cause].users == hold.users:
                continue
            await self._store.journal.hold(
                course_id, room_id, hold.users, hold.reason, at=self._clock.now(), cause=hold.cause
            )

    def _removes_now(self, course_id: CourseId, room: PreparedRoom) -> bool:
        """Whether confirmed removals are being carried out: who is held beside them is booked after them."""
        steps = tuple(Step(room.key, action) for action in room.verdict.actions)
        due = self._troubles.due(course_id, steps, now=self._clock.now())
        return any(takes_out(step.action) for step in due)

    async def _book_what_is(self, room: PreparedRoom, room_id: RoomId) -> None:
        """What the room tells our books: who is where they belong, and who left and is not enrolled any more."""
        bookings = room.plan.bookings
        if bookings.names:
            await self._store.ledger.keep_names(room_id, bookings.names)
        if bookings.found or bookings.banned:
            await self._store.ledger.found(
                room_id,
                {**bookings.found, **bookings.banned},
                bans=bookings.banned,
                at=self._clock.now(),
            )
        # While Moodle's list is doubted, nobody counts as not wanted any more.
        if bookings.unwanted and room.verdict.hold is None:
            await self._store.ledger.unwanted(room_id, bookings.unwanted, at=self._clock.now())

    async def _carry_out(
        self, course_id: CourseId, prepared: Prepared, taken: Taken, epoch: int, look: object
    ) -> Outcome:
        now = self._clock.now()
        self._troubles.keep_only(course_id, prepared.steps)
        steps = self._troubles.due(course_id, prepared.steps, now=now)
        if steps and not self._gate.writes:
            return await self._only_tell(course_id, steps)
        if steps:
            left = await self._slices(course_id, prepared, steps, taken, epoch, look)
            holds_more = prepared.is_held and any(takes_out(step.action) for step in steps)
            if left is None or left or holds_more or _may_come_back(prepared, steps):
                self._urgency[course_id] = _PRIORITIES[urgency(left or ())]
                return Outcome.MORE
        if await self._fetched_image(prepared, epoch):
            return Outcome.MORE
        await self._finish(course_id, prepared)
        return Outcome.DONE

    async def _fetched_image(self, prepared: Prepared, epoch: int) -> bool:
        """Fetch the picture of the course, if it is wanted and not known yet: then there is more to do."""
        if self._images is None or prepared.image is not None or not prepared.course.rules.avatar:
            return False
        return await self._gate.before_writes(epoch) and await self._images.fetch(prepared.facts.course.image)

    async def _slices(
        self,
        course_id: CourseId,
        prepared: Prepared,
        steps: tuple[Step, ...],
        taken: Taken,
        epoch: int,
        look: object,
    ) -> tuple[Step, ...] | None:
        """Slice after slice until others go first; what is left then, None: everything is planned anew."""
        began = self._clock.now()
        is_hurried = _is_hurried(taken)
        signal = ",".join(sorted(taken.signals))
        rooms = prepared.ids
        while steps:
            if await self._store.pauses.of(course_id) is not None:
                # Somebody has pulled the brake meanwhile: whoever takes the key next leaves it alone.
                return steps
            if not await self._gate.before_writes(epoch):
                return None
            part = steps if is_hurried else urgent_part(steps)
            result = await self._hands.slice(
                course_id, rooms, part, signal=signal, alone=is_hurried, look=look
            )
            begun, rooms = part[: len(part) - result.left], result.rooms
            self._book_troubles(course_id, begun, result)
            steps = steps[len(begun) :]
            if not result.done:
                return None
            if result.failures or self._is_over(taken, steps, began):
                break
        return steps

    def _is_over(self, taken: Taken, steps: Sequence[Step], began: float) -> bool:
        """Whether others go first now: at once whoever is more urgent than what is left here, after a turn anybody.

        So it is too where the homeserver is to be asked for less at once.
        """
        lasted = self._clock.now() - began
        above = _PRIORITIES[urgency(steps)] if lasted < TURN else None
        is_full = self._is_crowded() or lasted >= LONGEST_LOOK
        return is_full or self._queue.presses(taken, above=above)

    def _book_troubles(self, course_id: CourseId, begun: tuple[Step, ...], result: SliceResult) -> None:
        failed = [step for step, _ in result.failures]
        for step in begun:
            if step not in failed:
                self._troubles.solved(course_id, step)
        for step, failure in result.failures:
            self._troubles.add(course_id, step, failure, now=self._clock.now())

    def urgency_of(self, taken: Taken) -> Priority:
        """With which priority a course comes back that has more to do; whoever waits for it goes on waiting."""
        found = self._urgency.pop(CourseId(taken.key.number), taken.priority)
        return taken.priority if taken.priority is Priority.WAITING_PERSON else found

    async def _only_tell(self, course_id: CourseId, steps: Sequence[Step]) -> Outcome:
        """In a dry run: what would be done now stands in the log."""
        for step in steps:
            kind = type(step.action).__name__
            log.info("Dry run: %s: %s would be done. %s", step.room, kind, step.action.why)
        await self._store.courses.synced(course_id, at=self._clock.now())
        return Outcome.DONE

    async def _finish(self, course_id: CourseId, prepared: Prepared) -> None:
        """All that could be done is done; what was put aside is looked at again when its time comes."""
        now = self._clock.now()
        await self._store.courses.synced(course_id, at=now)
        if self._tree is not None:
            entry = prepared.course.entry
            room_id = prepared.ids.get(entry) or await self._store.ledger.room_of(entry)
            await self._tree.entered(entry, prepared.above, room_id)
        await self._report_drift(course_id, prepared)
        troubles = list(self._troubles.of(course_id).values())
        filled = [room.key for room in prepared.rooms if not room.filled and not room.verdict.holds]
        if filled:
            await self._store.safety.filled(filled, at=now)
        is_quiet = (
            not troubles and not prepared.is_held and not prepared.changed_people and not _lacks(prepared)
        )
        # Of people who are not enrolled the facts of the course say nothing, so each pass asks for them.
        if is_quiet and prepared.course.course.treatments.keys() <= prepared.course.course.counted:
            self._settled.settle(course_id, prepared.digest)
        if prepared.next_look is not None:
            await self._queue.add(
                course_key(course_id),
                priority=Priority.PASS,
                signal="moment",
                not_before=prepared.next_look,
            )
        if troubles:
            text = f"{len(troubles)} actions failed and are tried again, the first: {troubles[0].failure}"
            await self._store.courses.synced(course_id, at=now, error=text)
            await self._queue.add(
                course_key(course_id),
                priority=Priority.PASS,
                signal="retry",
                not_before=min(trouble.retry_at for trouble in troubles),
            )
        if lacking := _lacks(prepared):
            raise PermanentFailure(lacking)

    async def _report_drift(self, course_id: CourseId, prepared: Prepared) -> None:
        """What stands in the rooms although we would have it otherwise: kept for `doctor`, and said once in the log."""
        now = self._clock.now()
        keys = {room.room_id: room.key for room in prepared.rooms if room.room_id is not None}
        found = {
            room.room_id: reported(room.plan.notes, prepared.course.rules.drift)
            for room in prepared.rooms
            if room.room_id is not None
        }
        for room_id, new in (await self._store.drift.report(found, at=now)).items():
            for why in (found[room_id][what] for what in new):
                log.warning("%s: %s", keys[room_id], why)
                await self._store.journal.note("Drift", at=now, why=why, course_id=course_id, room_id=room_id)


def _is_hurried(taken: Taken) -> bool:
    """Whether somebody waits for it, or something is known to have changed."""
    return taken.priority <= Priority.HINT


def _lacks(prepared: Prepared) -> str:
    """What a person has to give the bot in the rooms of this course, in sentences; empty for nothing."""
    kinds = ("put_out", "powerless")
    texts = (note.text for room in prepared.rooms for note in room.plan.notes if note.kind in kinds)
    return " ".join(dict.fromkeys(texts))


def _may_come_back(prepared: Prepared, steps: tuple[Step, ...]) -> bool:
    """Whether somebody was taken out while other rooms would let them in again: those are looked at once more."""
    has_free = any(room.desired.is_free for room in prepared.rooms)
    return has_free and any(isinstance(step.action, Departure) for step in steps)


def _is_under_way(row: HeldRow, room: PreparedRoom) -> bool:
    """Whether something that was confirmed is still to be done."""
    if not row.confirmed:
        return False
    subjects = {getattr(action, "matrix_id", "") for action in room.plan.actions}
    return bool(room.plan.actions) and (row.cause not in REMOVAL_CAUSES or bool(row.users & subjects))
