"""Which courses are as they should be, and by which facts: what a pass need not look at again.

A course is settled when a look at it ended with nothing left to do, held or put aside. It stays so until its facts
change; whatever happens to its room in Matrix is pushed to us and makes it due by itself. Kept in memory, so the first
pass after a start looks at everything. In a cluster the process that looked at a course tells the board, and the one
that makes the passes takes it from there.
"""

from __future__ import annotations

from ..domain.model import CourseId
from ..ports.board import Board


class Settled:
    """Course → digest of the facts by which it was settled."""

    def __init__(self, board: Board | None = None) -> None:
        self._board = board
        self._by: dict[CourseId, int] = {}
        self._forgot = False

    def settle(self, course_id: CourseId, digest: int) -> None:
        """All is as it should be by these facts."""
        self._by[course_id] = digest

    def unsettle(self, course_id: CourseId) -> None:
        """Something is to be done, or may be."""
        self._by.pop(course_id, None)

    def unsettle_all(self) -> None:
        """Nothing can be relied upon: look at everything."""
        self._by.clear()
        self._forgot = True

    def is_settled(self, course_id: CourseId, digest: int) -> bool:
        """Whether a look at the course, by these facts, would find nothing to do."""
        return self._by.get(course_id) == digest

    def is_restless(self, course_id: CourseId) -> bool:
        """Whether something is to be done, or may be, whatever the facts are."""
        return course_id not in self._by

    async def share(self, course_id: CourseId) -> None:
        """A look at the course has ended: tell the others how, where there are any."""
        if self._board is not None:
            await self._board.settle(course_id, self._by.get(course_id))

    async def recall(self) -> None:
        """Before a pass: take back what others have told, unless nothing can be relied upon."""
        if self._board is None:
            return
        if self._forgot:
            await self._board.unsettle_all()
        self._by = dict(await self._board.settled())
        self._forgot = False
