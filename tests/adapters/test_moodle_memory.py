"""The shared snapshot: who waits for whom, what is fresh enough, and who pays for a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from moodle_appservice.errors import AppError, TemporaryFailure
from moodle_appservice.moodle.memory import Memory


class HandClock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class Source:
    """Counts what is asked of it, and answers when it is let go."""

    def __init__(self, clock: HandClock) -> None:
        self.memory: Memory[int, str] = Memory(clock)
        self.asked: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failure: Exception | None = None
        self.broken: dict[int, AppError] = {}

    async def read(self, keys: list[int], began: float) -> Mapping[int, str | AppError]:
        self.asked.append(keys)
        await self.go.wait()
        if self.failure:
            raise self.failure
        return {key: self.broken.get(key, f"{key} at {began:g}") for key in keys}

    async def get(self, key: int, not_older_than: float) -> str:
        return await self.memory.get(key, not_older_than=not_older_than, read=self.read)


async def begun() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_is_fresh_enough_comes_from_memory() -> None:
    clock = HandClock()
    source = Source(clock)
    assert await source.get(1, 1000) == "1 at 1000"
    clock.time = 1060
    assert await source.get(1, 1000) == "1 at 1000"
    assert await source.get(1, 1001) == "1 at 1060"
    assert source.asked == [[1], [1]]


async def test_callers_for_the_same_thing_share_one_reading() -> None:
    source = Source(HandClock())
    source.go.clear()
    callers = [asyncio.create_task(source.get(1, 1000)) for _ in range(5)]
    await begun()
    source.go.set()
    assert await asyncio.gather(*callers) == ["1 at 1000"] * 5
    assert source.asked == [[1]]


async def test_a_caller_who_gives_up_takes_nothing_from_the_others() -> None:
    source = Source(HandClock())
    source.go.clear()
    first, second = (asyncio.create_task(source.get(1, 1000)) for _ in range(2))
    await begun()
    first.cancel()
    await begun()
    source.go.set()
    assert await second == "1 at 1000"
    assert first.cancelled()
    assert source.asked == [[1]]


async def test_a_reading_that_nobody_waits_for_any_more_is_still_remembered() -> None:
    source = Source(HandClock())
    source.go.clear()
    caller = asyncio.create_task(source.get(1, 1000))
    await begun()
    caller.cancel()
    source.go.set()
    await begun()
    assert source.memory.peek(1) == "1 at 1000"


async def test_a_reading_that_began_too_early_is_waited_for_and_then_repeated_once_for_all() -> None:
    clock = HandClock()
    source = Source(clock)
    source.go.clear()
    early = asyncio.create_task(source.get(1, 1000))
    await begun()
    clock.time = 1010
    late = [asyncio.create_task(source.get(1, 1010)) for _ in range(3)]
    await begun()
    assert source.asked == [[1]]
    source.go.set()
    assert await early == "1 at 1000"
    assert await asyncio.gather(*late) == ["1 at 1010"] * 3
    assert source.asked == [[1], [1]]


async def test_only_what_is_neither_known_nor_being_read_is_read() -> None:
    source = Source(HandClock())
    await source.get(1, 1000)
    source.go.clear()
    two = asyncio.create_task(source.get(2, 1000))
    await begun()
    many = asyncio.create_task(source.memory.get_many([1, 2, 3, 3, 4], not_older_than=1000, read=source.read))
    await begun()
    source.go.set()
    assert set(await many) == {1, 2, 3, 4}
    assert await two == "2 at 1000"
    assert source.asked == [[1], [2], [3, 4]]


async def test_a_failure_reaches_all_who_waited_and_is_not_remembered() -> None:
    source = Source(HandClock())
    source.go.clear()
    source.failure = TemporaryFailure("Moodle is down.")
    callers = [asyncio.create_task(source.get(1, 1000)) for _ in range(2)]
    await begun()
    source.go.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["Moodle is down."] * 2
    source.failure = None
    assert await source.get(1, 1000) == "1 at 1000"


async def test_one_key_that_fails_leaves_the_others_alone() -> None:
    source = Source(HandClock())
    source.broken = {2: TemporaryFailure("Course 2 can't be read.")}
    outcomes = await source.memory.get_many([1, 2], not_older_than=1000, read=source.read)
    assert outcomes[1] == "1 at 1000"
    assert isinstance(outcomes[2], TemporaryFailure)
    with pytest.raises(TemporaryFailure):
        await source.get(2, 1000)
    assert source.asked == [[1, 2], [2]]


async def test_a_key_that_fails_by_itself_is_forgotten_and_a_reading_that_fails_whole_forgets_nothing() -> (
    None
):
    clock = HandClock()
    source = Source(clock)
    await source.memory.get_many([1, 2], not_older_than=1000, read=source.read)
    clock.time = 1010
    source.broken = {1: TemporaryFailure("Course 1 can't be read.")}
    with pytest.raises(TemporaryFailure):
        await source.get(1, 1010)
    source.failure = TemporaryFailure("Moodle is down.")
    with pytest.raises(TemporaryFailure):
        await source.get(2, 1010)
    assert source.memory.peek(1) is None
    assert source.memory.peek(2) == "2 at 1000"


async def test_a_bug_in_the_reading_is_not_swallowed() -> None:
    source = Source(HandClock())
    source.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await source.get(1, 1000)


async def test_a_moment_that_is_still_to_come_means_now() -> None:
    source = Source(HandClock())
    assert await source.get(1, 9999) == "1 at 1000"
    assert source.asked == [[1]]


async def test_closing_cancels_those_who_wait() -> None:
    source = Source(HandClock())
    source.go.clear()
    caller = asyncio.create_task(source.get(1, 1000))
    await begun()
    await source.memory.close()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_what_is_no_longer_wanted_is_forgotten() -> None:
    source = Source(HandClock())
    await source.memory.get_many([1, 2, 3], not_older_than=1000, read=source.read)
    source.memory.keep_only([2])
    assert source.memory.values() == ["2 at 1000"]
    assert source.memory.peek(1) is None
    assert source.memory.peek(2, 1001) is None
