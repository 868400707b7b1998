"""The whole site at a glance, for those who look after it: numbers, what is held, and what does not go on.

It reads and changes nothing. Numbers come from the books and the queue. What failed at the last look and what was
put aside come from the workers and `troubles`, which keep that in memory: after a restart it is told again once
it has failed again. Sentences are English, and whoever shows them puts them into the reader's language. This is
what the bot tells; pages and Prometheus have `figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..domain.model import CourseId, Standing
from ..ports import Clock, CourseRow, Facts, Key, Queue, Store, course_key
from .figures import FigureReader
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
        figures: FigureReader | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._workers = workers
        self._troubles = troubles
        self._facts = facts
        self._clock = clock
        self._interval = interval
        self._figures = figures

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
            held=len(
                {hold.course_id for hold in await self._store.journal.held() if not hold.confirmed}
                | self._facts.held.keys()
            ),
            stuck=len(await self.stuck()),
            site_paused=any(pause.course_id is None for pause in pauses),
            courses_paused=sum(1 for pause in pauses if pause.course_id is not None),
            last_sync=min(synced, default=None),
        )

    async def left(self) -> str:
        """How much is left of a first sync, or of another one, and how long that takes; empty where nothing is.

        Where no key is due nothing is left: whoever lacks a place then has a reason that `missing` tells.
        """
        if self._figures is None or not self._queue.oldest():
            return ""
        return (await self._figures.read()).progress.sentence

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


def _name(key: Key, rows: Mapping[CourseId, CourseRow]) -> str:
    """A key for people: the short name of a course where it is one."""
    row = rows.get(CourseId(key.number)) if key.kind == "course" else None
    return str(key) if row is None else row.shortname
