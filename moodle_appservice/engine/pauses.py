"""The kill switch: a person pauses the whole site or one course, and nothing is written for it until somebody resumes.

What is paused is kept in the database, so a restart changes nothing. Reading goes on: plans, statuses and explanations
say what would be done. Workers leave paused keys alone; resuming looks at everything anew, so nothing is lost by it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..domain.model import CourseId
from ..domain.moments import moment
from ..errors import AppError, PermanentFailure, Refused
from ..ports import SITE, Clock, Pause, Priority, Queue, Store, course_key

COMMAND_LINE = "the command line"
SIGNAL = "command"
log = logging.getLogger(__name__)


class Pauses:
    """Pausing, resuming, and the question whether something is paused."""

    def __init__(self, store: Store, queue: Queue, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock

    async def pause(self, course_id: CourseId | None = None, *, by: str, why: str = "") -> str:
        """Write nothing for this course, or (None) for the whole site; returns a sentence for the person.

        Raises `PermanentFailure` for a course that we do not know, `Refused` where it is paused already.
        """
        if course_id is not None and await self._store.courses.get(course_id) is None:
            raise PermanentFailure(f"Moodle lists no course {course_id}. Nothing was paused.")
        made = Pause(course_id, self._clock.now(), by, why.strip())
        if not await self._store.pauses.add(made):
            raise Refused(f"{_what(course_id)} is paused already. Nothing was changed.")
        log.warning("%s is paused by %s. %s", _what(course_id), by, why.strip())
        await self._note("Paused", course_id, "A person has paused it.")
        return f"{_what(course_id)} is paused: nothing is written there until somebody resumes it."

    async def resume(self, course_id: CourseId | None = None, *, by: str) -> str:
        """Take that pause away and look at everything that it held; returns a sentence for the person.

        Raises `Refused` where it is not paused. `by`: who, as in `pause`; it stands in the log only.
        """
        if not await self._store.pauses.remove(course_id):
            raise Refused(f"{_what(course_id)} is not paused. Nothing was changed.")
        log.warning("%s is resumed by %s.", _what(course_id), by)
        await self._note("Resumed", course_id, "A person has resumed it.")
        key = SITE if course_id is None else course_key(course_id)
        await self._queue.add(key, priority=Priority.HINT, signal=SIGNAL)
        still = await self._store.pauses.of(course_id)
        if still is not None:
            return f"{_what(course_id)} is resumed, and the whole site is still paused. {sentence(still)}"
        return f"{_what(course_id)} is resumed and looked at now."

    async def remarks(self) -> list[str]:
        """What keeps us from writing, for whoever asks whether we are well. It names nobody: anybody may ask."""
        try:
            pauses = await self.all()
        except AppError:
            return ["the database does not answer"]
        if any(pause.course_id is None for pause in pauses):
            return ["paused: the whole site"]
        return [f"paused: {len(pauses)} courses"] if pauses else []

    async def all(self) -> Sequence[Pause]:
        """Everything that is paused."""
        return await self._store.pauses.all()

    async def why_not(self, course_id: CourseId | None = None) -> str:
        """Why nothing may be written for this course, or (None) for the whole site, as a sentence; empty: it may."""
        found = await self._store.pauses.of(course_id)
        return "" if found is None else sentence(found)

    async def must_not_be(self, course_id: CourseId | None = None) -> None:
        """Raises `Refused` where it is paused."""
        why = await self.why_not(course_id)
        if why:
            raise Refused(f"{why} Nothing was changed. Resume it first.")

    async def _note(self, kind: str, course_id: CourseId | None, why: str) -> None:
        await self._store.journal.note(
            kind, at=self._clock.now(), why=why, course_id=course_id, signal=SIGNAL
        )


def sentence(pause: Pause) -> str:
    """A pause for people to read."""
    why = f": {pause.why.rstrip('.')}." if pause.why else "."
    return f"{_what(pause.course_id)} is paused since {moment(pause.since)}, by {pause.by}{why}"


def _what(course_id: CourseId | None) -> str:
    return "The whole site" if course_id is None else f"Course {course_id}"
