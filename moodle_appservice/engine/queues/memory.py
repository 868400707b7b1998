"""The queue of one process. Nothing of it is kept on disk: a start looks at everything anyway.

A key is in one of three places: waiting for its time (`later`), due (`due`, for each kind of key ordered by priority,
then by age), or with a worker (`running`). Signals for a waiting key merge into it; signals for a running key are kept
beside it and make it due again when it is given back.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from itertools import count

from ...ports import Clock, Key, Priority, Taken

SOON = 60.0
"""`idle` does not wait for retries that are further away than this, in seconds."""


@dataclass(slots=True)
class _Waiting:
    """A key that waits; `number` tells the valid heap entry from outdated ones."""

    priority: Priority
    not_before: float
    attempt: int
    number: int
    signals: set[str] = field(default_factory=set)
    added_at: float | None = None


class MemoryQueue:
    """Implements `ports.Queue` inside one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Key, _Waiting] = {}
        self._running: dict[Key, Taken] = {}
        self._again: dict[Key, _Waiting] = {}
        self._due: dict[str, list[tuple[int, int, Key]]] = {}
        self._later: list[tuple[float, int, Key]] = []
        self._numbers = count(1)
        self._changed = asyncio.Condition()

    async def add(
        self, key: Key, *, priority: Priority = Priority.PASS, signal: str = "pass", not_before: float = 0.0
    ) -> None:
        """Ask for a look at this key."""
        if key in self._running:
            again = self._again.get(key)
            if again is None:
                self._again[key] = _Waiting(priority, not_before, 0, 0, {signal})
            else:
                again.signals.add(signal)
                again.priority = min(again.priority, priority)
                again.not_before = min(again.not_before, not_before)
            return
        waiting = self._waiting.get(key)
        if waiting is None:
            self._put(key, _Waiting(priority, not_before, 0, 0, {signal}))
        else:
            waiting.signals.add(signal)
            before = (waiting.priority, waiting.not_before)
            # A key that backs off is only hurried by somebody who waits for it.
            hurried = waiting.attempt == 0 or priority is Priority.WAITING_PERSON
            waiting.priority = min(waiting.priority, priority)
            if hurried:
                waiting.not_before = min(waiting.not_before, not_before)
            # One more of the same kind of signal does not cost a key its place.
            if before != (waiting.priority, waiting.not_before):
                self._put(key, waiting)
        await self.wake()

    async def take(self, *, only: str = "") -> Taken:
        """Wait for the next key that is due and that nobody works on."""
        async with self._changed:
            while True:
                taken = self._pop(only)
                if taken is not None:
                    self._running[taken.key] = taken
                    return taken
                try:
                    async with asyncio.timeout(self._until_next()):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def done(self, taken: Taken) -> None:
        """Give the key back as finished."""
        self._running.pop(taken.key, None)
        again = self._again.pop(taken.key, None)
        if again is not None:
            self._put(taken.key, again)
        await self.wake()

    async def back_off(self, taken: Taken, *, delay: float) -> None:
        """Give the key back as failed."""
        self._running.pop(taken.key, None)
        again = self._again.pop(taken.key, None)
        until = self._clock.now() + delay
        waiting = _Waiting(taken.priority, until, taken.attempt + 1, 0, set(taken.signals))
        if again is not None:
            waiting.signals |= again.signals
            waiting.priority = min(waiting.priority, again.priority)
            if again.priority is Priority.WAITING_PERSON:
                waiting.not_before = min(until, again.not_before)
        self._put(taken.key, waiting)
        await self.wake()

    async def idle(self) -> None:
        """Wait until nothing is due, running, or waiting for a retry within the next minute."""
        async with self._changed:
            while not self._is_idle():
                await self._changed.wait()

    def presses(self, taken: Taken, *, above: Priority | None = None) -> bool:
        """Whether others wait (that are more urgent than `above`), or a signal for this key has come."""
        now = self._clock.now()
        return taken.key in self._again or any(
            one.not_before <= now and (above is None or one.priority < above)
            for key, one in self._waiting.items()
            if key.kind == taken.key.kind
        )

    def depth(self) -> int:
        """How many keys are due, are tried again later, or run."""
        now = self._clock.now()
        waiting = sum(1 for one in self._waiting.values() if one.attempt or one.not_before <= now)
        return waiting + len(self._running)

    def oldest(self) -> float:
        """For how many seconds the key that waits longest has been due."""
        now = self._clock.now()
        since = [max(one.added_at or 0.0, one.not_before) for one in self._waiting.values()]
        return max((now - one for one in since if one <= now), default=0.0)

    def _is_idle(self) -> bool:
        horizon = self._clock.now() + SOON
        return not self._running and not any(entry.not_before <= horizon for entry in self._waiting.values())

    def _put(self, key: Key, waiting: _Waiting) -> None:
        waiting.number = next(self._numbers)
        if waiting.added_at is None:
            waiting.added_at = self._clock.now()
        self._waiting[key] = waiting
        if waiting.not_before <= self._clock.now():
            self._make_due(key, waiting)
        else:
            heapq.heappush(self._later, (waiting.not_before, waiting.number, key))

    def _make_due(self, key: Key, waiting: _Waiting) -> None:
        heapq.heappush(self._due.setdefault(key.kind, []), (waiting.priority, waiting.number, key))

    def _pop(self, only: str) -> Taken | None:
        now = self._clock.now()
        while self._later and self._later[0][0] <= now:
            _, number, key = heapq.heappop(self._later)
            waiting = self._waiting.get(key)
            if waiting is not None and waiting.number == number:
                self._make_due(key, waiting)
        heaps = [heap for kind, heap in self._due.items() if not only or kind == only]
        for heap in heaps:
            while heap and not self._is_valid(heap[0]):
                heapq.heappop(heap)
        first = min((heap for heap in heaps if heap), key=lambda heap: heap[0][:2], default=None)
        if first is None:
            return None
        key = heapq.heappop(first)[2]
        waiting = self._waiting.pop(key)
        return Taken(key, waiting.priority, waiting.attempt, frozenset(waiting.signals))

    def _is_valid(self, entry: tuple[int, int, Key]) -> bool:
        waiting = self._waiting.get(entry[2])
        return waiting is not None and waiting.number == entry[1]

    def _until_next(self) -> float | None:
        if not self._later:
            return None
        return max(self._later[0][0] - self._clock.now(), 0.01)

    async def wake(self) -> None:
        """Have everybody who waits look again: time has passed, or something was added."""
        async with self._changed:
            self._changed.notify_all()
