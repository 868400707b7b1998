"""Rooms that could be adopted, and what the loss of a database has left open: what `adopt --find` shows.

Found are rooms that a lost database of ours had made (by their markers), and rooms that Moodle's own Matrix provider
has made (by the link that Moodle shows for the course). Of rooms whose books begin in the middle it is told who is
there and is nobody in Moodle by any rule: among them may be people who had proven an account that no rule leads to.
Nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.links import room_in
from ..domain.model import CourseId, Membership, RoomAlias, RoomId, UserId
from ..domain.rooms import RoomKey, main_room
from ..domain.rules import Rules
from ..errors import AppError, TemporaryFailure
from ..ports import Facts, Matrix, Store
from .recovery import Recovery

OF_MARKER = "It has the mark of this service and site, and is not in the books."
OF_MOODLE = "Moodle's own Matrix provider made it for this course."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A room that could be adopted. `room`: an id or an alias."""

    key: RoomKey
    room: str
    why: str


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """Accounts in a room that are nobody's by any rule."""

    key: RoomKey
    room_id: RoomId
    users: tuple[UserId, ...]


class Candidates:
    """Finds them."""

    def __init__(self, matrix: Matrix, store: Store, facts: Facts, recovery: Recovery, rules: Rules) -> None:
        self._matrix = matrix
        self._store = store
        self._facts = facts
        self._recovery = recovery
        self._rules = rules

    async def find(self) -> list[Candidate]:
        """Rooms that could be adopted, by course. Asks the homeserver once for each room in which the bot is."""
        await self._recovery.run()
        ours = await self._store.ledger.every()
        found = [
            Candidate(room.key, room.room_id, OF_MARKER)
            for room in await self._recovery.find()
            if room.room_id not in ours and not room.is_replaced
        ]
        site = await self._facts.site(not_older_than=0.0)
        for course_id, course in sorted(site.courses.items()):
            name = room_in(course.own_room_url)
            if name and await self._is_new(course_id, name):
                found.append(Candidate(main_room(course_id), name, OF_MOODLE))
        return sorted(found, key=lambda one: (one.key.owner, one.key.rank))

    async def unmanaged(self) -> list[Unmanaged]:
        """Who is in rooms that were found again or adopted, and is nobody's, as the mirror has it."""
        found = []
        every = await self._store.ledger.every()
        for room_id in await self._store.drift.found_rooms():
            room, key = await self._store.mirror.room(room_id), every.get(room_id)
            if room is None or key is None:
                continue
            there = [
                user
                for user, here in room.members.items()
                if here.membership is Membership.JOIN
                and user not in (self._rules.bot, *self._rules.extra_members)
                and self._rules.person_of_virtual(user) is None
            ]
            known = await self._store.people.by_matrix_id(there)
            nobodies = tuple(sorted(user for user in there if user not in known))
            if nobodies:
                found.append(Unmanaged(key, room_id, nobodies))
        return sorted(found, key=lambda one: (one.key.owner, one.key.rank))

    async def _is_new(self, course_id: CourseId, name: str) -> bool:
        """Whether the room of Moodle's link is not the course's room by now."""
        own = await self._store.ledger.room_of(main_room(course_id))
        if own is None:
            return True
        if name.startswith("!"):
            return RoomId(name) != own
        try:
            return await self._matrix.resolve_alias(RoomAlias(name)) != own
        except TemporaryFailure:
            raise
        except AppError:
            return True
