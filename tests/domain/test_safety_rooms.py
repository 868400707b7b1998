"""What safety holds of arrivals, of levels and of rooms that are not ours; and that the bot keeps its power."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.actions import CreateRoom, SetPower
from moodle_appservice.domain.holds import Cause, Verdict, group_id
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.plan import plan_room
from moodle_appservice.domain.power import MARKER, power_levels
from moodle_appservice.domain.safety import Recent, judge, judge_closing, too_many_ids
from tests.domain import casefiles, values
from tests.domain.test_safety import desired, people, room, user

KEYS = (
    *("rules", "members", "come", "staff", "filled", "creator", "marker"),
    *("confirmed", "does", "held"),
)
FIRST = 1000


def verdict_of(case: dict[str, Any]) -> Verdict:
    rules = values.rules(case.get("rules", {}))
    members = case.get("members")
    here = range(1, (members or 0) + 1)
    fresh = range(FIRST, FIRST + case.get("come", 0))
    staff = range(FIRST, FIRST + case.get("staff", 0))
    wanted = desired({**people(here), **people(fresh), **people(staff, "teacher")}, rules)
    actual = None
    if members is not None:
        actual = room([user(number) for number in here], rules, wanted, desired(people(here), rules))
        marker = case.get("marker", actual.content(MARKER))
        power = dict(actual.content("m.room.power_levels"))
        if "creator" in case:
            power["users"] = {**power.get("users", {}), rules.bot: 100}
        actual = replace(
            actual,
            creator=case.get("creator", actual.creator),
            state={**actual.state, (MARKER, ""): marker, ("m.room.power_levels", ""): power},
        )
    known = values.known({user(number): number for number in here})
    plan = plan_room(wanted, actual, Ledger(places=frozenset(known)), known, rules)
    plan = replace(
        plan, actions=tuple(one for one in plan.actions if getattr(one, "event_type", "") != MARKER)
    )
    recent = Recent(is_filled=case.get("filled", False))
    first = judge(plan, wanted, actual, rules, recent=recent)
    confirmed = {
        hold.cause: frozenset(sorted(hold.users)[: case["confirmed"].get(str(hold.cause), 0)])
        for hold in first.holds
        if case.get("confirmed")
    }
    return judge(plan, wanted, actual, rules, recent=recent, confirmed=confirmed)


@pytest.mark.parametrize("case", casefiles.cases("safety-rooms", keys=KEYS))
def test_safety_of_rooms(case: dict[str, Any]) -> None:
    verdict = verdict_of(case)
    assert Counter(type(action).__name__ for action in verdict.actions) == case["does"]
    assert {str(hold.cause): len(hold.users) for hold in verdict.holds} == case.get("held", {})
    assert all(hold.reason.endswith((".", "confirm.")) for hold in verdict.holds)


def test_the_bot_keeps_its_power_where_the_version_of_the_room_does_not_give_it_all() -> None:
    rules = replace(values.rules({}), room_version="11")
    wanted = desired(people(range(1, 4)), rules)
    actual = replace(room([user(1)], rules, wanted), version="11")
    power = dict(power_levels("11", rules, wanted.levels))
    actual = replace(actual, state={**actual.state, ("m.room.power_levels", ""): power})
    lowered = {**power, "users": {**power["users"], rules.bot: 50}}
    plan = plan_room(wanted, actual, Ledger(), {}, rules)
    bad = replace(plan, actions=(SetPower(lowered, {}, "By accident."), *plan.actions))
    verdict = judge(bad, wanted, actual, rules)
    assert [hold.cause for hold in verdict.holds] == [Cause.BOT]
    assert not any(isinstance(action, SetPower) for action in verdict.actions)
    confirmed = judge(bad, wanted, actual, rules, confirmed={Cause.BOT: frozenset({rules.bot})})
    assert confirmed.holds == () and confirmed.actions[0] == bad.actions[0]


@given(st.integers(0, 40), st.integers(0, 400), st.integers(0, 30), st.booleans(), st.integers(0, 60))
def test_what_is_held_and_what_passes_are_together_the_plan_and_a_confirmation_of_all_lets_all_pass(
    members: int, come: int, staff: int, filled: bool, size: int
) -> None:
    case: dict[str, Any] = {
        "rules": {"safety": {"max_room_size": max(size, 1), "max_growth": 5}},
        "members": members,
        "come": come,
        "staff": min(staff, come),
        "filled": filled,
    }
    verdict = verdict_of(case)
    arrivals = {action.matrix_id for action in verdict.actions if hasattr(action, "matrix_id")}
    held = frozenset().union(
        *(hold.users for hold in verdict.holds if hold.cause in (Cause.SIZE, Cause.GROWTH))
    )
    assert arrivals | held == {user(number) for number in range(FIRST, FIRST + come)}
    assert not arrivals & held
    for action in verdict.actions:
        if isinstance(action, SetPower):
            fresh = [one for one, level in action.content["users"].items() if level >= 50]
            assert len(fresh) <= 10, "more moderators than may be made unasked"
    all_of_it = {str(cause): 10_000 for cause in Cause}
    assert verdict_of({**case, "confirmed": all_of_it}).holds == ()


def test_courses_are_closed_three_at_once_and_a_fourth_is_held_with_all_of_them() -> None:
    rules = values.rules({})
    three = frozenset({"2", "3", "4"})
    assert judge_closing(three, 0, rules) is None
    held = judge_closing(three, 1, rules)
    assert held is not None and held.users == three and "(1 were within the last day)" in held.reason
    assert judge_closing(three | {"5"}, 0, rules, three) is not None
    assert judge_closing(three, 9, rules, three) is None


@pytest.mark.parametrize(
    ("changes", "people_there", "held"),
    [
        (5, 10, False),
        (6, 10, True),
        (20, 100_000, False),
        (21, 100_000, True),
        (6, 700, False),
        (8, 700, True),
    ],
)
def test_changes_of_matrix_ids_within_a_day_are_counted(changes: int, people_there: int, held: bool) -> None:
    assert bool(too_many_ids(changes, people_there, values.rules({}))) is held


def test_the_id_of_a_group_is_that_of_what_is_in_it_in_any_order() -> None:
    parts = [("42 !a", ["@x", "@y"]), ("43 !b", ["@z"])]
    wanted = group_id(Cause.REMOVALS, parts)
    assert wanted == group_id(Cause.REMOVALS, [("43 !b", ["@z"]), ("42 !a", ["@y", "@x"])])
    assert wanted.startswith("removals-") and len(wanted) == len("removals-") + 8
    for other in (
        [("42 !a", ["@x"]), ("43 !b", ["@z"])],
        parts[:1],
        [("42 !a", ["@x", "@y"]), ("43 !c", ["@z"])],
    ):
        assert group_id(Cause.REMOVALS, other) != wanted


def test_a_room_that_is_not_made_yet_is_held_as_a_whole_and_nothing_else_can_be_done() -> None:
    verdict = verdict_of({"come": 20, "staff": 11})
    assert not any(isinstance(action, CreateRoom) for action in verdict.actions)
