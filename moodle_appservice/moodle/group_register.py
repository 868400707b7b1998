"""Which number each group has: one register for all sources of facts, so that they speak of the same groups.

A source hands over the groups of a course as it sees them and gets them back under their own numbers
(`domain.groups`). What is remembered for that is loaded once and stored before facts with new numbers are handed on.
Without a book everything is remembered until the process ends. Reports are put together in a thread while a hint may
be read on the event loop, hence the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from ..domain.groups import KnownGroup, SeenGroup, identify
from ..domain.model import CourseId
from ..ports import GroupBook


class GroupRegister:
    """Numbers for groups. `book`: where they are kept; used from `load` on, so that a mere look stores nothing."""

    def __init__(self, book: GroupBook | None = None) -> None:
        self._book = book
        self._is_loaded = False
        self._known: dict[CourseId, tuple[KnownGroup, ...]] = {}
        self._last: dict[tuple[CourseId, bool], tuple[tuple[SeenGroup, ...], tuple[SeenGroup, ...]]] = {}
        self._unsaved: dict[CourseId, tuple[KnownGroup, ...]] = {}
        self._lock = Lock()

    async def load(self) -> None:
        """Take back what was stored. To be called once, before the first reading."""
        if self._book is not None:
            self._known.update(await self._book.all())
            self._is_loaded = True

    def take(self, course_id: CourseId, seen: Sequence[SeenGroup], *, whole: bool) -> tuple[SeenGroup, ...]:
        """The groups of a course under their own numbers. `whole`: `seen` is every group that the course has."""
        groups = tuple(seen)
        with self._lock:
            known = self._known.get(course_id, ())
            if not groups and not known:
                return ()
            last = self._last.get((course_id, whole))
            if last is not None and last[0] == groups:
                return last[1]
            found = identify(course_id, groups, known, whole=whole)
            if found.known != known:
                before = set(known)
                changed = tuple(one for one in found.known if one not in before)
                self._known[course_id] = found.known
                self._unsaved[course_id] = self._merged(course_id, changed)
                self._last = {key: value for key, value in self._last.items() if key[0] != course_id}
            self._last[course_id, whole] = (groups, found.seen)
            return found.seen

    def _merged(self, course_id: CourseId, changed: tuple[KnownGroup, ...]) -> tuple[KnownGroup, ...]:
        waiting = {one.id: one for one in self._unsaved.get(course_id, ())}
        return tuple({**waiting, **{one.id: one for one in changed}}.values())

    async def save(self) -> None:
        """Store what is new. Raises what the store raises; then it is stored the next time."""
        if self._book is None or not self._is_loaded:
            return
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        try:
            await self._book.save(unsaved)
        except BaseException:
            with self._lock:
                self._unsaved = {**unsaved, **self._unsaved}
            raise
