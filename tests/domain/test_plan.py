"""The planner, case by case: facts, rules, the room as it is and our ledger in; every action and every note out.

`cases/plan/base.yaml` is a room in which all is well; a case is merged into it. `+: …` as the content of a `SetPower`
means: the base's power levels with these changes.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.actions import Invite, Plan, Remove, SetPower
from moodle_appservice.domain.mapping import desired_room
from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.domain.plan import plan_room
from tests.domain import casefiles, values

BASE = casefiles.read(casefiles.FOLDER / "plan" / "base.yaml")
GIVEN = ("facts", "rules", "actual", "ledger", "known", "waiting")
DESERTED = casefiles.merge(
    BASE,
    {
        "facts": {"people": {7: None, 8: None, 9: None}},
        "actual": {
            "members": {"@tess:uni.test": None, "@sam:uni.test": None, "@sue:uni.test": None},
            "state": {"m.room.power_levels": {"users": {"@tess:uni.test": None}}},
        },
        "known": {"@tess:uni.test": None, "@sam:uni.test": None, "@sue:uni.test": None},
        "ledger": {"places": [], "levels": {"@tess:uni.test": None}},
    },
)
"""The same room without anybody but the bot."""


def plan_of(case: dict[str, Any], base: dict[str, Any] = BASE) -> Plan:
    given = casefiles.merge(base, {key: case[key] for key in GIVEN if key in case})
    facts, resolutions = values.course_facts(given["facts"])
    category = given["facts"].get("category")
    rules = values.rules(given["rules"])
    desired = desired_room(facts, category and values.category(category), resolutions, rules)
    return plan_room(
        desired,
        values.actual_room(given.get("actual")),
        values.ledger(given.get("ledger")),
        values.known(given.get("known")),
        rules,
        waiting=given.get("waiting"),
    )


def expected(action: dict[str, Any]) -> dict[str, Any]:
    content = action.get("content")
    if content is not None and set(content) == {"+"}:
        levels = BASE["actual"]["state"]["m.room.power_levels"]
        return {**action, "content": casefiles.merge(levels, content["+"])}
    return action


@pytest.mark.parametrize("case", casefiles.cases("plan", keys=(*GIVEN, "actions", "notes")))
def test_plan(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    assert [values.shown(action) for action in plan.actions] == [expected(one) for one in case["actions"]]
    assert [values.shown_note(note) for note in plan.notes] == case["notes"]
    assert plan.course_id == BASE["facts"]["course"]["id"]


MEMBERSHIPS = st.sampled_from(["invite", "join", "leave", "ban", "knock"])
PEOPLE = st.dictionaries(
    st.integers(7, 12),
    st.fixed_dictionaries(
        {
            "roles": st.lists(st.sampled_from(["student", "teacher", "editingteacher", "odd"]), max_size=2),
            "state": st.sampled_from(["usable", "usable", "usable", "suspended", "unknown"]),
        },
        optional={"id": st.sampled_from([f"@p{number}:uni.test" for number in range(9)])},
    ),
)
MEMBERS = st.dictionaries(
    st.sampled_from([f"@p{number}:uni.test" for number in range(12)]),
    st.tuples(MEMBERSHIPS, st.sampled_from(["@moodle:uni.test", "@p1:uni.test", "@p2:uni.test"])),
)
KNOWN = st.dictionaries(
    st.sampled_from([*(f"@p{number}:uni.test" for number in range(12)), "@moodle:uni.test"]),
    st.integers(7, 20),
)
PLACES = st.lists(st.sampled_from([f"@p{number}:uni.test" for number in range(12)]), unique=True)


@given(PEOPLE, MEMBERS, KNOWN, PLACES, st.sampled_from([None, 7, 9]))
def test_no_plan_touches_the_bot_or_a_stranger_and_each_person_is_in_it_once(
    people: dict[int, Any],
    members: dict[str, Any],
    known: dict[str, int],
    places: list[str],
    waiting: int | None,
) -> None:
    case = {
        "facts": {"people": people},
        "actual": {"members": members},
        "known": known,
        "ledger": {"places": places},
        "waiting": waiting,
    }
    plan = plan_of(case, DESERTED)
    removed = [action.matrix_id for action in plan.actions if isinstance(action, Remove)]
    invited = [action.matrix_id for action in plan.actions if isinstance(action, Invite)]
    assert "@moodle:uni.test" not in (*removed, *invited)
    assert set(removed) <= set(known)
    assert len(set(removed) | set(invited)) == len(removed) + len(invited)
    assert set(invited) <= {one.get("id") for one in people.values() if one["state"] == "usable"}
    assert not set(removed) & {one.get("id") for one in people.values() if one["state"] != "suspended"}
    places_in_plan = [
        ("Remove", "SetPower", "Invite").index(type(action).__name__) for action in plan.actions
    ]
    assert places_in_plan == sorted(places_in_plan)
    assert places_in_plan.count(1) <= 1


@given(PEOPLE, MEMBERS, KNOWN, PLACES)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    people: dict[int, Any], members: dict[str, Any], known: dict[str, int], places: list[str]
) -> None:
    case: dict[str, Any] = {
        "facts": {"people": people},
        "actual": {"members": members},
        "known": known,
        "ledger": {"places": places},
    }
    after: dict[str, Any] = {"members": dict(members), "state": {}}
    for action in plan_of(case, DESERTED).actions:
        match action:
            case Remove(user):
                after["members"][user] = ("leave", "@moodle:uni.test")
            case Invite(user):
                after["members"][user] = ("invite", "@moodle:uni.test")
            case SetPower(content):
                after["state"]["m.room.power_levels"] = content
            case _:
                raise AssertionError(action)
    assert plan_of({**case, "actual": after}, DESERTED).actions == ()


def test_waiting_for_somebody_who_is_not_missing_changes_nothing() -> None:
    assert plan_of({"waiting": MoodleUserId(8)}).actions == ()
