"""A person's own courses: whether there is a room, and whether the person is in it; and staying out of one.

Read from our books and the mirror alone, so that the question of one person costs no request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.model import CourseId, Membership, MoodleUserId, RoomId
from ..domain.rooms import main_room
from ..errors import PermanentFailure
from ..ports import Store, course_key
from .worker import Workers

ORDER = (Membership.JOIN, Membership.INVITE, Membership.BAN, Membership.LEAVE)
"""Of two accounts of one person, the one that is nearer to the room counts."""


@dataclass(frozen=True, slots=True)
class MyCourse:
    """One course of one person. `membership`: how the person's own accounts stand in the main room."""

    course_id: CourseId
    shortname: str
    on: bool
    room_id: RoomId | None
    membership: Membership
    stays_out: bool


class Mine:
    """Reads and books what concerns one person in their courses."""

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers

    async def courses(self, user_id: MoodleUserId) -> Sequence[MyCourse]:
        """The courses of a person, those with a room first, then by short name."""
        rows = await self._store.courses.all()
        found = [
            await self._course(user_id, course_id)
            for course_id in await self._store.courses.courses_of(user_id)
            if course_id in rows and not rows[course_id].gone
        ]
        return sorted(found, key=lambda one: (not one.on, one.shortname.casefold()))

    async def leave(self, user_id: MoodleUserId, course_id: CourseId, *, at: float) -> str:
        """Take the person out of the rooms of a course until they ask for an invite; a sentence for them.

        `at`: Unix seconds. Raises `PermanentFailure` for a course that is not theirs, and what stopped the look.
        """
        if await self._store.courses.roles(course_id, user_id) is None:
            raise PermanentFailure("Moodle does not list this person in the course. Nothing was changed.")
        await self._store.requests.stay_out(user_id, course_id, at=at)
        failure = await self._workers.ask(course_key(course_id), signal="command")
        if failure is not None:
            raise failure
        return "You are out of this course's rooms now, and nobody invites you there until you ask for it."

    async def _course(self, user_id: MoodleUserId, course_id: CourseId) -> MyCourse:
        row = await self._store.courses.get(course_id)
        assert row is not None
        room_id = await self._store.ledger.room_of(main_room(course_id)) if row.on else None
        out = await self._store.requests.out_of(course_id)
        return MyCourse(
            course_id,
            row.shortname,
            row.on,
            room_id,
            await self._membership(user_id, room_id),
            user_id in out,
        )

    async def _membership(self, user_id: MoodleUserId, room_id: RoomId | None) -> Membership:
        room = await self._store.mirror.room(room_id) if room_id is not None else None
        if room_id is None or room is None:
            return Membership.NONE
        places = await self._store.ledger.places(room_id)
        known = await self._store.people.look_up([user_id])
        own = {account for account, person in places.items() if person == user_id}
        if user_id in known and (matrix_id := known[user_id].resolution.matrix_id) is not None:
            own.add(matrix_id)
        virtual = known[user_id].resolution.virtual_id if user_id in known else None
        memberships = {room.members[user].membership for user in own - {virtual} if user in room.members}
        return next((one for one in ORDER if one in memberships), Membership.NONE)
