"""How many rooms are written at once: it follows what the homeserver gains from, and what it suffers from."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.pace import CALM, FIRST, HOLD, HOLDS, LEAST, ROUNDS, SLOW, Pace, Round, after

SEEN = st.builds(
    Round,
    writes=st.integers(1, 500),
    seconds=st.floats(0.5, 10),
    p95=st.floats(0, 5),
    refused=st.integers(0, 3),
    making=st.floats(0, 1),
)


def server(best: int, *, slow_from: int = 10**9, rounds: int = 100) -> list[int]:
    """The limits of many rounds at a homeserver that gains from so many rooms at once and from no more."""
    pace, limits = Pace(), []
    for _ in range(rounds):
        limits.append(pace.limit)
        rate = 10.0 * min(pace.limit, best)
        pace = after(pace, Round(int(rate * 2), 2.0, 2.0 if pace.limit >= slow_from else 0.3), most=64)
    return limits


def numbers(limits: list[int]) -> list[int]:
    """The limits without those that are as the one before."""
    return [limit for before, limit in pairwise([0, *limits]) if limit != before]


def test_it_starts_at_four() -> None:
    assert Pace().limit == FIRST == 4


def test_it_grows_while_throughput_grows_and_goes_back_where_it_does_not() -> None:
    limits = server(best=16)
    assert numbers(limits)[:5] == [4, 8, 16, 32, 16]
    assert limits.count(16) > 80


def test_it_stays_low_where_nothing_is_gained() -> None:
    limits = server(best=4)
    assert numbers(limits)[:3] == [4, 8, 4]
    assert limits.count(4) > 85


def test_a_number_is_not_taken_back_for_rounds_in_which_rooms_were_made_before_or_after_it() -> None:
    made, pace = Round(40, 2.0, 0.3, making=0.9), Pace()
    for seen in (made, *[Round(30, 2.0, 0.3)] * ROUNDS):
        pace = after(pace, seen, most=64)
    assert pace.limit == 2 * FIRST
    # What brings nothing in rounds that are alike is taken back as ever.
    for _ in range(1 + ROUNDS):
        pace = after(pace, Round(30, 2.0, 0.3), most=64)
    assert (pace.limit, pace.failed) == (2 * FIRST, 1)


def test_rounds_in_which_rooms_were_made_are_compared_with_each_other() -> None:
    pace = Pace()
    for making in (0.9, 0.7, 0.8):
        pace = after(pace, Round(40, 2.0, 0.3, making=making), most=64)
    assert (pace.limit, pace.failed) == (FIRST, 1)


def test_what_brought_nothing_is_tried_again_after_a_while_and_each_time_after_twice_as_long() -> None:
    limits = server(best=4, rounds=250)
    tries = [number for number, (before, limit) in enumerate(pairwise(limits)) if before != limit == 8]
    between = [later - earlier - ROUNDS - 1 for earlier, later in pairwise(tries)]
    assert between == [4, 8, 16, 32, 64, 64]


def test_slow_answers_halve_it() -> None:
    limits = server(best=64, slow_from=16)
    assert numbers(limits)[:4] == [4, 8, 16, 8]
    assert max(limits) == 16
    assert numbers(limits)[4:9] == [9, 10, 11, 12, 13], "three quarters of what was slow"
    assert limits.index(13) - limits.index(12) > HOLD // 2, "until the hold is over"


def test_one_round_that_is_better_by_chance_is_not_enough() -> None:
    pace = Pace()
    for writes in (20, 21, 19):
        pace = after(pace, Round(writes, 2.0, 0.3), most=64)
    assert pace.limit == FIRST


def test_one_round_that_is_much_better_is_enough() -> None:
    pace = Pace()
    for writes in (20, 23):
        pace = after(pace, Round(writes, 2.0, 0.3), most=64)
    assert pace.limit == 4 * FIRST


def test_a_try_that_failed_by_chance_is_made_again_soon() -> None:
    pace = Pace()
    limits: list[int] = []
    # The homeserver had other work to do while twice as many were tried.
    for writes in (30, 24, 24, *[30] * 20):
        limits.append(pace.limit)
        pace = after(pace, Round(writes * (pace.limit if len(limits) > 3 else 1), 2.0, 0.3), most=8)
    assert numbers(limits)[:3] == [4, 8, 4]
    assert limits[1 + ROUNDS + HOLDS[0] + 1] == 8
    assert limits[-1] == 8


def test_after_a_try_that_brought_more_the_next_failure_counts_as_the_first() -> None:
    pace = Pace(failed=3, rounds=(Round(20, 2.0, 0.3),))
    pace = after(pace, Round(20, 2.0, 0.3), most=64)
    assert (pace.limit, pace.failed) == (8, 3), "it is not known yet"
    for _ in range(ROUNDS):
        pace = after(pace, Round(30, 2.0, 0.3), most=64)
    assert (pace.limit, pace.failed) == (16, 0)


def test_one_room_comes_back_with_each_quick_round_after_slow_ones() -> None:
    pace, limits = after(Pace(16), Round(20, 2.0, SLOW + 0.1), most=64), []
    for p95 in (0.3, CALM, CALM + 0.1, 0.3):
        pace = after(pace, Round(20, 2.0, p95), most=64)
        limits.append(pace.limit)
    assert limits == [9, 10, 10, 11]


def test_rooms_that_come_back_one_by_one_end_at_most_at_what_is_allowed() -> None:
    pace = after(Pace(16), Round(20, 2.0, SLOW + 0.1), most=10)
    for _ in range(5):
        pace = after(pace, Round(20, 2.0, 0.3), most=10)
    assert pace.limit == 10


def test_after_a_long_time_of_answers_that_were_nearly_slow_it_grows_as_ever() -> None:
    pace = after(Pace(16), Round(20, 2.0, SLOW + 0.1), most=64)
    for _ in range(HOLD):
        pace = after(pace, Round(20, 2.0, CALM + 0.1), most=64)
    limits = []
    for _ in range(2 * HOLD):
        pace = after(pace, Round(10 * pace.limit, 2.0, 0.3), most=64)
        limits.append(pace.limit)
    assert limits[-1] == 64


def test_a_refusal_is_held_however_quick_the_answers_are() -> None:
    pace = after(Pace(8), Round(20, 2.0, 0.1, refused=1), most=64)
    for _ in range(HOLD):
        pace = after(pace, Round(20, 2.0, 0.1), most=64)
        assert pace.limit == 4


@given(st.integers(LEAST, 64), st.floats(0.5, 10), st.floats(0, 5))
def test_a_refusal_or_a_slow_round_halves_it_at_once(limit: int, seconds: float, p95: float) -> None:
    for seen in (Round(10, seconds, p95, refused=1), Round(10, seconds, SLOW + 0.1 + p95)):
        assert after(Pace(limit), seen, most=64).limit == max(LEAST, limit // 2)


@given(st.lists(SEEN, max_size=60), st.lists(st.integers(1, 64), min_size=60, max_size=60))
def test_it_is_always_within_its_bounds_and_never_more_than_doubles(
    rounds: list[Round], most: list[int]
) -> None:
    pace = Pace()
    for seen, limit in zip(rounds, most, strict=False):
        before, pace = pace, after(pace, seen, limit)
        assert LEAST <= pace.limit <= max(LEAST, limit)
        assert pace.limit <= 2 * before.limit


@given(st.lists(SEEN, max_size=60))
def test_it_grows_only_after_a_round_without_trouble(rounds: list[Round]) -> None:
    pace = Pace()
    for seen in rounds:
        before, pace = pace, after(pace, seen, 64)
        if pace.limit > before.limit:
            assert not seen.refused and seen.p95 <= SLOW
