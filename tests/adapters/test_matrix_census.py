"""Who is known to be missing, from a list of all accounts that is read page by page."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.matrix.census import FEW, FRESH, MOST, PAGE, Census
from tests.fakes import FakeClock


def user(number: int) -> UserId:
    return UserId(f"@u{number}:uni.test")


class Register:
    """A homeserver's list of so many accounts."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.read: list[tuple[int, int]] = []
        self.clock = FakeClock()
        self.census = Census(self._page, self.clock)
        self.answer: Any = None

    async def _page(self, offset: int, limit: int) -> Any:
        self.read.append((offset, limit))
        if self.answer is not None:
            return self.answer
        numbers = range(offset, min(offset + limit, self.total))
        return {"users": [{"name": user(number)} for number in numbers], "total": self.total}

    def miss(self, times: int = FEW) -> None:
        for _ in range(times):
            self.census.missed()


@pytest.mark.parametrize("total", [1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7])
async def test_everybody_in_the_list_is_there_and_nobody_else(total: int) -> None:
    register = Register(total)
    register.miss()
    lacking = [number for number in range(total + 2) if await register.census.lacks(user(number))]
    assert lacking == [total, total + 1]
    assert len(register.read) == -(-total // PAGE)


async def test_nothing_is_listed_for_a_few_who_are_missing() -> None:
    register = Register(10)
    register.miss(FEW - 1)
    assert not await register.census.lacks(user(99))
    register.clock.advance(FRESH)
    register.miss(FEW - 1)
    assert not await register.census.lacks(user(99))
    assert register.read == []


async def test_the_list_is_forgotten_and_read_again_only_when_many_are_missing_again() -> None:
    register = Register(10)
    register.miss()
    assert await register.census.lacks(user(99))
    register.clock.advance(FRESH)
    assert not await register.census.lacks(user(99))
    assert len(register.read) == 1
    register.miss()
    assert await register.census.lacks(user(99))
    assert len(register.read) == 2


async def test_a_list_that_is_too_long_is_not_read_and_says_nothing() -> None:
    register = Register(MOST + 1)
    for _ in range(3):
        register.miss()
        assert not await register.census.lacks(user(MOST + 5))
    assert register.read == [(0, PAGE)]


async def test_who_has_come_since_is_not_lacking() -> None:
    register = Register(10)
    register.census.came(user(98))
    register.miss()
    assert await register.census.lacks(user(99))
    register.census.came(user(99))
    assert not await register.census.lacks(user(98))
    assert not await register.census.lacks(user(99))


@pytest.mark.parametrize("answer", [{}, {"users": {}, "total": 1}, {"users": [], "total": "1"}, {"total": 3}])
async def test_an_answer_that_is_no_list_does_not_make_anybody_vanish(answer: Any) -> None:
    register = Register(10)
    register.answer = answer
    register.miss()
    with pytest.raises(TemporaryFailure, match="is not a list"):
        await register.census.lacks(user(1))


async def test_a_list_that_ends_before_its_end_says_nothing() -> None:
    register = Register(10)
    register.answer = {"users": [], "total": 3}
    register.miss()
    assert not await register.census.lacks(user(99))
