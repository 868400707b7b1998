"""Which courses have rooms, case by case: the precedence of what decides, and what a course's own field says."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.domain.rules import Choice, FieldRules
from moodle_appservice.domain.selection import MOODLE_FIELD, Selection, read_choice, select
from tests.domain import casefiles, values

OF_SELECTION = ("course", "category", "rules", "choice", "baseline", "was_on", "selected", "reason")
OF_FIELDS = ("looks", "type", "fields", "before")
CASES = casefiles.cases("selection", keys=(*OF_SELECTION, *OF_FIELDS))
SELECTIONS = [case for case in CASES if "selected" in case.values[0]]
FIELDS = [case for case in CASES if "looks" in case.values[0]]
CHOSEN: dict[bool | None, str] = {True: "on", False: "off", None: "site"}


@pytest.mark.parametrize("case", SELECTIONS)
def test_selection(case: dict[str, Any]) -> None:
    given = case.get("category", {"id": 3, "path": [1, 3]})
    choice = case.get("choice")
    selection = select(
        values.course({"id": 42, **case.get("course", {})}),
        values.category(given) if given else None,
        values.rules(case.get("rules", {})),
        baseline=CourseId(case.get("baseline", 40)),
        choice=Choice(choice["word"], choice["by"], 0.0) if choice else None,
        was_on=case.get("was_on", False),
    )
    assert selection == Selection(case["selected"], case["reason"])


@pytest.mark.parametrize("case", FIELDS)
def test_field(case: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        key: frozenset(value) if isinstance(value, list) else value
        for key, value in case.get("fields", {}).items()
    }
    fields = FieldRules(**given)
    choice = Choice(case["before"] == "on", "@tess:uni.test", 0.0) if "before" in case else None
    seen: str | None = None
    told = []
    for number, look in enumerate(case["looks"]):
        shown = {} if look["shows"] == "absent" else {fields.enabled: look["shows"]}
        types = {fields.enabled: case.get("type", "select")} if shown else {}
        course = values.course({"id": 42, "custom_fields": shown, "custom_field_types": types})
        read = read_choice(course, fields, seen=seen, first_sight=number == 0, now=float(number))
        assert read is None or (read.by, read.at) == (MOODLE_FIELD, number)
        choice = read or choice
        seen = shown.get(fields.enabled, seen)
        told.append({"shows": look["shows"], "chosen": None if choice is None else CHOSEN[choice.on]})
    assert told == case["looks"]
