"""What is planned for the spaces above courses, case by case: whole actions are compared."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.actions import Plan
from moodle_appservice.domain.model import MoodleUserId, RoomId, SiteFacts, SiteInfo, UserId
from moodle_appservice.domain.plan import plan_room
from moodle_appservice.domain.spaces import Grove, desired_space
from moodle_appservice.domain.tree import Tree
from moodle_appservice.domain.visitors import Visitor, visitors_of
from tests.domain import casefiles, values

BASE = casefiles.read(casefiles.FOLDER / "spaces" / "base.yaml")
GIVEN = (
    *(
        "space",
        "categories",
        "tree",
        "ids",
        "rules",
        "actual",
        "ledger",
        "known",
        "people",
        "newcomers",
        "now",
    ),
    *("hung", "waits_for"),
)


def grove_of(given: dict[str, Any]) -> Grove:
    spaces = {
        values.room_key(space): tuple(values.room_key(one) for one in below)
        for space, below in given["tree"].items()
    }
    parents = {child: space for space, below in spaces.items() for child in below}
    info = SiteInfo("https://moodle.uni.test", "Uni", "5.1", MoodleUserId(2), frozenset())
    site = SiteFacts(info, values.categories(given["categories"]), {}, 0.0)
    ids = {values.room_key(key): RoomId(room_id) for key, room_id in given["ids"].items()}
    return Grove(site, Tree(spaces, parents), ids)


def plan_of(case: dict[str, Any]) -> Plan:
    given = casefiles.merge(BASE, {key: case[key] for key in GIVEN if key in case})
    grove, space = grove_of(given), values.room_key(given["space"])
    rules, actual = values.rules(given["rules"]), values.actual_room(given.get("actual"))
    known = values.known(given.get("known"))
    people = {
        MoodleUserId(number): Visitor(MoodleUserId(number), UserId(one["account"]), **_beside(one, "account"))
        for number, one in given.get("people", {}).items()
    }
    visitors = visitors_of(
        actual.members if actual else {},
        known,
        people,
        frozenset(MoodleUserId(number) for number in given.get("newcomers", ())),
        rules,
        given.get("now", 1000.0),
        invites=str(space) == "site",
    )
    desired = desired_space(space, grove, actual, visitors, rules)
    ours = frozenset({*grove.ids.values(), *map(RoomId, given.get("hung", ()))})
    assert [str(key) for key in grove.waits_for(space)] == case.get("waits_for", [])
    return plan_room(desired, actual, values.ledger(given.get("ledger")), known, rules, ours=ours)


def _beside(given: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != key}


@pytest.mark.parametrize("case", casefiles.cases("spaces", keys=(*GIVEN, "actions", "notes", "next_look")))
def test_spaces(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    assert [values.shown(action) for action in plan.actions] == case["actions"]
    assert [values.shown_note(note) for note in plan.notes] == case.get("notes", [])
    assert plan.next_look == case.get("next_look")
