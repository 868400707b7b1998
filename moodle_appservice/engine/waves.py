"""Writes of many rooms, sent together.

After each event a homeserver works through what follows from it: pushes to application services, statistics, the user
directory, other servers. It does so for all events at once that have come in the meantime, so eight events that come
together cost less than eight that come one by one. Writes therefore go in waves: one of each room, of as many rooms as
may be written at once, and the next wave when all of this one are answered. More rooms than that are at work, so that
those of the next wave have theirs ready by then, those first that have waited longest, and the homeserver waits for
nobody's books or plans. Where there are no more than one wave's, whoever has a write to send waits for the other rooms
that are at theirs, as long as that is worth it. Where the homeserver has nothing of ours to do meanwhile, one waits
for a moment only. Who comes too late for a wave (a server far away takes its time) is not waited for again until it has
its next one to send.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from typing import NamedTuple

WORTH = 1.0
"""How long one waits for others, in times of what an answer takes: with less, two groups could go on by turns."""
MOMENT = 0.1
"""How long where nothing is under way, in the same times: so long the homeserver still works after its last answer."""
LONGEST = 1.0
"""Seconds that nobody waits longer than for the others of a wave."""
_NEWEST = 0.2
"""What the newest answer counts in the time that an answer takes."""


class _Turn(NamedTuple):
    """Somebody who waits. `gone` is done when it is let go."""

    gone: asyncio.Future[None]
    weight: float


class Waves:
    """`most`: rooms in a wave now; `in_all`: requests at once, also of those that wait for no wave.

    `over`: told when a wave is; `clock`: seconds that go on by themselves.

    A room is known by any object of its own, such as a look at it.
    """

    def __init__(
        self,
        most: Callable[[], int],
        in_all: Callable[[], int],
        *,
        over: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._in_all = in_all
        self._over = over
        self._clock = clock
        self._at_it: set[object] = set()
        self._waiting: dict[object, _Turn] = {}
        self._unanswered: set[object] = set()
        self._went = 0.0
        self._hurried: deque[asyncio.Future[None]] = deque()
        self._under_way = 0
        self._hurried_under_way = 0
        self._patience: asyncio.TimerHandle | None = None
        self._took = 0.0
        self._weight = 1.0

    @asynccontextmanager
    async def turn(self, room: object, *, weight: float = 1.0) -> AsyncIterator[None]:
        """Wait for the next wave that has a place; the context is the request itself.

        `weight`: how many usual requests it costs the homeserver.
        """
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._at_it.add(room)
        self._waiting[room] = _Turn(gone, weight)
        self._look()
        try:
            await gone
            began = self._clock()
            yield
            took = (self._clock() - began) / weight
            self._took = took if not self._took else self._took + _NEWEST * (took - self._took)
        finally:
            self._under_way -= _is_let_go(gone)
            self._waiting.pop(room, None)
            self._wait_for(self._unanswered - {room})
            self._look()

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        """A request that waits for no wave, only where as many as may be are under way already."""
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hurried.append(gone)
        self._look()
        try:
            await gone
            yield
        finally:
            self._hurried_under_way -= _is_let_go(gone)
            self._look()

    def join(self, room: object) -> None:
        """This room has one to send soon, by all that is known: it is planned."""
        self._at_it.add(room)

    def leave(self, room: object) -> None:
        """This room has none to send next."""
        self._at_it.discard(room)
        self._look()

    def _look(self) -> None:
        self._let_hurried_go()
        if not self._waiting:
            self._wait_no_longer()
            return
        places = self._most() - self._together
        if places < 1:
            # Each answer has us look again.
            return
        is_answered = not self._unanswered
        if self._waiting.keys() >= self._at_it or (is_answered and len(self._waiting) >= places):
            self._go(places)
            return
        loop = asyncio.get_running_loop()
        if is_answered:
            until = loop.time() + min(self._took * MOMENT, LONGEST)
        else:
            takes = self._took * self._weight
            until = self._went + takes + min(takes * WORTH, LONGEST)
        if self._patience is not None:
            if self._patience.when() <= until:
                return
            self._patience.cancel()
        self._patience = loop.call_at(until, self._wait_for_none_of_the_others)

    def _wait_for_none_of_the_others(self) -> None:
        self._patience = None
        self._at_it = set(self._waiting)
        self._wait_for(set())
        self._look()

    def _wait_for(self, unanswered: set[object]) -> None:
        """Of the wave that is under way."""
        is_over = bool(self._unanswered) and not unanswered
        self._unanswered = unanswered
        if is_over:
            self._over()

    def _go(self, places: int) -> None:
        self._wait_no_longer()
        rooms = list(islice((room for room, turn in self._waiting.items() if not turn.gone.done()), places))
        if not rooms:
            # All of them are being stopped.
            return
        self._unanswered = set(rooms)
        self._under_way += len(rooms)
        self._went = asyncio.get_running_loop().time()
        self._weight = max(self._waiting[room].weight for room in rooms)
        for room in rooms:
            self._waiting.pop(room).gone.set_result(None)
        # Who has no place in this one waits for the next.
        self._look()

    @property
    def _together(self) -> int:
        return self._under_way + self._hurried_under_way

    def _let_hurried_go(self) -> None:
        while self._hurried and self._hurried_under_way < self._most() and self._together < self._in_all():
            gone = self._hurried.popleft()
            if not gone.done():
                self._hurried_under_way += 1
                gone.set_result(None)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _is_let_go(gone: asyncio.Future[None]) -> bool:
    """Whether it was let go, even where it was stopped before it could begin."""
    return gone.done() and not gone.cancelled()
