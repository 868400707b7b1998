"""Drift, case by case: what people have changed in a room, and what is put back, kept or reported.

The cases are those of the planner (`test_plan`), with what is reported of each room beside its plan.
"""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.config.drift import Drift
from moodle_appservice.domain.actions import Note
from moodle_appservice.domain.drift import OF_NOTES, DriftRules, Policy, reported
from tests.domain import casefiles, values
from tests.domain.test_plan import GIVEN, expected, plan_of


@pytest.mark.parametrize("case", casefiles.cases("drift", keys=(*GIVEN, "actions", "notes", "reported")))
def test_drift(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    assert [values.shown(action) for action in plan.actions] == [expected(one) for one in case["actions"]]
    assert [values.shown_note(note) for note in plan.notes] == case["notes"]
    rules = values.rules(case.get("rules", {}))
    assert reported(plan.notes, rules.drift) == case["reported"]


def test_every_policy_has_a_key_in_the_configuration_and_the_same_default() -> None:
    said = Drift().model_dump(exclude={"compare_every"})
    assert DriftRules(**{name: Policy(word) for name, word in said.items()}) == DriftRules()


@pytest.mark.parametrize("kind", sorted(OF_NOTES))
def test_whatever_may_be_reported_is_reported_under_the_policy_of_its_kind(kind: str) -> None:
    notes = [Note(None, "It is so.", kind), Note(None, "It is so.", kind)]
    loud = DriftRules(**dict.fromkeys(Drift().model_dump(exclude={"compare_every"}), Policy.REPORT))
    assert list(reported(notes, loud)) == [kind]


def test_a_room_whose_levels_do_not_fit_into_one_event_is_always_reported() -> None:
    note = Note(None, "3 people have no power level here.", "crowded")
    quiet = DriftRules(**dict.fromkeys(Drift().model_dump(exclude={"compare_every"}), Policy.KEEP))
    assert reported([note], quiet) == {"crowded": note.text}
