"""The whole site at a glance, for those who look after it: numbers, what is held, and what does not go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..domain.model import CourseId, RoomId, Standing, UserId
from ..ports import Clock, CourseRow, Facts, Key, Queue, Store, course_key
from .troubles import Troubles
from .worker import Workers

LAST_PASS = "last_pass"
"""The setting that keeps when the last look at the whole site ended, Unix seconds."""


@dataclass(frozen=True, slots=True)
class SiteNow:
    """The site in numbers. `last_sync`: when the course that was looked at longest ago was (Unix seconds)."""

    courses_on: int
    courses_off: int
    courses_gone: int
    people: int
    without_account: int
    waiting: int
    held: int
    stuck: int
    site_paused: bool
    courses_paused: int
    last_sync: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for one course: how many accounts would go, and the names of some of them."""

    course_id: CourseId
    shortname: str
    reason: str
    number: int = 0
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stuck:
    """Something that does not go on. `retry_at`: Unix seconds, None where only the next pass looks again."""

    what: str
    why: str
    retry_at: float | None = None


class Overview:
    """Reads; changes nothing. `interval`: seconds between two passes."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        workers: Workers,
        troubles: Troubles,
        facts: Facts,
        clock: Clock,
        *,
        interval: float,
    ) -> None:
        self._store = store
        self._queue = queue
        self._workers = workers
        self._troubles = troubles
        self._facts = facts
        self._clock = clock
        self._interval = interval

    async def now(self) -> SiteNow:
        """The site in numbers."""
        rows = list((await self._store.courses.all()).values())
        on = [row for row in rows if row.on and not row.gone]
        pauses = await self._store.pauses.all()
        standings = await self._store.people.standings()
        synced = [row.last_sync for row in on if row.last_sync is not None]
        return SiteNow(
            courses_on=len(on),
            courses_off=sum(1 for row in rows if not row.on and not row.gone),
            courses_gone=sum(1 for row in rows if row.gone),
            people=sum(standings.values()),
            without_account=sum(
                number for standing, number in standings.items() if standing is not Standing.READY
            ),
            waiting=self._queue.depth(),
            held=len(await self.held()),
            stuck=len(await self.stuck()),
            site_paused=any(pause.course_id is None for pause in pauses),
            courses_paused=sum(1 for pause in pauses if pause.course_id is not None),
            last_sync=min(synced, default=None),
        )

    async def held(self) -> Sequence[Held]:
        """What waits for a person: held by safety, or by the source of facts itself."""
        rows = await self._store.courses.all()
        found: dict[CourseId, Held] = {}
        for hold in await self._store.journal.held():
            if hold.confirmed:
                continue
            names = await self._names(hold.room_id, [UserId(user) for user in hold.users])
            shortname = rows[hold.course_id].shortname if hold.course_id in rows else ""
            before = found.get(hold.course_id)
            found[hold.course_id] = Held(
                hold.course_id,
                shortname,
                hold.reason,
                len(hold.users) + (before.number if before else 0),
                tuple(dict.fromkeys((*(before.people if before else ()), *names))),
            )
        for course_id, reason in self._facts.held.items():
            shortname = rows[course_id].shortname if course_id in rows else ""
            found.setdefault(course_id, Held(course_id, shortname, reason))
        return [found[course_id] for course_id in sorted(found)]

    async def stuck(self) -> Sequence[Stuck]:
        """Keys whose last look failed, actions that are put aside, and what courses last complained of."""
        rows = await self._store.courses.all()
        found = {str(key): Stuck(_name(key, rows), str(why)) for key, why in self._workers.failures.items()}
        for course_id, troubles in self._troubles.all().items():
            for trouble in troubles.values():
                key = f"{course_key(course_id)} {trouble.action.why} {trouble.failure}"
                what = rows[course_id].shortname if course_id in rows else str(course_id)
                found.setdefault(key, Stuck(what, str(trouble.failure), trouble.retry_at))
        for row in rows.values():
            if row.on and not row.gone and row.last_error and not self._troubles.of(row.id):
                found.setdefault(str(course_key(row.id)), Stuck(row.shortname, row.last_error))
        return list(found.values())

    async def next_look(self) -> float | None:
        """When the next pass is due at the latest (Unix seconds); None before the first."""
        ended = await self._store.settings.get(LAST_PASS)
        return None if ended is None else max(float(ended) + self._interval, self._clock.now())

    def depth(self) -> int:
        """How many keys wait or are looked at."""
        return self._queue.depth()

    def is_running(self, course_id: CourseId) -> bool:
        """Whether a course is being looked at in this moment."""
        return self._workers.is_at(course_key(course_id))

    async def _names(self, room_id: RoomId, users: Collection[UserId]) -> list[str]:
        places = await self._store.ledger.places(room_id)
        people = [places[user] for user in sorted(users) if user in places]
        names = await self._store.people.names(people)
        return [names.get(person, str(person)) for person in people]


def _name(key: Key, rows: Mapping[CourseId, CourseRow]) -> str:
    """A key for people: the short name of a course where it is one."""
    row = rows.get(CourseId(key.number)) if key.kind == "course" else None
    return str(key) if row is None else row.shortname
