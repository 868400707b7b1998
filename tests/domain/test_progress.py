"""How much is left and how long it takes: by the rate of the last minutes, and nothing where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.progress import FEW, WINDOW, Rate, progress


def at_rate(per_second: float, seconds: float) -> Rate:
    rate = Rate()
    for number in range(int(per_second * seconds)):
        rate.add(number / per_second)
    return rate


@given(st.integers(2, 11), st.integers(30, 170))
def test_the_rate_is_that_of_the_arrivals(per_second: int, seconds: int) -> None:
    found = at_rate(per_second, seconds).per_second(seconds)
    assert found == pytest.approx(per_second, rel=0.1)


def test_a_few_arrivals_or_old_ones_make_no_rate() -> None:
    assert at_rate(1, FEW - 1).per_second(FEW) is None
    assert at_rate(10, 60).per_second(60 + WINDOW) is None
    assert Rate().per_second(0.0) is None


def test_a_rate_that_has_come_to_a_halt_falls_before_it_is_gone() -> None:
    rate = at_rate(10, 60)
    going, halted = rate.per_second(60), rate.per_second(120)
    assert going is not None and halted is not None and halted < going


@pytest.mark.parametrize(
    ("expected", "taken", "rate", "sentence"),
    [
        (10, 10, 1.0, ""),
        (10, 12, 1.0, ""),
        (100, 10, None, "90 places in rooms are still to be given; how long that takes is not known yet."),
        (100, 10, 3.0, "90 places in rooms are still to be given, which takes about a minute."),
        (10_000, 0, 20.0, "10000 places in rooms are still to be given, which takes about 8 minutes."),
        (2_000_000, 0, 20.0, "2000000 places in rooms are still to be given, which takes about 28 hours."),
    ],
)
def test_it_is_told_in_a_sentence(expected: int, taken: int, rate: float | None, sentence: str) -> None:
    assert progress(expected, taken, rate).sentence == sentence
