"""What makes keys due: the timer, pushed events, people. A signal carries no data; losing one costs time only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from ..domain.model import EventId
from ..ports import SITE, Event, Priority, Queue, Store, key_of_room
from .freshness import PASS, TURN
from .gate import Gate
from .stopping import end

log = logging.getLogger(__name__)
OnCommands = Callable[[Sequence[EventId]], None]
OnInvites = Callable[[Sequence[Event]], Awaitable[None]]


class Timer:
    """Queues the pass at the start and every `interval` seconds, and as many turns as fit in between.

    `turn`: seconds between two turns; None: everything is read by the pass, there are no turns. `reads`: whether this
    process is the one that reads; where it is another one, that one's timer counts.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        interval: float,
        turn: float | None = None,
        reads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._queue = queue
        self._reads = reads
        self._steps = max(1, round(interval / turn)) if turn else 1
        self._pause = interval / self._steps
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first pass is due at once."""
        self._task = asyncio.create_task(self._tick(), name="timer")

    async def stop(self) -> None:
        """No further passes."""
        await end(self._task)

    async def _tick(self) -> None:
        for step in count():
            signal = TURN if step % self._steps else PASS
            if self._reads():
                await self._queue.add(SITE, priority=Priority.PASS, signal=signal)
            await asyncio.sleep(self._pause)


class Pushed:
    """Takes pushed events: first into the mirror, then what they mean into signals."""

    def __init__(
        self, store: Store, queue: Queue, gate: Gate, *, on_commands: OnCommands, on_invites: OnInvites
    ) -> None:
        self._store = store
        self._queue = queue
        self._gate = gate
        self._on_commands = on_commands
        self._on_invites = on_invites

    async def __call__(self, events: Sequence[Event]) -> None:
        """Store a batch; raises when it could not be stored, and then nothing of it was."""
        seen = await self._store.mirror.take_in(events)
        if seen.canaries:
            self._gate.seen(seen.canaries)
        if seen.rooms:
            rooms = (await self._store.ledger.keys_of(seen.rooms)).values()
            for key in sorted({key_of_room(room) for room in rooms}):
                await self._queue.add(key, priority=Priority.HINT, signal="event")
        if seen.commands:
            self._on_commands(seen.commands)
        if seen.invites:
            await self._on_invites(seen.invites)
