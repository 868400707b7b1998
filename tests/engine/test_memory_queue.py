"""The queue of one process: the promises of the port, and that a flood of signals takes no room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import settings

from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.ports import Priority, Taken
from tests.engine.queue_contract import *  # noqa: F403
from tests.engine.queue_contract import A, B
from tests.engine.queue_machine import QueueMachine
from tests.fakes import FakeClock


class MemoryDesk:
    """A queue of one process with a clock that stands still."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.queue = MemoryQueue(self.clock)

    def now(self) -> float:
        return self.clock.now()

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.queue.wake()

    async def take_now(self) -> Taken:
        taking = asyncio.create_task(self.queue.take())
        if await self.is_waiting(taking):
            taking.cancel()
            await asyncio.wait([taking])
            raise AssertionError("nothing is due")
        return taking.result()

    async def nothing_due(self) -> bool:
        taking = asyncio.create_task(self.queue.take())
        if not await self.is_waiting(taking):
            await self.queue.done(taking.result())
            return False
        taking.cancel()
        await asyncio.wait([taking])
        return True

    async def depth(self) -> int:
        return self.queue.depth()

    async def oldest(self) -> float:
        return self.queue.oldest()

    async def presses(self, taken: Taken, *, above: Priority | None = None) -> bool:
        return self.queue.presses(taken, above=above)

    async def is_waiting(self, task: asyncio.Task[Any]) -> bool:
        for _ in range(20):
            await asyncio.sleep(0)
        return not task.done()


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


async def test_a_flood_of_signals_for_one_key_takes_no_room(desk: MemoryDesk) -> None:
    await desk.queue.add(A, not_before=desk.now() + 600)
    await desk.queue.add(B)
    for _ in range(100):
        await desk.queue.add(A, signal="event", not_before=desk.now() + 600)
        await desk.queue.add(B, signal="event")
    assert len(desk.queue._due) + len(desk.queue._later) == 2


class MemoryMachine(QueueMachine):
    """Over the queue of one process."""

    async def open(self) -> MemoryDesk:
        return MemoryDesk()

    async def close(self) -> None:
        """Nothing of it stays anywhere."""


TestQueueMachine = MemoryMachine.TestCase
TestQueueMachine.settings = settings(max_examples=200, stateful_step_count=40)
