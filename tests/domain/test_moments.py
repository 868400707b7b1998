"""Moments in sentences: how they are written, and how whoever tells a sentence finds them again."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.moments import moment, retold

SUMMER = 1_785_448_740.0


def test_a_moment_is_written_in_utc_to_the_minute() -> None:
    assert moment(SUMMER) == "2026-07-30 21:59 UTC"
    assert moment(SUMMER + 30) == "2026-07-30 21:59 UTC"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("", ""),
        ("The course ended on 2026-07-30 21:59 UTC.", "The course ended on <1785448740>."),
        (
            "Paused since 2026-07-30 21:59 UTC; read at 1970-01-01 00:01 UTC.",
            "Paused since <1785448740>; read at <60>.",
        ),
        ("A day, 2026-07-30, and a time, 21:59 UTC.", "A day, 2026-07-30, and a time, 21:59 UTC."),
        ("No such day: 2026-13-32 25:61 UTC.", "No such day: 2026-13-32 25:61 UTC."),
        ("No such year: 0000-01-01 00:00 UTC.", "No such year: 0000-01-01 00:00 UTC."),
    ],
)
def test_moments_are_found_again_in_a_sentence_and_nothing_else_is(sentence: str, told: str) -> None:
    assert retold(sentence, lambda at: f"<{at:.0f}>") == told
