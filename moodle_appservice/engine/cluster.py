"""One process among several: who reads Moodle, how many rooms are ours to write at once, and what is shared.

Which process is the reader stands in the database, and is said anew with every beat of the queue's heart. Who becomes
the reader takes back what the last one has stored, exactly as a process does that has just started: what held before
holds again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from ..ports.board import Board
from .lease import Lease

log = logging.getLogger(__name__)


class Cluster:
    """What this process knows of the others. `on_read`: take back what the last reader has stored, and read."""

    def __init__(self, board: Board, lease: Lease, *, on_read: Callable[[], Awaitable[None]]) -> None:
        self._board = board
        self._lease = lease
        self._on_read = on_read
        self._is_reader = False
        self._holder = 0
        self.processes = 1
        """How many processes there are, this one included."""

    def reads(self) -> bool:
        """Whether this process reads Moodle for all."""
        return self._is_reader and self._lease.holds

    def share(self, most: int) -> int:
        """Our share of what all may do at once, one at least."""
        return max(1, most // self.processes)

    async def beat(self, holder: int, processes: int) -> None:
        """Called with every beat of the queue: our number there, and how many processes there are."""
        self.processes = max(1, processes)
        if holder != self._holder:
            self._is_reader, self._holder = False, holder
        leads = await self._board.lead(holder, seconds=self._lease.seconds)
        if leads and not self._is_reader:
            await self._on_read()
            log.info("This process reads Moodle for all %d.", self.processes)
        elif self._is_reader and not leads:
            log.warning("Another process reads Moodle now.")
        self._is_reader = leads

    async def leave(self) -> None:
        """Let another process read."""
        self._is_reader = False
        if self._holder:
            await self._board.retire(self._holder)
