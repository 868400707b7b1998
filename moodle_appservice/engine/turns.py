"""What each turn reads, and what came of it: the memory behind `domain.turns`.

A course counts as changed when anything that decides its rooms has. When that was is stored, so that a restart does not
take every course for a lively one; all else is learnt again, because after a start every course is read once anyway.
How many courses fit into a turn follows from the requests that the readings so far have cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..domain.model import Category, Course, CourseId, SiteFacts
from ..domain.turns import Seen, TurnRules, choose
from ..ports import Clock, Store

CHANGED = "courses_changed"
_FIRST_GUESS = 3.0
"""Requests for a batch of courses before any was read: their lists, the proof of those, their people's accounts."""
_MOST_SAVED = 300.0
"""Seconds of budget that may be saved up for a turn."""


class Budget:
    """Requests per minute in courses per turn. `spent`: how many requests were made so far, by anybody.

    What is not spent is saved for later turns, and what was spent too much, by whomever, is paid back by them. `batch`:
    courses that travel in one request.
    """

    def __init__(self, per_minute: int, spent: Callable[[], int], *, batch: int = 1) -> None:
        self._per_second = per_minute / 60
        self._spent = spent
        self._batch = batch
        self._cost = _FIRST_GUESS
        # Enough for one batch, however small the budget is, or nothing would ever be read.
        self._credit = max(_FIRST_GUESS, self._per_second * 60)
        self._seen = spent()
        self._at: float | None = None

    def room(self, now: float) -> int:
        """How many courses may be read now (Unix seconds)."""
        if self._at is not None:
            most = max(self._per_second * _MOST_SAVED, self._cost)
            self._credit = min(self._credit + self._per_second * max(0.0, now - self._at), most)
        self._at = now
        self._credit -= self._spent() - self._seen
        self._seen = self._spent()
        return max(0, int(self._credit / self._cost)) * self._batch

    def learn(self, courses: int) -> None:
        """So many courses were read since `room` was asked for."""
        if courses:
            batches = -(-courses // self._batch)
            self._cost = max(1.0, (self._cost + (self._spent() - self._seen) / batches) / 2)


@dataclass(slots=True)
class _Known:
    """What the last reading of a course has shown; `digest` None where it failed."""

    tried_at: float
    digest: int | None
    course: Course | None
    category: Category | None


class Turns:
    """Chooses what is read. Only for a source that reads course by course."""

    def __init__(self, store: Store, clock: Clock, rules: TurnRules, budget: Budget | None = None) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._budget = budget
        self._known: dict[CourseId, _Known] = {}
        self._changed: dict[CourseId, float] | None = None
        self._is_stored = True

    async def choose(
        self, on: Sequence[CourseId], site: SiteFacts, *, restless: Collection[CourseId]
    ) -> list[CourseId]:
        """The courses to read now, of those that are on. `restless`: something is still to be done in them."""
        changed = await self._recalled()
        now = self._clock.now()
        seen = {
            course_id: self._seen(course_id, site, changed.get(course_id, now), course_id in restless)
            for course_id in on
        }
        room = self._budget.room(now) if self._budget else None
        return choose(seen, now, self._rules, room=room)

    async def took(
        self, tried: Collection[CourseId], digests: Mapping[CourseId, int], site: SiteFacts, *, at: float
    ) -> None:
        """These were read at a time; those without a digest could not be."""
        changed = await self._recalled()
        for course_id in tried:
            before, digest = self._known.get(course_id), digests.get(course_id)
            is_other = before is not None and None not in (before.digest, digest) and before.digest != digest
            if is_other or course_id not in changed:
                changed[course_id] = at
                self._is_stored = False
            if digest is None and before is not None:
                digest = before.digest
            course = site.courses.get(course_id)
            category = site.categories.get(course.category_id) if course else None
            self._known[course_id] = _Known(at, digest, course, category)
        if self._budget:
            self._budget.learn(len(tried))

    async def store(self) -> None:
        """Keep over a restart when each course has changed."""
        if self._changed is None or self._is_stored:
            return
        data = {str(course_id): round(at) for course_id, at in self._changed.items()}
        await self._store.settings.set(CHANGED, json.dumps(data))
        self._is_stored = True

    def _seen(self, course_id: CourseId, site: SiteFacts, changed_at: float, restless: bool) -> Seen:
        known = self._known.get(course_id)
        course = site.courses.get(course_id)
        category = site.categories.get(course.category_id) if course else None
        return Seen(
            tried_at=known.tried_at if known else None,
            changed_at=changed_at,
            moments=tuple(date for date in (course.start, course.end) if date) if course else (),
            restless=restless,
            urgent=known is not None and (known.course, known.category) != (course, category),
        )

    async def _recalled(self) -> dict[CourseId, float]:
        if self._changed is None:
            stored = await self._store.settings.get(CHANGED)
            data: dict[str, float] = json.loads(stored) if stored else {}
            self._changed = {CourseId(int(number)): float(at) for number, at in data.items()}
        return self._changed
