"""Moments that are known beforehand: when one comes, its course is looked at.

An enrolment that begins or ends makes no event in Moodle, so its minute is waited for here. A queue is no place for
that: a key waits there once, for the earliest of its times, and any other signal takes it along.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress

from ..domain.model import CourseId
from ..ports import Clock, Priority, Queue, course_key
from .freshness import MOMENT
from .stopping import end

LONGEST_SLEEP = 60.0
"""Seconds after which the clock is looked at again: it may have been set."""


class Moments:
    """Known moments in order. Kept in memory: each reading plans anew what lies ahead."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._ahead: list[tuple[float, CourseId]] = []
        self._known: set[tuple[float, CourseId]] = set()
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def plan(self, course_id: CourseId, at: float) -> None:
        """Look at the course at this time (Unix seconds); planning it twice is the same as once."""
        if (at, course_id) not in self._known:
            self._known.add((at, course_id))
            heapq.heappush(self._ahead, (at, course_id))
            self._more.set()

    async def come(self) -> float | None:
        """Make due what is due by now; seconds until the next moment, None where none is known."""
        while self._ahead and self._ahead[0][0] <= self._clock.now():
            at, course_id = heapq.heappop(self._ahead)
            self._known.discard((at, course_id))
            await self._queue.add(course_key(course_id), priority=Priority.HINT, signal=MOMENT)
        return self._ahead[0][0] - self._clock.now() if self._ahead else None

    def start(self) -> None:
        """Begin to wait."""
        self._task = asyncio.create_task(self._wait(), name="moments")

    async def stop(self) -> None:
        """Wait no more; safe before a start."""
        await end(self._task)
        self._task = None

    async def _wait(self) -> None:
        while True:
            self._more.clear()
            seconds = await self.come()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if seconds is None else min(seconds, LONGEST_SLEEP)):
                    await self._more.wait()
