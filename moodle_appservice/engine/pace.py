"""As many rooms at once as the homeserver gains from: what is seen of its answers, and the places that follow.

`domain.pace` decides. Here the answers of a round are collected, and whoever wants to write to a room waits for a
place. There are places for more rooms than may be written at once: they write by turns (`waves`). Only writes into
rooms are timed: making one takes longer by itself, and reading says nothing about writing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from ..domain.pace import FIRST, ROOM, SLOW, Pace, Round, after
from ..ports.observer import Unobserved

AHEAD = 2
"""So many rooms are at work for each that may be written at once: while some write, the others get ready."""

SECONDS = 1.0
"""How long a round is at least. It ends with a wave, so that it counts no half ones."""
LONGEST = 3.0
"""How long where no wave ends."""
WRITES = 12
"""How many it needs."""
_WRITES = ("POST rooms/", "PUT rooms/")
_MAKING = "createRoom"


class Pacing(Unobserved):
    """An observer of requests. `most`: rooms at once that are allowed; `clock`: seconds that go on by themselves."""

    def __init__(self, most: Callable[[], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._pace = Pace(min(FIRST, most()))
        self._taken = 0
        self._working = 0
        self._most_working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began: float | None = None
        self._ended = -math.inf
        self._took: list[float] = []
        self._made = 0
        self._refused = 0

    @property
    def most(self) -> int:
        """Rooms at once that are allowed."""
        return max(1, self._most())

    @property
    def limit(self) -> int:
        """Rooms that are written at once now."""
        return min(self._pace.limit, self.most)

    @property
    def places(self) -> int:
        """Rooms that are at work now."""
        return AHEAD * self.limit

    @property
    def is_crowded(self) -> bool:
        """Whether more rooms are at work than there are to be."""
        return self._working > self.places

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for one room, for as long as the context lasts."""
        if self._taken >= self.places:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                if waiting.done() and not waiting.cancelled():
                    self._give_back()
                raise
        else:
            self._taken += 1
        try:
            yield
        finally:
            self._give_back()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Whoever has a place has something to do there."""
        self._working += 1
        self._most_working = max(self._most_working, self._working)
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                # A round with a pause in it would tell of fewer writes than there can be.
                self._begin_anew()

    def asked_matrix(self, endpoint: str, outcome: str, seconds: float) -> None:
        """A request to the homeserver has ended."""
        is_refused = outcome == "429" or outcome.startswith("5")
        is_made = endpoint.endswith(_MAKING) and outcome == "200"
        if not endpoint.startswith(_WRITES) and not is_refused and not is_made:
            return
        now = self._clock()
        if self._began is None:
            # What was under way when the last round ended would make this one longer than it is.
            self._began = max(self._ended, now - seconds)
        if is_made:
            self._made += 1
        else:
            self._took.append(seconds)
            self._refused += is_refused
        self._end_round(at_least=0.0 if self._refused else LONGEST)

    def wave_over(self) -> None:
        """All writes that were sent together are answered."""
        self._end_round(at_least=SECONDS)

    def _end_round(self, *, at_least: float) -> None:
        now, writes = self._clock(), len(self._took) + ROOM * self._made
        lasted = now - self._began if self._began is not None else 0.0
        if not self._refused and (lasted < at_least or writes < WRITES):
            return
        making = ROOM * self._made / writes if writes else 0.0
        self._judge(Round(writes, lasted, self._p95, self._refused, making))
        self._begin_anew()
        self._let_in()

    @property
    def _p95(self) -> float:
        took = sorted(self._took)
        return took[min(len(took) - 1, int(len(took) * 0.95))] if took else 0.0

    def _judge(self, seen: Round) -> None:
        # Where less is to do than may be done at once, nothing is learnt about how much it could be. Rooms keep their
        # places until their slices end: until then a halving is not in force, and slow answers call for no other one.
        is_in_force = self._most_working <= self.places
        if is_in_force and (seen.refused or seen.p95 > SLOW or self._working >= self.limit):
            self._pace = after(self._pace, seen, self._most())

    def _begin_anew(self) -> None:
        self._ended = self._clock()
        self._took, self._made, self._refused, self._began = [], 0, 0, None
        self._most_working = self._working

    def _give_back(self) -> None:
        self._taken -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._taken < self.places:
            waiting = self._waiting.popleft()
            if not waiting.done():
                self._taken += 1
                waiting.set_result(None)
