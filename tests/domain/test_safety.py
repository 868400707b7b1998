"""What is held until somebody confirms it, case by case; and that what is held keeps its level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain import safety
from moodle_appservice.domain.actions import Remove, SetPower
from moodle_appservice.domain.holds import Confirmed, covered
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.mapping import DesiredRoom
from moodle_appservice.domain.members import Fate, Treatment
from moodle_appservice.domain.model import ActualRoom, MoodleUserId, UserId
from moodle_appservice.domain.plan import plan_room
from moodle_appservice.domain.power import power_levels
from moodle_appservice.domain.rules import Rules
from moodle_appservice.domain.safety import Cause, Hold, Recent, Verdict, judge
from tests.domain import casefiles, values

KEYS = (
    *("rules", "members", "strangers", "gone", "but", "confirmed", "removed", "held", "reason", "cause"),
    *("recent", "explained", "teachers"),
)


def user(number: int) -> UserId:
    return UserId(f"@p{number}:uni.test")


def people(numbers: range, role: str = "student") -> dict[int, Any]:
    return {number: {"roles": [role], "id": user(number)} for number in numbers}


def desired(enrolled: dict[int, Any], rules: Rules) -> DesiredRoom:
    facts, resolutions = values.course_facts({"course": {"id": 42}, "people": enrolled})
    return values.desired_room(facts, None, resolutions, rules)


def room(
    members: list[str], rules: Rules, wanted: DesiredRoom, before: DesiredRoom | None = None
) -> ActualRoom:
    """In order but for its members; `before`: as whose it has the levels."""
    found = values.actual_room(
        {
            "room_id": "!room",
            "version": "12",
            "creator": rules.bot,
            "members": dict.fromkeys([rules.bot, *members], "join"),
            "state": {
                "m.room.name": {"name": wanted.name},
                "m.room.topic": {"topic": wanted.topic},
                **{f"{kind} {key}".strip(): content for (kind, key), content in wanted.state.items()},
                "m.room.power_levels": power_levels("12", rules, (before or wanted).levels),
            },
        }
    )
    assert found is not None
    return found


def verdict_of(case: dict[str, Any]) -> Verdict:
    rules = values.rules(case.get("rules", {}))
    total, gone = case["members"], case["gone"]
    enrolled = people(range(gone + 1, total + 1))
    before = people(range(1, total + 1))
    for number in case.get("teachers", ()):
        for group in (enrolled, before):
            if number in group:
                group[number] = people(range(number, number + 1), "teacher")[number]
    enrolled.update({number: {"reason": "No id."} for number in range(900, 900 + case.get("but", 0))})
    wanted = desired(enrolled, rules)
    strangers = [f"@s{number}:else.test" for number in range(case.get("strangers", 0))]
    actual = room(
        [*(user(number) for number in range(1, total + 1)), *strangers], rules, wanted, desired(before, rules)
    )
    known = values.known({user(number): number for number in range(1, total + 1)})
    plan = plan_room(wanted, actual, Ledger(places=frozenset(known)), known, rules)
    assert len(plan.removals) == gone
    confirmed = frozenset(user(number) for number in range(1, case.get("confirmed", 0) + 1))
    recent = Recent(
        **case.get("recent", {}),
        explained=frozenset(MoodleUserId(number) for number in range(1, case.get("explained", 0) + 1)),
    )
    return judge(plan, wanted, actual, rules, confirmed={Cause.REMOVALS: confirmed}, recent=recent)


@pytest.mark.parametrize("case", casefiles.cases("safety", keys=KEYS))
def test_safety(case: dict[str, Any]) -> None:
    verdict = verdict_of(case)
    first = case["gone"] - case["held"] if case.get("confirmed") else case.get("explained", 0)
    held = frozenset(user(number) for number in range(first + 1, first + case["held"] + 1))
    cause = Cause(case.get("cause", "removals"))
    assert verdict.hold == (Hold(held, case["reason"], cause) if held else None)
    assert sum(isinstance(action, Remove) for action in verdict.actions) == case["removed"]


def test_whom_a_person_has_confirmed_is_put_together_as_often_for_many_removals_as_for_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Cause] = []

    def noted(confirmed: Confirmed, cause: Cause) -> frozenset[str]:
        asked.append(cause)
        return covered(confirmed, cause)

    monkeypatch.setattr(safety, "covered", noted)
    times = []
    for gone in (10, 100):
        asked.clear()
        verdict_of({"members": gone + 10, "gone": gone, "confirmed": gone})
        times.append(len(asked))
    assert times[0] == times[1]


def test_what_is_not_a_removal_goes_on_while_removals_are_held() -> None:
    rules = values.rules({})
    wanted = desired(people(range(8, 10)), rules)
    actual = room([user(number) for number in range(1, 9)], rules, wanted)
    known = values.known({user(number): number for number in range(1, 9)})
    plan = plan_room(wanted, actual, Ledger(places=frozenset(known)), known, rules)
    verdict = judge(plan, wanted, actual, rules)
    assert verdict.hold is not None and len(verdict.hold.users) == 7
    assert [values.shown(action) for action in verdict.actions] == [
        {"do": "Invite", "matrix_id": user(9), "person": 9, "level": 0, "why": "Active enrolment (student)."}
    ]


def test_a_room_that_is_not_made_yet_has_nothing_to_hold() -> None:
    rules = values.rules({})
    wanted = desired(people(range(1, 3)), rules)
    plan = plan_room(wanted, None, Ledger(), {}, rules)
    assert judge(plan, wanted, None, rules) == Verdict(plan.actions)


def held_teachers(*, promoted: bool, confirmed: frozenset[UserId] = frozenset()) -> Verdict:
    """Moodle suddenly lists but one of eight teachers, and that one (`promoted`) in another role."""
    rules = values.rules({})
    before = desired(people(range(1, 9), "teacher"), rules)
    actual = room([user(number) for number in range(1, 9)], rules, before)
    wanted = desired(people(range(8, 9), "manager" if promoted else "teacher"), rules)
    known = values.known({user(number): number for number in range(1, 9)})
    ledger = Ledger(levels=before.levels, places=frozenset(known))
    return judge(
        plan_room(wanted, actual, ledger, known, rules),
        wanted,
        actual,
        rules,
        confirmed={Cause.REMOVALS: confirmed},
    )


def test_whose_removal_is_held_keeps_the_level_too() -> None:
    verdict = held_teachers(promoted=False)
    assert verdict.hold is not None
    assert verdict.actions == ()


def test_a_change_of_somebody_else_s_level_goes_on_without_those_whose_removal_is_held() -> None:
    (action,) = held_teachers(promoted=True).actions
    assert isinstance(action, SetPower)
    assert action.content["users"] == {**{user(number): 50 for number in range(1, 8)}, user(8): 60}
    assert action.levels == {user(8): 60}


def test_whose_removal_is_confirmed_loses_the_level() -> None:
    verdict = held_teachers(promoted=False, confirmed=frozenset({user(1)}))
    remove, power = verdict.actions
    assert isinstance(remove, Remove) and remove.matrix_id == user(1)
    assert isinstance(power, SetPower)
    assert power.content["users"] == {user(number): 50 for number in range(2, 9)}


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_who_is_held_and_who_is_removed_are_together_who_is_gone(
    members: int, gone: int, confirmed: int
) -> None:
    gone = min(gone, members)
    verdict = verdict_of({"members": members, "gone": gone, "confirmed": confirmed})
    removed = {action.matrix_id for action in verdict.actions if isinstance(action, Remove)}
    held = verdict.hold.users if verdict.hold else frozenset()
    assert removed | held == {user(number) for number in range(1, gone + 1)}
    assert not removed & held
    assert not held & {user(number) for number in range(1, confirmed + 1)}


@pytest.mark.parametrize(("gone", "held"), [(False, 0), (True, 8)])
def test_a_suspended_account_explains_its_removal_and_one_that_vanished_does_not(
    gone: bool, held: int
) -> None:
    rules = values.rules({})
    wanted = desired(people(range(9, 11)), rules)
    leavers = {MoodleUserId(number): Treatment(Fate.REMOVE, "Why.", gone=gone) for number in range(1, 9)}
    wanted = replace(wanted, treatments=leavers)
    actual = room([user(number) for number in range(1, 11)], rules, wanted)
    known = values.known({user(number): number for number in range(1, 11)})
    verdict = judge(
        plan_room(wanted, actual, Ledger(places=frozenset(known)), known, rules), wanted, actual, rules
    )
    assert sum(len(hold.users) for hold in verdict.holds) == held
