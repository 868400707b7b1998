"""What people decide about the life of a course: archive it, take it back, begin anew, let it go.

Each is one word in our books, the setting of a course (`store.choices`), and a line of the audit log that names the
person. Rooms follow as desired state: a look at the course, however often it is cut short, ends the same. The word is
refused where it would mean nothing; then nothing was changed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ..domain.ending import Ending, administrators, handed_over
from ..domain.life import ARCHIVED, GENERATION
from ..domain.model import CourseId, MoodleUserId, UserId
from ..domain.rooms import main_room
from ..domain.rules import Rules
from ..errors import PermanentFailure, Refused
from ..ports import SITE, Chosen, Clock, CourseRow, EndingRow, Priority, Queue, Store, course_key
from .departed import NOBODY_LEFT
from .endings import ENDING, FRESH

SIGNAL = "command"
log = logging.getLogger(__name__)


class Lifecycle:
    """The decisions. Each takes `by` (`bot`, `page`, `command line`) and the `person`, None where that is not known.

    Each returns a sentence for the person, raises `PermanentFailure` for a course that we do not know and `Refused`
    where there is nothing to decide.
    """

    def __init__(self, store: Store, queue: Queue, rules: Rules, clock: Clock) -> None:
        self._rules = rules
        self._store = store
        self._queue = queue
        self._clock = clock

    async def reset(self, course_id: CourseId, *, by: str, person: MoodleUserId | None = None) -> str:
        """Give the course new rooms: the old ones lead there, and nobody writes in them any more.

        Raises `Refused` where the course has no room yet, or is being reset already.
        """
        row = await self._managed(course_id)
        rooms = await self._store.ledger.rooms_of(course_id)
        main = rooms.get(main_room(course_id))
        if main is None:
            raise Refused(
                f"Course {course_id} has no room yet, so there is nothing to reset. Nothing was changed."
            )
        generation = await self._generation(course_id)
        if main.generation < generation:
            raise Refused(
                f"Course {course_id} is being reset already: its new room is not made yet. Nothing was changed."
            )
        await self._choose(row, GENERATION, generation + 1, "Reset", by, person)
        return (
            f"Course {course_id} gets new rooms. The old ones lead there and are read-only from then on; "
            "what was written in them stays."
        )

    async def archive(self, course_id: CourseId, *, by: str, person: MoodleUserId | None = None) -> str:
        """Nobody writes in the rooms of the course any more, and they hang in no space.

        Raises `Refused` where it is archived already.
        """
        row = await self._managed(course_id)
        if await self._said(course_id) is True:
            raise Refused(f"Course {course_id} is archived already. Nothing was changed.")
        await self._choose(row, ARCHIVED, True, "Archived", by, person)
        return (
            f"Course {course_id} is archived: nobody writes in its rooms or is invited any more. "
            "Nobody is removed, and nothing is deleted."
        )

    async def unarchive(self, course_id: CourseId, *, by: str, person: MoodleUserId | None = None) -> str:
        """The rooms of the course are open again, whatever its dates say, until somebody archives it.

        Raises `Refused` where it is kept open already.
        """
        row = await self._managed(course_id)
        if await self._said(course_id) is False:
            raise Refused(f"Course {course_id} is kept open already. Nothing was changed.")
        await self._choose(row, ARCHIVED, False, "Unarchived", by, person)
        return f"Course {course_id} is open again, and stays so whatever its dates in Moodle say."

    async def release(
        self,
        course_id: CourseId,
        *,
        by: str,
        person: MoodleUserId | None = None,
        to: Sequence[UserId] = (),
    ) -> str:
        """Manage the rooms of a course no more, and touch nothing in them.

        `to`: who is to administer them, members with an account; without them this is `Refused` where nobody could
        administer a room afterwards, with the names of the rooms.
        """
        row = await self._known(course_id)
        if row.released:
            raise Refused(f"Course {course_id} is released already. Nothing was changed.")
        named = tuple(to) or self._rules.life.release_to
        lonely = await self._lonely(course_id, named)
        if lonely:
            raise Refused(NOBODY_LEFT.format(rooms=", ".join(lonely), course=course_id))
        now = self._clock.now()
        why = f"A person has released the rooms of the course ({by})."
        await self._store.endings.book(
            EndingRow(course_id, Ending.RELEASE, why, now, named=named, is_policy=False)
        )
        await self._note("Released", row, by, person)
        await self._queue.add(course_key(course_id), priority=Priority.HINT, signal=ENDING)
        who = f" Level 100 goes to {', '.join(named)}, where nobody else could." if named else ""
        return (
            f"Course {course_id} is released: its rooms stay as they are, and from now on nothing is changed in them."
            f"{who} To manage them again: moodle-appservice course manage {course_id}"
        )

    async def manage(self, course_id: CourseId, *, by: str, person: MoodleUserId | None = None) -> str:
        """Take back a release. Raises `Refused` where there is none."""
        row = await self._known(course_id)
        ending = await self._store.endings.get(course_id)
        is_pending = ending is not None and ending.ending is Ending.RELEASE and ending.done_at is None
        if not row.released and not is_pending:
            raise Refused(f"Course {course_id} is not released. Nothing was changed.")
        await self._store.endings.drop(course_id)
        await self._store.courses.save([replace(row, released=False)])
        await self._note("Managed", row, by, person)
        await self._queue.add(SITE, priority=Priority.HINT, signal=SIGNAL)
        return f"The rooms of course {course_id} are managed again, if the course is on: Moodle is looked at now."

    async def fresh(self, course_id: CourseId, *, by: str, person: MoodleUserId | None = None) -> str:
        """A course that looks restored from one that is gone gets rooms of its own. Raises `Refused` for any other."""
        row = await self._known(course_id)
        held = [
            one for one in await self._store.journal.held(course_id) if not one.users and not one.confirmed
        ]
        if row.on or not held:
            raise Refused(
                f"Course {course_id} does not wait for the rooms of another one. Nothing was changed."
            )
        await self._store.choices.choose(course_id, FRESH, Chosen(True, by, self._clock.now()))
        for one in held:
            await self._store.journal.clear_hold(one.room_id)
        await self._note("Fresh", row, by, person)
        await self._queue.add(SITE, priority=Priority.HINT, signal=SIGNAL)
        return f"Course {course_id} gets rooms of its own. Those of the course that is gone follow life.when_deleted."

    async def _lonely(self, course_id: CourseId, named: Sequence[UserId]) -> list[str]:
        """The rooms that nobody could administer after a release, named as in the room itself."""
        rooms = await self._store.ledger.rooms_of(course_id)
        if not rooms:
            raise Refused(
                f"Course {course_id} has no rooms, so there is nothing to release. Nothing was changed."
            )
        mirrored = await self._store.mirror.rooms([own.room_id for own in rooms.values()])
        found = []
        for key, own in rooms.items():
            room = mirrored.get(own.room_id)
            if room is None:
                raise Refused(
                    f"The room {own.room_id} ({key}) is not known well enough just now. Nothing was changed. "
                    f"Try again after: moodle-appservice sync --course {course_id}"
                )
            bot = self._rules.bot
            if not administrators(room, bot) and handed_over(room, named, bot) is None:
                found.append(f"{room.content('m.room.name').get('name', '')} ({key.kind})")
        return found

    async def _known(self, course_id: CourseId) -> CourseRow:
        row = await self._store.courses.get(course_id)
        if row is None:
            raise PermanentFailure(f"Moodle lists no course {course_id}. Nothing was changed.")
        return row

    async def _managed(self, course_id: CourseId) -> CourseRow:
        row = await self._known(course_id)
        if not row.on or row.gone:
            what = "is not listed by Moodle any more" if row.gone else "is off"
            raise Refused(f"Course {course_id} {what}. Nothing was changed. {row.reason}".strip())
        return row

    async def _generation(self, course_id: CourseId) -> int:
        chosen = (await self._store.choices.of(course_id)).get(GENERATION)
        return int(chosen.value) if chosen is not None else 1

    async def _said(self, course_id: CourseId) -> object:
        chosen = (await self._store.choices.of(course_id)).get(ARCHIVED)
        return chosen.value if chosen is not None else None

    async def _choose(
        self, row: CourseRow, setting: str, value: object, kind: str, by: str, person: MoodleUserId | None
    ) -> None:
        await self._store.choices.choose(row.id, setting, Chosen(value, by, self._clock.now()))
        await self._note(kind, row, by, person)
        await self._queue.add(course_key(row.id), priority=Priority.HINT, signal=SIGNAL)

    async def _note(self, kind: str, row: CourseRow, by: str, person: MoodleUserId | None) -> None:
        await self._store.journal.note(
            kind,
            at=self._clock.now(),
            why=f"A person has decided it ({by}).",
            person=person,
            course_id=row.id,
            signal=SIGNAL,
        )
        log.info("Course %d: %s, by way of %s.", row.id, kind.lower(), by)
