"""Which courses end with this pass, before anything is done: what a person may hold, and what is made due.

A course that was on, and is off or gone, ends by its policy after a time of grace; an archived one may be written down
and deleted when its time has come. What is due is booked, what looks like an accident is held until a person confirms
it (`sync --confirm`), and the rest is carried out by the course's own key (`departed`). A course that comes back goes
on as if nothing had been; one that was restored under a new id waits for a person who gives it the old rooms.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..domain.ending import Due, Ending, held, next_of, of_archive, of_lost
from ..domain.holds import Cause
from ..domain.life import ARCHIVED, Phase, stage_of, word_of
from ..domain.model import CourseId, RoomId, SiteFacts
from ..domain.moments import moment
from ..domain.rooms import main_room
from ..domain.rules import DAY, Rules
from ..ports import Chosen, Clock, CourseRow, EndingRow, Priority, Queue, Store, course_key

ENDING = "ending"
"""The signal that sends a course's key to its ending."""
FRESH = "fresh"
"""The setting that says: a course that looks restored gets new rooms."""
CONFIRMED = "A person has confirmed that the course was restored from the one that the room's marker names."
log = logging.getLogger(__name__)


class Endings:
    """Looks at all courses that have rooms, once in each pass."""

    def __init__(self, store: Store, queue: Queue, rules: Rules, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._rules = rules
        self._clock = clock

    async def look(self, rows: Mapping[CourseId, CourseRow], site: SiteFacts) -> None:
        """Book what ends and make it due, and ask a person about courses that look restored."""
        with_rooms = await self._store.ledger.courses()
        booked = await self._store.endings.all()
        ends = await self._all_due(rows, site, with_rooms - await self._restored(rows, with_rooms))
        due = {
            course_id: one
            for course_id, all_due in ends.items()
            if (one := _next(all_due, booked.get(course_id)))
        }
        for course_id, row in booked.items():
            if course_id not in due:
                await self._goes_on(course_id, row, follows=course_id in ends)
        since = self._clock.now() - DAY
        recent = sum(
            1
            for row in booked.values()
            if row.is_policy
            and row.done_at is not None
            and row.done_at > since
            and row.ending is not Ending.EXPORT
        )
        stopped = await self._held(held(due, self._rules, recent=recent))
        for course_id, one in due.items():
            await self._book(course_id, one, booked.get(course_id))
            if course_id not in stopped:
                await self._queue.add(course_key(course_id), priority=Priority.PASS, signal=ENDING)

    async def preview(self, rows: Mapping[CourseId, CourseRow], site: SiteFacts) -> dict[CourseId, Due]:
        """Which courses would end with a pass now, and how; nothing is booked or made due."""
        booked = await self._store.endings.all()
        ends = await self._all_due(rows, site, await self._store.ledger.courses())
        return {
            course_id: one for course_id, due in ends.items() if (one := _next(due, booked.get(course_id)))
        }

    async def waiting(self) -> dict[CourseId, str]:
        """The courses that wait for a person before they get any rooms, with the question."""
        with_rooms = await self._store.ledger.courses()
        return {
            row.course_id: row.reason
            for row in await self._store.journal.held()
            if not row.users and not row.confirmed and row.course_id not in with_rooms
        }

    async def _all_due(
        self, rows: Mapping[CourseId, CourseRow], site: SiteFacts, with_rooms: frozenset[CourseId]
    ) -> dict[CourseId, tuple[Due, ...]]:
        """Everything that is due, done or not, of the courses of which anything is."""
        archived = await self._store.choices.everywhere(ARCHIVED)
        found = {
            course_id: self._of(rows[course_id], site, archived.get(course_id))
            for course_id in sorted(with_rooms & rows.keys())
            if not rows[course_id].released
        }
        return {course_id: due for course_id, due in found.items() if due}

    def _of(self, row: CourseRow, site: SiteFacts, chosen: Chosen | None) -> tuple[Due, ...]:
        life, now = self._rules.life, self._clock.now()
        if row.gone or not row.on:
            return (
                ()
                if row.left_at is None
                else of_lost(gone=row.gone, left_at=row.left_at, rules=life, now=now)
            )
        course = site.courses.get(row.id)
        if course is None:
            return ()
        word = None if chosen is None else word_of({ARCHIVED: chosen.value})
        stage = stage_of(course, life, now=now, archived=word)
        if stage.phase is not Phase.ARCHIVED:
            return ()
        since = stage.since if stage.since is not None else chosen.at if chosen is not None else now
        return of_archive(since, life, now)

    async def _goes_on(self, course_id: CourseId, row: EndingRow, *, follows: bool) -> None:
        """Nothing is newly due: carry out what a person has decided, and forget what does not follow any more."""
        if row.ending is Ending.RELEASE and not row.is_policy:
            if row.done_at is None:
                await self._queue.add(course_key(course_id), priority=Priority.PASS, signal=ENDING)
        elif not follows:
            await self._store.endings.drop(course_id)
            await self._let_go(course_id)

    async def _book(self, course_id: CourseId, due: Due, before: EndingRow | None) -> None:
        named = self._rules.life.release_to
        if before is None or (before.ending, before.why, before.named) != (due.ending, due.why, named):
            await self._store.endings.book(
                EndingRow(course_id, due.ending, due.why, self._clock.now(), named=named)
            )

    async def _held(self, reasons: Mapping[CourseId, str]) -> set[CourseId]:
        """Book what is held, and let go of what is not any more; which courses may not end now."""
        stopped = set()
        for course_id, reason in reasons.items():
            if not await self._is_confirmed(course_id, course_id, reason):
                stopped.add(course_id)
        return stopped

    async def _is_confirmed(self, course_id: CourseId, owner: CourseId, reason: str) -> bool:
        """Whether a person has confirmed it; books the question where nobody has. `owner`: whose main room it is."""
        room_id = await self._main(owner)
        if room_id is None:
            return True
        rows = [row for row in await self._store.journal.held(course_id) if row.room_id == room_id]
        if any(row.confirmed and not row.users for row in rows):
            return True
        if not rows:
            log.warning("Course %d waits for a person. %s", course_id, reason)
            cause = Cause.CLOSING if course_id == owner else Cause.FOREIGN
            await self._store.journal.hold(
                course_id, room_id, frozenset(), reason, at=self._clock.now(), cause=cause
            )
        return False

    async def _let_go(self, course_id: CourseId) -> None:
        room_id = await self._main(course_id)
        if room_id is not None:
            await self._store.journal.clear_hold(room_id)

    async def _main(self, course_id: CourseId) -> RoomId | None:
        return await self._store.ledger.room_of(main_room(course_id))

    # A course that was restored

    async def _restored(
        self, rows: Mapping[CourseId, CourseRow], with_rooms: frozenset[CourseId]
    ) -> frozenset[CourseId]:
        """Ask about new courses that look like ones that vanished a short time ago; those that must be kept for them.

        One that a person has confirmed is given the old rooms here.
        """
        lost = {
            (row.shortname, row.idnumber): row
            for row in rows.values()
            if row.gone and not row.released and row.id in with_rooms and self._is_in_grace(row)
        }
        if not lost:
            return frozenset()
        fresh = await self._store.choices.everywhere(FRESH)
        kept = set()
        for row in rows.values():
            old = lost.get((row.shortname, row.idnumber))
            if old is None or not row.on or row.gone or row.id in with_rooms or row.id in fresh:
                continue
            kept.add(old.id)
            if await self._is_confirmed(row.id, old.id, proposal(row, old)):
                await self._hand_over(old.id, row.id)
        return frozenset(kept)

    def _is_in_grace(self, row: CourseRow) -> bool:
        return row.left_at is not None and self._clock.now() < row.left_at + self._rules.life.grace_period

    async def _hand_over(self, old: CourseId, new: CourseId) -> None:
        for key, own in (await self._store.ledger.rooms_of(old)).items():
            # Their markers name the old course until the next look, which must not take them for another's.
            subject = frozenset({f"{self._rules.bot} {key}"})
            await self._store.journal.hold(
                new, own.room_id, subject, CONFIRMED, at=self._clock.now(), cause=Cause.FOREIGN
            )
        rows = [row for row in await self._store.journal.held(new) if row.users]
        await self._store.journal.confirm(rows=rows)
        await self._store.ledger.hand_over(old, new)
        await self._store.endings.drop(old)
        await self._store.journal.note(
            "Restored",
            at=self._clock.now(),
            why=f"A person has confirmed that this course was restored from course {old}: it has that one's rooms now.",
            course_id=new,
            signal="confirm",
        )
        log.info("Course %d has the rooms of course %d now, from which it was restored.", new, old)


def _next(due: tuple[Due, ...], booked: EndingRow | None) -> Due | None:
    """What is to be done of what is due; nothing where a person has decided."""
    if booked is None or booked.done_at is None:
        return None if booked is not None and not booked.is_policy else next_of(due, None)
    return next_of(due, booked.ending)


def proposal(new: CourseRow, old: CourseRow) -> str:
    """What a person is asked about a course that looks restored."""
    assert old.left_at is not None, "it is in its time of grace"
    return (
        f"Course {new.id} has the short name of course {old.id}, which Moodle does not list since "
        f"{moment(old.left_at)}: it looks restored from it. Confirm, and it gets the rooms of course {old.id} with "
        f"everything in them. For new rooms instead: moodle-appservice course fresh {new.id}. Until then it has none."
    )
