"""Which courses are read now: lively ones often, quiet ones seldom, everybody in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import CourseId
from moodle_appservice.domain.turns import Seen, TurnRules, choose, due_at, interval_of

NOW = 1_000_000.0
DAY = 86400.0
RULES = TurnRules(fastest=300, slowest=1800, turn=30)


@pytest.mark.parametrize(
    ("quiet_for", "more", "seconds"),
    [
        (0, {}, 300),
        (1800, {}, 300),
        (3600, {}, 450),
        (4 * 3600, {}, 1800),
        (90 * DAY, {}, 1800),
        (90 * DAY, {"restless": True}, 300),
        (90 * DAY, {"moments": (NOW + DAY / 2,)}, 300),
        (90 * DAY, {"moments": (NOW - DAY / 2, NOW + 90 * DAY)}, 300),
        (90 * DAY, {"moments": (NOW + 2 * DAY,)}, 1800),
        # A clock that was set back.
        (-3600, {}, 300),
    ],
)
def test_the_longer_a_course_is_quiet_the_less_often_it_is_read(
    quiet_for: float, more: dict[str, object], seconds: float
) -> None:
    seen = replace(Seen(NOW - 1, NOW - quiet_for), **more)  # type: ignore[arg-type]
    assert interval_of(seen, NOW, RULES) == seconds


def test_a_slowest_interval_below_the_fastest_means_always_the_fastest() -> None:
    rules = TurnRules(fastest=300, slowest=60, turn=30)
    assert interval_of(Seen(NOW, 0.0), NOW, rules) == 300


@pytest.mark.parametrize(
    ("seen", "due"),
    [
        (Seen(None, 0.0), float("-inf")),
        (Seen(NOW - 10, NOW), NOW + 290),
        (Seen(NOW - 10, NOW, urgent=True), NOW - 10),
        (Seen(NOW - 10, NOW, moments=(NOW - 20, NOW + 5)), NOW + 5),
    ],
)
def test_a_course_is_due_after_its_interval_or_at_a_known_moment_or_at_once(seen: Seen, due: float) -> None:
    assert due_at(seen, NOW, RULES) == due


def read(course_count: int, turns: int, *, room: int | None = None) -> list[list[CourseId]]:
    """What each turn reads, of courses that are always lively and were read together at first."""
    tried = {CourseId(number): NOW for number in range(2, course_count + 2)}
    taken = []
    for turn in range(1, turns + 1):
        now = NOW + turn * RULES.turn
        seen = {course_id: Seen(at, now) for course_id, at in tried.items()}
        chosen = choose(seen, now, RULES, room=room)
        tried.update(dict.fromkeys(chosen, now))
        taken.append(chosen)
    return taken


def test_what_was_read_together_is_spread_evenly_over_the_interval() -> None:
    assert [len(chosen) for chosen in read(100, 40)] == [10] * 40


def test_ahead_of_their_time_courses_are_read_in_whole_batches() -> None:
    seen = {CourseId(number): Seen(NOW, NOW) for number in range(2, 352)}
    now = NOW + RULES.turn
    assert [len(choose(seen, now, replace(RULES, batch=batch))) for batch in (1, 20, 36)] == [35, 20, 0]


def test_a_few_courses_are_read_when_they_are_due_and_not_before() -> None:
    assert [len(chosen) for chosen in read(3, 20)] == [0] * 9 + [3] + [0] * 9 + [3]


def test_a_budget_is_never_exceeded_and_everybody_has_a_turn() -> None:
    taken = read(100, 60, room=2)
    assert {len(chosen) for chosen in taken} == {2}
    assert len({course_id for chosen in taken[:50] for course_id in chosen}) == 100


@given(
    st.lists(
        st.tuples(st.floats(0, 40 * DAY), st.booleans(), st.none() | st.floats(0, 7200)),
        min_size=1,
        max_size=30,
    ),
    st.integers(1, 5),
)
def test_nobody_starves_whatever_the_others_are(
    courses: list[tuple[float, bool, float | None]], room: int
) -> None:
    """Each course is read within its slowest interval and one round of everybody."""
    tried: dict[CourseId, float | None] = {
        CourseId(number): None if ago is None else NOW - ago
        for number, (_, _, ago) in enumerate(courses, start=2)
    }
    last = dict.fromkeys(tried, 0)
    rounds = int(RULES.slowest / RULES.turn) + -(-len(courses) // room) + 1
    for turn in range(1, 3 * rounds):
        now = NOW + turn * RULES.turn
        seen = {
            course_id: Seen(tried[course_id], NOW - quiet, restless=restless)
            for course_id, (quiet, restless, _) in zip(tried, courses, strict=True)
        }
        for course_id in choose(seen, now, RULES, room=room):
            tried[course_id], last[course_id] = now, turn
        assert turn - min(last.values()) <= rounds


@given(st.lists(st.tuples(st.none() | st.floats(0, 9e5), st.floats(0, 2e6), st.booleans()), max_size=30))
def test_each_course_is_chosen_once_and_who_is_due_before_who_is_not(
    courses: list[tuple[float | None, float, bool]],
) -> None:
    seen = {
        CourseId(number): Seen(tried, changed, restless=restless)
        for number, (tried, changed, restless) in enumerate(courses, start=2)
    }
    chosen = choose(seen, NOW, RULES)
    assert len(set(chosen)) == len(chosen)
    latest = max((due_at(seen[course_id], NOW, RULES) for course_id in chosen), default=float("-inf"))
    for course_id in seen.keys() - set(chosen):
        assert due_at(seen[course_id], NOW, RULES) >= max(latest, NOW)
