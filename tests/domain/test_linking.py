"""What follows from a code, an answer and time: as tables, one line a case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain import linking
from moodle_appservice.domain.linking import CARE, LOCK, Attempt, Code, Failures, Link, Refusal
from moodle_appservice.domain.model import MoodleUserId, UserId
from tests.domain import values

NOW = 100_000.0
ANNA, BERT = MoodleUserId(5), MoodleUserId(6)
MINE, OLD, ELSE = UserId("@mine:uni.test"), UserId("@old:uni.test"), UserId("@mine:else.test")
RULES = values.rules({"identity": {"allowed_domains": ["friends.test"]}})
FRESH = Attempt(
    sender=MINE,
    now=NOW,
    direct=True,
    code=Code(ANNA, NOW + 60),
    asked=False,
    failures=Failures(),
    holder=None,
)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({}, None),
        ({"code": None}, Refusal.WRONG),
        ({"code": None, "direct": False}, Refusal.WRONG),
        ({"direct": False}, Refusal.PUBLIC),
        ({"code": Code(ANNA, NOW + 60, NOW - 5)}, Refusal.USED),
        ({"code": Code(ANNA, NOW + 60, NOW - 5), "asked": True}, None),
        ({"code": Code(ANNA, NOW)}, Refusal.EXPIRED),
        ({"code": Code(ANNA, NOW, NOW - 5), "asked": True}, Refusal.EXPIRED),
        ({"holder": BERT}, Refusal.HELD),
        ({"holder": ANNA, "linked": OLD}, None),
        ({"holder": ANNA, "linked": MINE}, Refusal.SAME),
        ({"linked": OLD}, None),
        ({"failures": Failures(4, NOW - 10)}, None),
        ({"failures": Failures(0, NOW - 10, NOW + 1)}, Refusal.LOCKED),
        ({"failures": Failures(0, NOW - LOCK, NOW)}, None),
        ({"failures": Failures(0, NOW - 10, NOW + 1), "code": None}, Refusal.LOCKED),
        ({"sender": ELSE}, Refusal.UNFIT),
        ({"sender": UserId("@mine:friends.test")}, None),
        ({"sender": RULES.bot}, Refusal.UNFIT),
        ({"sender": UserId("@moodle_uni_77:uni.test")}, Refusal.UNFIT),
        ({"sender": UserId("@moodle_uni_77:friends.test")}, None),
        ({"sender": UserId("@admin:uni.test")}, None),
        ({"sender": UserId("not an id")}, Refusal.UNFIT),
    ],
    ids=repr,
)
def test_a_code_is_taken_or_refused(change: dict[str, object], refusal: Refusal | None) -> None:
    assert linking.judge(replace(FRESH, **change), RULES) is refusal  # type: ignore[arg-type]


def test_every_homeserver_may_be_allowed() -> None:
    rules = values.rules({"identity": {"allowed_domains": ["*"]}})
    assert linking.judge(replace(FRESH, sender=ELSE), rules) is None


@pytest.mark.parametrize(
    ("times", "count", "locked"),
    [
        ([0], 1, False),
        ([0, 1, 2, 3], 4, False),
        ([0, 1, 2, 3, 4], 0, True),
        ([0, 1, 2, 3, LOCK], 1, False),
        ([0, 1, 2, 3, LOCK - 1], 0, True),
    ],
    ids=repr,
)
def test_five_failures_within_an_hour_lock_for_an_hour(times: list[float], count: int, locked: bool) -> None:
    failures = Failures()
    for at in times:
        failures = failures.with_another(NOW + at)
    last = NOW + times[-1]
    assert (failures.count, failures.locks_at(last)) == (count, locked)
    assert not failures.locks_at(last + LOCK)


@pytest.mark.parametrize(
    ("before", "staff", "previous", "waits"),
    [
        (None, False, None, False),
        (None, True, None, False),
        (Link(ANNA, OLD, 1.0, 1.0), False, OLD, False),
        (Link(ANNA, OLD, 1.0, 1.0), True, OLD, True),
        (Link(ANNA, MINE, 1.0, 1.0), True, None, False),
        (Link(ANNA, ELSE, 1.0, NOW + 9, OLD), True, OLD, True),
        (Link(ANNA, OLD, 1.0, NOW, ELSE), True, OLD, True),
        (Link(ANNA, ELSE, 1.0, NOW + 9, MINE), True, None, False),
    ],
    ids=repr,
)
def test_a_yes_makes_a_link_that_counts_now_or_waits(
    before: Link | None, staff: bool, previous: UserId | None, waits: bool
) -> None:
    link = linking.changed(before, ANNA, MINE, staff=staff, now=NOW)
    assert (link.previous, link.waits_at(NOW)) == (previous, waits)
    assert link.counts_at(NOW) == (previous if waits else MINE)
    assert link.counts_at(NOW + CARE) == MINE


def test_the_old_account_can_let_a_waiting_change_count_or_stop_it() -> None:
    waiting = linking.changed(Link(ANNA, OLD, 1.0, 1.0), ANNA, MINE, staff=True, now=NOW)
    assert linking.confirmed(waiting, now=NOW + 5).counts_at(NOW + 5) == MINE
    stopped = linking.stopped(waiting, now=NOW + 5)
    assert stopped is not None
    assert [stopped.counts_at(NOW + 5), stopped.counts_at(NOW + 2 * CARE)] == [OLD, OLD]


@given(st.text(alphabet=linking.LETTERS, min_size=8, max_size=8), st.sampled_from([" ", "-", "–", "", "`"]))
def test_a_code_is_read_however_it_is_typed(letters: str, between: str) -> None:
    typed = f"{between}{letters[:4].lower()}{between}{letters[4:]}{between}"
    assert linking.letters_of(typed) == letters
    assert linking.letters_of(linking.shown(letters)) == letters


@given(st.text(max_size=20))
def test_nothing_else_is_taken_for_a_code(text: str) -> None:
    letters = linking.letters_of(text)
    assert letters is None or (len(letters) == 8 and set(letters) <= set(linking.LETTERS))


def test_no_letter_of_a_code_is_mistaken_for_another_or_for_a_digit() -> None:
    assert not set(linking.LETTERS) & set("ILO0123456789")
    assert len(set(linking.LETTERS)) == 23
