"""One shared snapshot: what was read, when, and what is being read right now.

A caller names keys and how old an answer may be. What is fresh enough comes from memory; what is being read already is
waited for, if that reading began late enough; only the rest is read, in one go. A reading is a task of its own, so that
a caller who gives up takes nothing away from the others who wait for it. A failure is handed to those who waited and is
not remembered. A key that fails by itself is forgotten too, so that nobody goes on with what used to be; a reading that
fails as a whole says nothing about its keys and leaves them as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ..errors import AppError
from ..ports import Clock

Key = TypeVar("Key")
Value = TypeVar("Value")

Outcomes: TypeAlias = Mapping[Key, Value | AppError]
Reader: TypeAlias = Callable[[list[Key], float], Awaitable[Outcomes[Key, Value]]]
"""Reads the keys; the second argument is the moment at which the reading began."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    value: Value
    read_at: float


@dataclass(frozen=True, slots=True, eq=False)
class _Reading(Generic[Key, Value]):
    began: float
    task: asyncio.Task[Outcomes[Key, Value]]


class Memory(Generic[Key, Value]):
    """Values by key, each with the moment at which the reading that brought it began (Unix seconds)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Key, _Kept[Value]] = {}
        self._readings: dict[Key, _Reading[Key, Value]] = {}

    def peek(self, key: Key, not_older_than: float = float("-inf")) -> Value | None:
        """What is in memory and fresh enough, or None."""
        kept = self._kept.get(key)
        return kept.value if kept and kept.read_at >= not_older_than else None

    def values(self) -> list[Value]:
        """All that is in memory, of any age."""
        return [kept.value for kept in self._kept.values()]

    def keep_only(self, keys: Iterable[Key]) -> None:
        """Forget everything else."""
        wanted = set(keys)
        self._kept = {key: kept for key, kept in self._kept.items() if key in wanted}

    async def get(self, key: Key, *, not_older_than: float, read: Reader[Key, Value]) -> Value:
        """One value. Raises what its reading failed with."""
        outcome = (await self.get_many([key], not_older_than=not_older_than, read=read))[key]
        if isinstance(outcome, AppError):
            raise outcome.with_traceback(None)
        return outcome

    async def get_many(
        self, keys: Iterable[Key], *, not_older_than: float, read: Reader[Key, Value]
    ) -> dict[Key, Value | AppError]:
        """An outcome for each key: the value, or the error that its reading ended with. Raises nothing but bugs."""
        found: dict[Key, Value | AppError] = {}
        missing = list(dict.fromkeys(keys))
        while missing:
            # A moment that is still to come, by a clock that was set back, would never be reached.
            not_older_than = min(not_older_than, self._clock.now())
            self._take_kept(missing, not_older_than, found)
            missing = [key for key in missing if key not in found]
            self._start([key for key in missing if key not in self._readings], read)
            waited = {key: self._readings[key] for key in missing}
            if waited:
                await asyncio.wait({reading.task for reading in waited.values()})
            for key, reading in waited.items():
                if reading.began >= not_older_than:
                    found[key] = _outcome(key, reading.task)
            missing = [key for key in missing if key not in found]
        return found

    async def close(self) -> None:
        """Stop what is being read; whoever waits for it is cancelled."""
        tasks = {reading.task for reading in self._readings.values()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_kept(
        self, keys: Iterable[Key], not_older_than: float, found: dict[Key, Value | AppError]
    ) -> None:
        for key in keys:
            kept = self._kept.get(key)
            if kept and kept.read_at >= not_older_than:
                found[key] = kept.value

    def _start(self, keys: list[Key], read: Reader[Key, Value]) -> None:
        if not keys:
            return
        began = self._clock.now()

        async def run() -> Outcomes[Key, Value]:
            return await read(keys, began)

        reading = _Reading(began, asyncio.create_task(run()))
        for key in keys:
            self._readings[key] = reading
        reading.task.add_done_callback(lambda _: self._finish(keys, reading))

    def _finish(self, keys: list[Key], reading: _Reading[Key, Value]) -> None:
        for key in keys:
            if self._readings.get(key) is reading:
                del self._readings[key]
        # Asking for the exception also tells asyncio that it was seen, should nobody wait any more.
        if reading.task.cancelled() or reading.task.exception():
            return
        for key, outcome in reading.task.result().items():
            if isinstance(outcome, AppError):
                self._kept.pop(key, None)
            else:
                self._kept[key] = _Kept(outcome, reading.began)


def _outcome(key: Key, task: asyncio.Task[Outcomes[Key, Value]]) -> Value | AppError:
    failed = task.exception()
    if isinstance(failed, AppError):
        return failed
    return task.result()[key]
