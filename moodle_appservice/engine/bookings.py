"""Bookings of invites, at most one of which is behind the requests to the homeserver.

What an invite did goes into the books while the homeserver works at the next one of the same room: otherwise each room
would wait for our database after each answer, and a homeserver that many rooms write to at once has less to do in one
go. A crash in between leaves two invites out of the books instead of one; both stand there as intended since before the
first request (`Ledger.intend`), and their pushes tell the rest. Every other action finds all bookings done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Bookings:
    """Of one slice. Whoever begins one settles in the end, whatever happens."""

    def __init__(self) -> None:
        self._behind: asyncio.Task[None] | None = None

    async def begin(self, booking: Coroutine[None, None, None]) -> None:
        """Write down in the background. Raises what kept the one before it from being written; then none begins."""
        try:
            await self.settle()
        except BaseException:
            booking.close()
            raise
        self._behind = asyncio.create_task(booking)

    async def settle(self) -> None:
        """Wait until all is written. Raises what kept it from being written."""
        behind, self._behind = self._behind, None
        if behind is not None:
            await behind
