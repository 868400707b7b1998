"""What people may choose for a course, from what is chosen to the fields of a form and back."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.ports import Chosen
from moodle_appservice.web.refusals import Refusal
from moodle_appservice.web.settings_form import changes, shown


def chosen(**values: Any) -> dict[str, Chosen]:
    return {name: Chosen(value, "page", 1.0) for name, value in values.items()}


def sent(**fields: str) -> dict[str, str]:
    """A form as a browser sends it: every field is there."""
    return {**{field.name: field.value for field in shown({})}, **fields}


def values(choices: dict[str, Chosen]) -> dict[str, str]:
    return {field.name: field.value for field in shown(choices) if field.value}


@pytest.mark.parametrize(
    ("choices", "fields"),
    [
        ({}, {}),
        ({"on": False}, {"on": "off"}),
        ({"name": {"text": "The chemists", "field": ""}}, {"name": "The chemists"}),
        ({"layout": "space", "staff": True}, {"layout": "space", "staff": "on"}),
        ({"groups": True}, {"groups": "on"}),
        ({"groups": ["A|B", "Lab .*"]}, {"groups": "some", "group_names": "A|B\nLab .*"}),
        ({"generation": 2, "unknown": 1}, {}),
    ],
)
def test_what_is_chosen_stands_in_the_form_and_sending_it_as_it_is_changes_nothing(
    choices: dict[str, Any], fields: dict[str, str]
) -> None:
    assert values(chosen(**choices)) == fields
    assert changes(sent(**fields), chosen(**choices)) == {}


@pytest.mark.parametrize(
    ("before", "fields", "wanted"),
    [
        ({}, {"on": "on"}, {"on": True}),
        ({"on": True}, {}, {"on": None}),
        ({}, {"name": "  The\tchemists "}, None),
        ({}, {"name": "  The   chemists "}, {"name": "The chemists"}),
        ({"name": {"text": "Old", "field": ""}}, {}, {"name": None}),
        ({}, {"name": "on"}, {"name": "on"}),
        ({}, {"calls": "staff"}, {"calls": "staff"}),
        ({}, {"moderators": "teachers"}, {"moderators": "teachers"}),
        ({}, {"groups": "some", "group_names": "A\r\n\r\n  Lab .*  "}, {"groups": ["A", "Lab .*"]}),
        ({"groups": ["A"]}, {"groups": "some", "group_names": "A\nB"}, {"groups": ["A", "B"]}),
        ({"groups": ["A"]}, {"groups": "off", "group_names": "A"}, {"groups": False}),
        ({"groups": ["A"]}, {"groups": "", "group_names": "A"}, {"groups": None}),
        ({}, {"groups": "", "group_names": "A"}, {}),
        ({}, {"groups": "some"}, {"groups": []}),
    ],
)
def test_only_what_differs_is_a_change(before: dict[str, Any], fields: dict[str, str], wanted: Any) -> None:
    if wanted is None:
        with pytest.raises(Refusal):
            changes(sent(**fields), chosen(**before))
    else:
        assert changes(sent(**fields), chosen(**before)) == wanted


def test_what_an_administrator_has_decided_is_no_question() -> None:
    fixed, before = frozenset({"moderators"}), chosen(moderators="teachers", calls="off")
    fields = {field.name: field.value for field in shown(before, fixed=fixed)}
    assert "moderators" not in fields
    assert changes({**fields, "on": ""}, before, fixed=fixed) == {}
    assert changes({**fields, "moderators": "staff"}, before, fixed=fixed) == {"moderators": "staff"}


def test_a_form_that_could_not_be_taken_is_shown_as_it_was_sent() -> None:
    fields = {field.name: field.value for field in shown(chosen(on=True), sent(on="off", name="x"))}
    assert (fields["on"], fields["name"]) == ("off", "x")
