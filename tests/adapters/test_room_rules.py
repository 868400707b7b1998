"""An institution's own rules for courses, as packages declare them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from moodle_appservice import ownrules
from moodle_appservice.domain.model import Category, Course
from tests.domain import values


def by_name(course: Course, category: Category | None) -> Mapping[str, Any]:
    return {"layout": "space", "name": "{shortname}!"} if course.shortname == "ALG1" else {}


def broken(course: Course, category: Category | None) -> Mapping[str, Any]:
    raise KeyError("faculty")


def nonsense(course: Course, category: Category | None) -> Any:
    return {"layout": "castle"}


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    found = [EntryPoint(name, f"{__name__}:{name}", ownrules.ROOM_GROUP) for name in names]
    monkeypatch.setattr(
        ownrules, "entry_points", lambda *, group: found if group == ownrules.ROOM_GROUP else []
    )


def test_a_rule_says_what_is_different_for_a_course(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "by_name")
    (rule,) = ownrules.room_rules()
    assert rule.differ(values.course({"id": 42}), None) == {
        "layout": "space",
        "name_template": "{shortname}!",
    }
    assert rule.differ(values.course({"id": 43, "shortname": "B"}), None) == {}


@pytest.mark.parametrize("name", ["broken", "nonsense"])
def test_a_rule_that_fails_counts_for_nothing_and_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    installed(monkeypatch, name)
    (rule,) = ownrules.room_rules()
    with caplog.at_level(logging.ERROR):
        assert rule.differ(values.course({"id": 42}), None) == {}
        assert rule.differ(values.course({"id": 43}), None) == {}
    assert caplog.text.count(f"The room rule {name} failed for course 42") == 1
