"""What is asked of the database in the same moment travels together, and nobody suffers from another's question."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest

from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.store.together import Together, look_ups


class Desk:
    """Squares numbers, all of a moment in one go. `broken`: numbers that can't be squared."""

    def __init__(self, *broken: int, failure: Exception | None = None) -> None:
        self.asked: list[list[int]] = []
        self.broken = broken
        self.failure = failure or ValueError("not a number")
        self.gate = asyncio.Event()
        self.gate.set()
        self.together = Together(self._square)

    async def _square(self, numbers: Sequence[int]) -> Sequence[int]:
        self.asked.append(list(numbers))
        await self.gate.wait()
        if set(numbers) & set(self.broken):
            raise self.failure
        return [number * number for number in numbers]

    async def ask(self, *numbers: int) -> list[int | BaseException]:
        return await asyncio.gather(*map(self.together.ask, numbers), return_exceptions=True)


async def test_what_is_asked_in_one_moment_goes_together_and_each_gets_its_own_answer() -> None:
    desk = Desk()
    assert await desk.ask(3, 1, 2, 3) == [9, 1, 4, 9]
    assert desk.asked == [[3, 1, 2, 3]]


async def test_what_is_asked_while_another_question_is_under_way_goes_together_after_it() -> None:
    desk = Desk()
    desk.gate.clear()
    first = asyncio.create_task(desk.together.ask(1))
    while not desk.asked:
        await asyncio.sleep(0)
    second = asyncio.create_task(desk.together.ask(1))
    await asyncio.sleep(0)
    third = asyncio.create_task(desk.together.ask(2))
    desk.gate.set()
    assert [await first, await second, await third] == [1, 1, 4]
    assert desk.asked == [[1], [1, 2]], "an answer to the first may be older than the second question"


async def test_the_end_of_the_program_leaves_nobody_waiting() -> None:
    desk = Desk()
    desk.gate.clear()
    asking = [asyncio.create_task(desk.together.ask(number)) for number in (1, 2)]
    while not desk.asked:
        await asyncio.sleep(0)
    asking.append(asyncio.create_task(desk.together.ask(3)))
    await asyncio.sleep(0)
    at_work = desk.together._at_work
    assert at_work is not None
    for task in (*asking, at_work):
        task.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 3


async def test_a_question_that_cant_be_answered_keeps_nobody_from_an_answer() -> None:
    desk = Desk(2)
    one, two, three = await desk.ask(1, 2, 3)
    assert (one, three) == (1, 9)
    assert two is desk.failure
    assert desk.asked == [[1, 2, 3], [1], [2], [3]]


async def test_a_database_that_is_away_is_not_asked_for_each_of_them_alone() -> None:
    desk = Desk(2, failure=TemporaryFailure("The database can't be used now."))
    assert await desk.ask(1, 2, 3) == [desk.failure] * 3
    assert desk.asked == [[1, 2, 3]]


async def test_whoever_is_stopped_waits_for_the_end_and_the_others_get_their_answers() -> None:
    desk = Desk()
    desk.gate.clear()
    stopped, other = (asyncio.create_task(desk.together.ask(number)) for number in (1, 2))
    while not desk.asked:
        await asyncio.sleep(0)
    stopped.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not stopped.done(), "what is asked may be writing"
    desk.gate.set()
    assert await other == 4
    with pytest.raises(asyncio.CancelledError):
        await stopped


async def test_keys_that_several_ask_for_are_looked_up_once_and_each_gets_those_that_there_are() -> None:
    asked: list[list[int]] = []

    async def find(keys: Collection[int]) -> Mapping[int, str]:
        asked.append(list(keys))
        return {key: f"number {key}" for key in keys if key < 3}

    found = look_ups(find)
    answers = await asyncio.gather(found.ask([1, 2]), found.ask([2, 3]), found.ask([]))
    assert list(answers) == [{1: "number 1", 2: "number 2"}, {2: "number 2"}, {}]
    assert asked == [[1, 2, 3]]
