"""Inviting again who is invited and has not come: on a teacher's word, for each course at most once a day.

Who has left or declined is left alone: that was a choice. An invite that stands is sent again with a reason, or the
homeserver would take it for the same and tell nobody.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..domain.model import CourseId, Membership
from ..errors import AlreadyThere, AppError, TemporaryFailure, Unreachable
from ..ports import Clock, Matrix, Store
from .gate import Gate
from .pauses import Pauses
from .planning import CoursePlanner, PreparedRoom
from .readers import Readers

DAY = 86_400.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reminded:
    """What came of it. `again_at`: when it may be done next (Unix seconds); then nothing was done now."""

    invited: int = 0
    failed: int = 0
    left_alone: int = 0
    again_at: float | None = None


class Reminders:
    """Sends invites again."""

    def __init__(
        self,
        matrix: Matrix,
        store: Store,
        planner: CoursePlanner,
        gate: Gate,
        pauses: Pauses,
        readers: Readers,
        clock: Clock,
    ) -> None:
        self._matrix = matrix
        self._store = store
        self._planner = planner
        self._gate = gate
        self._pauses = pauses
        self._readers = readers
        self._clock = clock

    async def remind(self, course_id: CourseId) -> Reminded:
        """Invite again. Raises `Refused` where the course is paused, and what the reading raises."""
        await self._pauses.must_not_be(course_id)
        now, setting = self._clock.now(), f"reminded:{course_id}"
        last = await self._store.settings.get(setting)
        if last is not None and now < float(last) + DAY:
            return Reminded(again_at=float(last) + DAY)
        prepared = await self._planner.prepare(course_id, not_older_than=0.0)
        await self._gate.open()
        await self._store.settings.set(setting, str(now))
        invited = failed = 0
        for room in prepared.rooms:
            done, wrong = await self._room(course_id, room)
            invited, failed = invited + done, failed + wrong
        left = {note.person for note in prepared.main.plan.notes if note.kind in ("left", "declined")}
        return Reminded(invited, failed, len(left))

    async def _room(self, course_id: CourseId, room: PreparedRoom) -> tuple[int, int]:
        """How many were invited to one room again, and for how many that failed."""
        done = failed = 0
        members = room.actual.members if room.actual is not None else {}
        for user, member in room.desired.members.items():
            here = members.get(user)
            if (
                member.virtual
                or here is None
                or here.membership is not Membership.INVITE
                or room.room_id is None
            ):
                continue
            reader = await self._readers.of(member.person)
            day = reader.language.day(self._clock.now(), reader.zone)
            reason = reader.language.gettext("A reminder of your teachers, {day}", day=day)
            try:
                await self._matrix.invite(room.room_id, user, reason)
            except AlreadyThere:
                continue
            except (TemporaryFailure, Unreachable):
                raise
            except AppError as failure:
                log.warning("%s could not be invited again: %s", user, failure)
                failed += 1
            else:
                done += 1
                await self._store.journal.note(
                    "Invite",
                    at=self._clock.now(),
                    why="A teacher has reminded everybody who has not joined.",
                    person=member.person,
                    course_id=course_id,
                    room_id=room.room_id,
                    signal="bot",
                )
        return done, failed
