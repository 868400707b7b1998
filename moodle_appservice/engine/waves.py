"""Invites and state of many rooms, and the making of rooms, sent together.

After each event a homeserver works through what follows from it: pushes to application services, statistics, the user
directory, other servers. It does so for all events at once that have come in the meantime, so eight events that come
together cost less than eight that come one by one. Whoever has one to send therefore waits for the other rooms
that are at theirs, as long as that is worth it: answers to a wave come together too, so that rooms which once go
together stay together. Where the homeserver has nothing of ours to do meanwhile, one waits for a moment only. Who comes
too late for a wave (a server far away takes its time) is not waited for again until it has its next one to send.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

WORTH = 1.0
"""How long one waits for others, in times of what an answer takes: with less, two groups could go on by turns."""
MOMENT = 0.1
"""How long where nothing is under way, in the same times: so long the homeserver still works after its last answer."""
LONGEST = 1.0
"""Seconds that nobody waits longer than."""
_NEWEST = 0.2
"""What the newest answer counts in the time that an answer takes."""


class Waves:
    """`clock`: seconds that go on by themselves. A room is known by any object of its own, such as a look at it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at_it: set[object] = set()
        self._waiting: dict[object, asyncio.Future[None]] = {}
        self._patience: asyncio.TimerHandle | None = None
        self._took = 0.0
        self._under_way = 0

    @asynccontextmanager
    async def turn(self, room: object) -> AsyncIterator[None]:
        """Wait for the next wave; the context is the request itself."""
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._at_it.add(room)
        self._waiting[room] = gone
        self._look()
        try:
            await gone
        finally:
            self._waiting.pop(room, None)
        began = self._clock()
        self._under_way += 1
        try:
            yield
            took = self._clock() - began
            self._took = took if not self._took else self._took + _NEWEST * (took - self._took)
        finally:
            self._under_way -= 1
            self._look()

    def join(self, room: object) -> None:
        """This room has one to send soon, by all that is known: it is planned."""
        self._at_it.add(room)

    def leave(self, room: object) -> None:
        """This room has none to send next."""
        self._at_it.discard(room)
        self._look()

    def _look(self) -> None:
        if not self._waiting:
            return
        if self._waiting.keys() >= self._at_it:
            self._go()
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + min(self._took * (WORTH if self._under_way else MOMENT), LONGEST)
        if self._patience is not None:
            if self._patience.when() <= until:
                return
            self._patience.cancel()
        self._patience = loop.call_at(until, self._go_without_others)

    def _go_without_others(self) -> None:
        self._at_it = set(self._waiting)
        self._go()

    def _go(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        waiting, self._waiting = self._waiting, {}
        for gone in waiting.values():
            if not gone.done():
                gone.set_result(None)
