"""Which rooms a course has and by which rules, case by case: whose word counts for what."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.model import CourseFacts, Group, GroupId, GroupVisibility
from moodle_appservice.domain.rules import RoomRule
from moodle_appservice.domain.structure import rooms_of, rules_for
from tests.domain import casefiles, values

KEYS = ("rules", "choices", "groups", "own", "found", "rooms")


def group(number: int, given: Any) -> Group:
    """A group that everybody sees, unless something else is said."""
    one = {"name": given} if isinstance(given, str) else given
    return Group(
        GroupId(number),
        one["name"],
        moodle_id=number,
        visibility=GroupVisibility(one.get("visibility", "all")),
        participation=True,
        groupings=frozenset(one.get("groupings", ())),
    )


@pytest.mark.parametrize("case", casefiles.cases("structure", keys=KEYS))
def test_structure(case: dict[str, Any]) -> None:
    given = dict(case.get("rules", {}))
    if "groups" in given:
        given["groups"] = tuple(given["groups"])
    rules = values.rules(given)
    if "own" in case:
        own = case["own"]
        rules = values.rules({**given, "room_rules": (RoomRule("ours", lambda course, category: own),)})
    course = values.course({"id": 42})
    category = values.category({"id": 3, "path": [1, 3]})
    found = rules_for(course, category, rules, case.get("choices"))
    for key, value in case["found"].items():
        assert getattr(found, key) == (tuple(value) if isinstance(value, list) else value), key
    groups = tuple(group(number, one) for number, one in case.get("groups", {}).items())
    facts = CourseFacts(course, (), {}, groups, read_at=0.0)
    names = [f"{key.kind} {key.group}" if key.group else str(key.kind) for key in rooms_of(facts, found)]
    assert names == case["rooms"]
