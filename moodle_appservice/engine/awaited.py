"""Which courses wait for people who are being looked at: the last of these wakes the course.

A new course sends for all of its people and can be planned when each of them is known. Woken by the first one it would
be planned in vain, and by one who is ready a moment after its plan was begun it would be planned once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

from ..domain.model import CourseId
from ..ports import Priority, Queue, course_key


class Awaited:
    """Of the people whom this process looks at. One who fails is waited for no longer than until then."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._looks: Counter[CourseId] = Counter()
        self._due: dict[CourseId, Priority] = {}

    @asynccontextmanager
    async def look(self, waiting: Collection[CourseId]) -> AsyncIterator[None]:
        """One look at a person for whom these courses wait; at its end those are made due that wait for nobody else."""
        self._looks.update(waiting)
        try:
            yield
        finally:
            self._looks -= Counter(waiting)
            for course_id in sorted(self._due.keys() - self._looks.keys()):
                priority = self._due.pop(course_id, None)
                if priority is not None:
                    await self._add(course_id, priority)

    async def _add(self, course_id: CourseId, priority: Priority) -> None:
        try:
            await self._queue.add(course_key(course_id), priority=priority, signal="person")
        except BaseException:
            # It is due at the end of the next look.
            self.wake([(course_id, priority)])
            raise

    def wake(self, due: Iterable[tuple[CourseId, Priority]]) -> None:
        """Within a look: these courses are due, so urgently."""
        for course_id, priority in due:
            self._due[course_id] = min(priority, self._due.get(course_id, priority))
