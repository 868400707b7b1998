"""The queue of several processes: keys are jobs of procrastinate in the PostgreSQL that they share.

One task hands jobs to the workers that wait: it asks the database while somebody waits, sleeps until a job is added,
and looks again every second because of those whose time comes. A second task beats the heart of this process and takes
over the keys of those whose heart has stopped (`engine.lease`): within `SECONDS + RENEW_EVERY` they are with others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ...errors import TemporaryFailure
from ...ports import KINDS, Clock, Key, Priority, Taken
from ..lease import RENEW_EVERY, Lease
from ..stopping import end
from .jobs import Held, Jobs, when
from .memory import SOON

LOOK_EVERY = 1.0
"""Seconds between two looks for jobs whose time has come."""
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Taker:
    """A worker that waits for a key: of this kind only, where one is given."""

    only: str
    given: asyncio.Future[Taken] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class ProcrastinateQueue:
    """Implements `ports.Queue`. `reads`: whether this process may take the keys in `for_reader` now.

    `when_idle` is awaited before `idle` returns.
    `on_beat` is called after each beat with our own number and how many processes there are, this one included.
    """

    def __init__(
        self,
        jobs: Jobs,
        clock: Clock,
        lease: Lease,
        *,
        for_reader: frozenset[str] = frozenset(),
        reads: Callable[[], bool] = lambda: True,
        on_beat: Callable[[int, int], Awaitable[None]] | None = None,
        when_idle: Callable[[], Awaitable[None]] | None = None,
        beat_every: float = RENEW_EVERY,
    ) -> None:
        self._jobs = jobs
        self._clock = clock
        self._lease = lease
        self._for_reader = for_reader
        self._reads = reads
        self._on_beat = on_beat
        self._when_idle = when_idle
        self._beat_every = beat_every
        self._worker = 0
        self._held: dict[Key, Held] = {}
        self._takers: list[_Taker] = []
        self._added = asyncio.Event()
        self._depth = 0
        self._due: dict[str, Priority] = {}
        self._again: frozenset[str] = frozenset()
        self._oldest = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Register this process and begin to hand out keys. The tables are there (`Jobs.open`)."""
        await self._register()
        steps = (self._hand_out, self._listen, self._beat)
        self._tasks = [asyncio.create_task(step(), name=f"queue {step.__name__}") for step in steps]

    async def close(self) -> None:
        """Give back what is in hand and leave; safe before `open`."""
        await end(*self._tasks)
        self._tasks = []
        for held in list(self._held.values()):
            await self.back_off(held.taken, delay=0)
        if self._worker:
            with suppress(TemporaryFailure):
                await self._jobs.unregister(self._worker)
            self._worker = 0

    async def add(
        self, key: Key, *, priority: Priority = Priority.PASS, signal: str = "pass", not_before: float = 0.0
    ) -> None:
        """Ask for a look at this key."""
        due = not_before <= self._clock.now()
        await self._jobs.add(key, priority=priority, signal=signal, at=None if due else when(not_before))
        self._added.set()

    async def take(self, *, only: str = "") -> Taken:
        """Wait for the next key that is due and that nobody works on."""
        taker = _Taker(only)
        self._takers.append(taker)
        self._added.set()
        try:
            return await taker.given
        except asyncio.CancelledError:
            # Handed over in the very moment in which the worker was stopped.
            if taker.given.done() and not taker.given.cancelled():
                await asyncio.shield(self.back_off(taker.given.result(), delay=0))
            raise
        finally:
            if taker in self._takers:
                self._takers.remove(taker)

    async def done(self, taken: Taken) -> None:
        """Give the key back as finished."""
        held = self._held.pop(taken.key, None)
        if held is not None and not await self._jobs.end(held):
            log.warning("%s was taken over by another process while we had it in hand.", taken.key)
        self._added.set()

    async def back_off(self, taken: Taken, *, delay: float) -> None:
        """Give the key back as failed."""
        held = self._held.pop(taken.key, None)
        if held is not None:
            at = when(self._clock.now() + delay) if delay > 0 else None
            await self._jobs.give_back(held, at=at, attempts=taken.attempt + 1)
        self._added.set()

    async def idle(self) -> None:
        """Wait until nothing is due, running, or waiting for a retry within the next minute, in any process."""
        while await self._jobs.busy(soon=SOON):
            self._added.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY / 5):
                    await self._added.wait()
        if self._when_idle is not None:
            await self._when_idle()

    def presses(self, taken: Taken, *, above: Priority | None = None) -> bool:
        """Whether others wait (that are more urgent than `above`), or a signal for this key, as seen a moment ago."""
        due = self._due.get(taken.key.kind)
        others = due is not None and (above is None or due < above)
        return others or str(taken.key) in self._again

    def depth(self) -> int:
        """How many keys wait or run, as counted a moment ago."""
        return self._depth

    def oldest(self) -> float:
        """For how many seconds the key that waits longest has been due, as seen a moment ago."""
        return self._oldest

    def wake(self) -> None:
        """Look for jobs now."""
        self._added.set()

    def kinds(self, only: str = "") -> tuple[str, ...]:
        """Of which kinds a key may be that this process takes now."""
        wanted = (only,) if only else KINDS
        return tuple(kind for kind in wanted if kind not in self._for_reader or self._reads())

    async def fetch(self, only: str = "") -> Taken | None:
        """The next key that is due, or None."""
        kinds = self.kinds(only)
        if not kinds or not self._lease.holds:
            return None
        held = await self._jobs.fetch(kinds, self._worker)
        if held is None:
            return None
        self._held[held.taken.key] = held
        return held.taken

    async def count(self) -> None:
        """See how many keys wait, since when, and who presses."""
        self._depth, self._oldest = await self._jobs.depth(), await self._jobs.oldest()
        self._due, self._again = await self._jobs.due(), await self._jobs.again()

    async def _hand_out(self) -> None:
        counted = 0.0
        while True:
            self._added.clear()
            try:
                while await self._serve():
                    pass
                if time.monotonic() - counted > LOOK_EVERY:
                    await self.count()
                    counted = time.monotonic()
            except TemporaryFailure as failure:
                log.warning("%s", failure)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._added.wait()

    async def _serve(self) -> bool:
        """Hand one key to somebody; False where nobody waits or nothing is due for whoever does."""
        for only in dict.fromkeys(taker.only for taker in sorted(self._takers, key=lambda taker: taker.only)):
            taken = await self.fetch(only)
            if taken is None:
                continue
            taker = next((one for one in self._takers if one.only == only and not one.given.done()), None)
            if taker is None:
                await self.back_off_untouched(taken)
                continue
            self._takers.remove(taker)
            taker.given.set_result(taken)
            return True
        return False

    async def back_off_untouched(self, taken: Taken) -> None:
        """Nobody wants it any more: it waits as before."""
        held = self._held.pop(taken.key)
        await self._jobs.give_back(held, at=None, attempts=taken.attempt)

    async def _listen(self) -> None:
        async def heard() -> None:
            self._added.set()

        while True:
            try:
                await self._jobs.listen(heard)
            except TemporaryFailure as failure:
                log.warning("%s", failure)
                await asyncio.sleep(LOOK_EVERY)

    async def _register(self) -> None:
        asked = self._lease.asked()
        self._worker = await self._jobs.register()
        self._lease.renewed(asked)
        self._held.clear()
        await self._tell()

    async def _tell(self) -> None:
        if self._on_beat is not None:
            await self._on_beat(self._worker, await self._jobs.live(seconds=self._lease.seconds))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_every)
            try:
                await self.beat()
            except TemporaryFailure as failure:
                log.warning("%s", failure)

    async def beat(self) -> None:
        """Renew our lease, and take over the keys of processes whose lease has run out."""
        asked = self._lease.asked()
        if await self._jobs.renew(self._worker, seconds=self._lease.seconds):
            self._lease.renewed(asked)
        else:
            log.warning("This process stood still for too long: others have its keys now. It begins anew.")
            self._lease.lost()
            await self._register()
        for held in await self._jobs.stalled(seconds=self._lease.seconds):
            if await self._jobs.give_back(held, at=None, attempts=held.taken.attempt):
                log.warning("%s is taken over from a process that has stopped.", held.taken.key)
        await self._jobs.prune(seconds=10 * self._lease.seconds)
        await self._tell()
        self._added.set()
