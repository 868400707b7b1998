"""What one person finds of a course: the rooms that are theirs, how they stand in each, and what comes next.

Made from the same plan that a sync would carry out. A visit changes nothing by itself; a launch from Moodle is a wish
to be in the rooms (`arrive`), which makes the course due where something is missing: whoever left by choice has changed
their mind, and whoever was enrolled a moment ago is found.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..domain.model import CourseId, Membership, MoodleUserId, Resolution, Role, RoomId, UserId
from ..domain.rooms import RoomKey
from ..errors import AppError
from ..ports import Clock, Priority, Queue, Store, course_key
from .freshness import ASKS_FOR_NOW
from .operations import Operations
from .planning import CoursePlanner, Prepared, PreparedRoom

LAUNCH = "launch"
COMMAND = "command"
"""The signal that has Moodle asked anew (see `freshness`)."""
PATIENCE = 3.0
"""Seconds for which a page waits for an invite that is on its way."""
JUST = 5.0
"""Seconds from a launch to the page that it leads to."""
MOST_KEPT = 1000
assert COMMAND in ASKS_FOR_NOW
log = logging.getLogger(__name__)


class Place(StrEnum):
    """How somebody stands in a room."""

    JOINED = "joined"
    INVITED = "invited"
    OPEN = "open"
    """May join by themselves."""
    COMING = "coming"
    """The invite has not been sent yet."""
    MAKING = "making"
    """The room is being made."""
    NONE = "none"
    """Nothing will come by itself; `why` says the reason."""


_THERE = frozenset({Place.JOINED, Place.INVITED, Place.OPEN})


@dataclass(frozen=True, slots=True)
class OwnRoom:
    """One room of a person. `why`: a sentence where something stands in the way."""

    key: RoomKey
    name: str
    room_id: RoomId | None
    place: Place
    why: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """A course as one person finds it. `rooms` is empty where it is off; `account` None: nobody was looked for yet."""

    course_id: CourseId
    name: str
    on: bool
    rooms: tuple[OwnRoom, ...] = ()
    account: Resolution | None = None
    roles: frozenset[Role] = frozenset()
    trouble: str = ""
    """Why the rooms can't be told now."""

    @property
    def matrix_id(self) -> UserId | None:
        """The person's account, if one is known."""
        return None if self.account is None else self.account.matrix_id

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way."""
        return not any(room.place in (Place.COMING, Place.MAKING) for room in self.rooms)


class Visits:
    """Looks at courses with somebody's eyes."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        planner: CoursePlanner,
        operations: Operations,
        clock: Clock,
    ) -> None:
        self._store = store
        self._queue = queue
        self._planner = planner
        self._operations = operations
        self._clock = clock
        self._just_seen: dict[tuple[MoodleUserId, CourseId], tuple[float, Visit]] = {}
        """What a launch has found in order: the page that it leads to need not look once more."""

    async def look_after_launch(self, user_id: MoodleUserId, course_id: CourseId) -> Visit | None:
        """The same as `look`, or what the launch a moment ago has found."""
        at, visit = self._just_seen.pop((user_id, course_id), (0.0, None))
        if visit is not None and self._clock.now() - at <= JUST:
            return visit
        return await self.look(user_id, course_id)

    async def look(self, user_id: MoodleUserId, course_id: CourseId) -> Visit | None:
        """What the person finds; None for a course that is not known, or in which the person is not."""
        row = await self._store.courses.get(course_id)
        roles = await self._store.courses.roles(course_id, user_id)
        if row is None or row.gone or roles is None:
            return None
        found = (await self._store.people.look_up([user_id])).get(user_id)
        account = None if found is None else found.resolution
        if not row.on:
            return Visit(course_id, row.shortname, on=False, account=account, roles=roles)
        try:
            prepared = await self._planner.prepare(course_id, not_older_than=0.0)
        except AppError as failure:
            log.info("The rooms of course %d can't be shown: %s", course_id, failure)
            return Visit(
                course_id, row.shortname, on=True, account=account, roles=roles, trouble=str(failure)
            )
        return Visit(
            course_id,
            prepared.facts.course.fullname or row.shortname,
            on=True,
            rooms=tuple(_own_rooms(prepared, user_id)),
            account=account,
            roles=roles,
        )

    async def arrive(self, user_id: MoodleUserId, course_id: CourseId) -> None:
        """Somebody has come from Moodle: make due what they lack. Raises what the database raises."""
        row = await self._store.courses.get(course_id)
        if row is not None and (not row.on or row.gone):
            return
        visit = await self.look(user_id, course_id)
        if visit is not None and visit.rooms and all(room.place in _THERE for room in visit.rooms):
            self._keep(user_id, visit)
            return
        await self._operations.wish(user_id, course_id, at=self._clock.now())
        signal = COMMAND if visit is None or not visit.rooms else LAUNCH
        if row is not None:
            await self._queue.add(course_key(course_id), priority=Priority.WAITING_PERSON, signal=signal)

    def _keep(self, user_id: MoodleUserId, visit: Visit) -> None:
        now = self._clock.now()
        if len(self._just_seen) >= MOST_KEPT:
            self._just_seen = {key: one for key, one in self._just_seen.items() if now - one[0] <= JUST}
        if len(self._just_seen) < MOST_KEPT:
            self._just_seen[user_id, visit.course_id] = (now, visit)

    async def wait(self, course_id: CourseId, *, patience: float = PATIENCE) -> None:
        """Wait for a look at the course that is due, but not for ever."""
        try:
            async with asyncio.timeout(patience):
                await self._operations.sync_course(course_id, signal=LAUNCH)
        except TimeoutError:
            log.info("Course %d: a visitor's page did not wait any longer.", course_id)


def _own_rooms(prepared: Prepared, user_id: MoodleUserId) -> Iterator[OwnRoom]:
    for room in prepared.rooms:
        if user_id in room.desired.belonging:
            place, why = place_in(room, user_id)
            yield OwnRoom(room.key, room.desired.name, room.room_id, place, why)


def place_in(room: PreparedRoom, user_id: MoodleUserId) -> tuple[Place, str]:
    """How somebody stands in a room, and what stands in the way."""
    members = room.actual.members if room.actual is not None else {}
    own = {
        user: member
        for user, member in room.desired.members.items()
        if member.person == user_id and not member.virtual
    }
    there = {members[user].membership for user in own if user in members}
    if Membership.JOIN in there:
        return Place.JOINED, ""
    if Membership.INVITE in there:
        return Place.INVITED, ""
    reasons = [note.text for note in room.plan.notes if note.person == user_id]
    if reasons or not own:
        return Place.NONE, " ".join(reasons)
    if room.room_id is None:
        return Place.MAKING, ""
    return (Place.COMING, "") if any(member.required for member in own.values()) else (Place.OPEN, "")
