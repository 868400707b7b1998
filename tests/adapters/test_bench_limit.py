"""Which way of the bare loop a benchmark takes for the limit of a homeserver."""

from __future__ import annotations

import pytest

from bench.limit import BareSlice, Way, chosen

FOUR, EIGHT, WAVES_OF_8, WAVES_OF_16 = Way(4), Way(8), Way(8, in_waves=True), Way(16, in_waves=True)


def trial(rate: float, p95_s: float) -> BareSlice:
    return BareSlice(events=1000, wall_s=1000 / rate, cpu_s=1.0, p95_s=p95_s, worked_through=1)


@pytest.mark.parametrize(
    ("rates", "slow", "way"),
    [
        ({FOUR: 10.0, EIGHT: 12.0, WAVES_OF_8: 11.0}, (), EIGHT),
        ({FOUR: 10.0, EIGHT: 12.0, WAVES_OF_8: 11.9}, (), WAVES_OF_8),
        ({WAVES_OF_16: 11.9, WAVES_OF_8: 12.0}, (), WAVES_OF_16),
        ({WAVES_OF_16: 11.5, WAVES_OF_8: 12.0}, (), WAVES_OF_8),
        ({FOUR: 10.0, WAVES_OF_16: 15.0}, (WAVES_OF_16,), FOUR),
        ({FOUR: 10.0, WAVES_OF_16: 15.0}, (FOUR, WAVES_OF_16), FOUR),
    ],
    ids=["fastest", "a-tie-in-waves", "a-tie-of-waves", "no-tie", "slow-answers", "all-slow"],
)
def test_the_limit_is_the_fastest_way_that_keeps_answers_quick_and_of_equals_the_one_with_most_rooms(
    rates: dict[Way, float], slow: tuple[Way, ...], way: Way
) -> None:
    trials = {
        one: [trial(rate * noise, 1.2 if one in slow else 0.5) for noise in (0.5, 1.0, 1.1)]
        for one, rate in rates.items()
    }
    assert chosen(trials) == way
