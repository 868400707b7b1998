"""What `doctor`, `plan` and `sync` say to a person in the cases that a newcomer meets first."""

from __future__ import annotations

import pytest

from moodle_appservice.doctor.frame import Check, as_text, examine
from moodle_appservice.errors import AppError, PermanentFailure, Unreachable
from moodle_appservice.show import plan_text, report_text


@pytest.mark.parametrize(
    ("failure", "hint"), [(Unreachable("No answer."), "Is it running?"), (PermanentFailure("No."), "Ask it.")]
)
async def test_a_server_that_does_not_answer_has_a_hint_of_its_own(failure: AppError, hint: str) -> None:
    async def fail(_: None) -> str:
        raise failure

    (result,) = await examine([Check("It", "", fail, "Ask it.", unreachable="Is it running?")], None)
    assert result.hint == hint
    assert f"→ {hint}" in as_text([result])


async def test_without_a_hint_of_its_own_the_usual_one_is_given() -> None:
    async def fail(_: None) -> str:
        raise Unreachable("No answer.")

    (result,) = await examine([Check("It", "", fail, "Ask it.")], None)
    assert result.hint == "Ask it."


def test_where_no_course_is_on_the_plan_and_the_sync_say_how_to_find_out_why() -> None:
    hint = "No course is on. To see why one is off: moodle-appservice plan --course ID"
    assert hint in plan_text({"courses": [], "spaces": [], "actions": 0, "held": 0})
    assert hint in report_text({"courses": 0, "failures": [], "held": [], "groups": []})
    assert hint not in report_text({"courses": 1, "failures": [], "held": [], "groups": []})
