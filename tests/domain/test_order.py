"""Which of two versions of a state event is newer; and a chain of them in any order, with repetitions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import EventId
from moodle_appservice.domain.order import Order, Version, compare
from tests.domain import casefiles


def version(given: list[Any] | None) -> Version | None:
    return None if given is None else Version(*given)


@pytest.mark.parametrize("case", casefiles.cases("order", keys=("current", "incoming", "is")))
def test_order(case: dict[str, Any]) -> None:
    incoming = version(case["incoming"])
    assert incoming is not None
    assert compare(version(case["current"]), incoming) is Order[case["is"]]


def chain(steps: list[int]) -> list[Version]:
    """One version after the other, so many milliseconds apart."""
    versions: list[Version] = []
    now = 1000
    for number, step in enumerate(steps):
        now += step
        before = versions[-1].event_id if versions else None
        versions.append(Version(EventId(f"e{number}"), before, now))
    return versions


def deliver(order: list[Version], *, assumed: Version | None = None) -> tuple[Version | None, bool]:
    """What stands at the end, and whether an answer was UNCLEAR on the way (then the room is read again)."""
    current, unclear = assumed, False
    for one in order:
        answer = compare(current, one)
        if answer is Order.NEWER:
            current = one
        unclear = unclear or answer is Order.UNCLEAR
    return current, unclear


@given(st.data())
def test_a_chain_in_any_order_and_with_repetitions_ends_in_its_last_version_or_is_unclear(
    data: st.DataObject,
) -> None:
    versions = chain(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=6)))
    repeated = data.draw(st.lists(st.sampled_from(versions), max_size=6))
    order = data.draw(st.permutations([*versions, *repeated]))
    current, unclear = deliver(order)
    assert unclear or current == versions[-1]


@given(st.data())
def test_a_chain_pushed_in_order_is_never_unclear_whatever_the_clock_does(data: st.DataObject) -> None:
    versions = chain(data.draw(st.lists(st.integers(-50, 50), min_size=1, max_size=8)))
    assert deliver(versions) == (versions[-1], False)


@given(st.data())
def test_a_chain_is_in_order_again_after_an_assumption_of_ours(data: st.DataObject) -> None:
    versions = chain(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=6)))
    assumed = Version(None, None, data.draw(st.integers(0, 3000)))
    current, unclear = deliver(versions, assumed=assumed)
    assert (current, unclear) == (versions[-1], False)


@given(st.data())
def test_pushes_that_come_a_second_time_change_nothing_when_their_clock_goes_on(data: st.DataObject) -> None:
    versions = chain(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=6)))
    start = data.draw(st.integers(0, len(versions) - 1))
    assert deliver([*versions, *versions[start:]]) == (versions[-1], False)
