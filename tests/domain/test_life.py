"""The life of a course: what its dates, its visibility and people make of it, and what that means for its rooms."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.actions import Plan
from moodle_appservice.domain.life import RUNNING, Phase, Stage, stage_of, strictest
from moodle_appservice.domain.mapping import desired_course
from moodle_appservice.domain.members import Circumstances
from moodle_appservice.domain.model import RoomId
from moodle_appservice.domain.plan import plan_room
from moodle_appservice.domain.power import Voice
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.domain.rules import LifeRules
from tests.domain import casefiles, values
from tests.domain.test_plan import BASE, expected

DAY = 86400.0
NOW = 1_000_000_000.0
"""The day of the look."""
DELAYS = ("read_only_after", "archive_after")


def at(days: float | None) -> float | None:
    return None if days is None else NOW + days * DAY


def life_rules(given: dict[str, Any]) -> LifeRules:
    """Rules with delays in days."""
    delays = {key: days if days is None else days * DAY for key, days in given.items() if key in DELAYS}
    return LifeRules(**{**given, **delays})


def stage(case: dict[str, Any]) -> Stage:
    course = dict(case["course"])
    dates = {key: at(course[key]) for key in ("start", "end") if key in course}
    return stage_of(
        values.course({"id": 42, **course, **dates}),
        life_rules(case.get("rules", {})),
        now=NOW,
        archived=case.get("archived"),
    )


@pytest.mark.parametrize(
    "case",
    casefiles.cases("life", keys=("course", "rules", "archived", "stage"), only="01-stages"),
)
def test_the_stage_of_a_course(case: dict[str, Any]) -> None:
    wanted = {**asdict(RUNNING), **case["stage"]}
    wanted.update({key: at(case["stage"].get(key)) for key in ("until", "since")})
    assert asdict(stage(case)) == wanted


GIVEN = ("facts", "actual", "ledger", "known")
NEW = RoomId("!new")


def plan_of(case: dict[str, Any]) -> Plan:
    """The plan of the main room, or of the one that it has replaced (`room: old`)."""
    given = casefiles.merge(BASE, {key: case[key] for key in GIVEN if key in case})
    given["rules"] = {key: value for key, value in case.get("rules", {}).items() if key != "life"}
    dates = {key: at(case["course"][key]) for key in ("start", "end") if key in case["course"]}
    given["facts"] = casefiles.merge(given["facts"], {"course": {**case["course"], **dates}})
    facts, resolutions = values.course_facts(given["facts"])
    life = life_rules(case.get("rules", {}).get("life", {}))
    rules = replace(values.rules(given["rules"]), life=life)
    actual = values.actual_room(given.get("actual"))
    key = main_room(facts.course.id)
    existing = {} if actual is None else {key: actual.room_id}
    if case.get("room") == "old":
        key = replace(key, retired=1)
        existing = {main_room(facts.course.id): NEW, key: actual.room_id if actual else NEW}
    course = desired_course(
        facts,
        values.category(given["facts"]["category"]),
        resolutions,
        rules,
        choices=case.get("choices"),
        existing=existing,
        circumstances=Circumstances(now=NOW),
    )
    desired = next(room for room in course.rooms if room.key == key)
    return plan_room(desired, actual, values.ledger(given["ledger"]), values.known(given["known"]), rules)


@pytest.mark.parametrize(
    "case",
    casefiles.cases(
        "life",
        keys=(*GIVEN, "course", "rules", "choices", "room", "actions", "notes", "next_look"),
        only="02-rooms",
    ),
)
def test_what_the_life_of_a_course_means_for_its_room(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    assert [values.shown(action) for action in plan.actions] == [expected(one) for one in case["actions"]]
    assert [values.shown_note(note) for note in plan.notes] == case["notes"]
    assert plan.next_look == at(case.get("next_look"))


# Whole seconds, as Moodle has them: between two moments that lie closer there is no number left to look at.
dates = st.none() | st.integers(int(NOW - 400 * DAY), int(NOW + 400 * DAY)).map(float)
delays = st.none() | st.integers(0, int(300 * DAY)).map(float)
rules = st.builds(
    LifeRules,
    before_start=st.sampled_from(["staff", "muted", "open"]),
    hidden=st.sampled_from(["keep", "read-only", "hide"]),
    read_only_after=delays,
    archive_after=delays,
)


@given(start=dates, end=dates, visible=st.booleans(), rules=rules, archived=st.none() | st.booleans())
def test_nothing_changes_before_the_moment_that_a_stage_names(
    start: float | None, end: float | None, visible: bool, rules: LifeRules, archived: bool | None
) -> None:
    course = values.course({"id": 42, "start": start, "end": end, "visible": visible})
    now = NOW
    for _ in range(5):
        found = stage_of(course, rules, now=now, archived=archived)
        if found.until is None:
            assert stage_of(course, rules, now=now + 9000 * DAY, archived=archived) == found
            return
        assert found.until > now
        just_before = stage_of(course, rules, now=(now + found.until) / 2, archived=archived)
        assert just_before == found
        now = found.until
    raise AssertionError("a course has no more than four moments")


@given(start=dates, end=dates, visible=st.booleans(), rules=rules, archived=st.none() | st.booleans())
def test_only_an_archive_is_marked_and_no_stage_but_running_lets_everybody_write(
    start: float | None, end: float | None, visible: bool, rules: LifeRules, archived: bool | None
) -> None:
    course = values.course({"id": 42, "start": start, "end": end, "visible": visible})
    found = stage_of(course, rules, now=NOW, archived=archived)
    is_archive = found.phase is Phase.ARCHIVED
    assert (found.is_marked, found.is_frozen) == (is_archive, is_archive)
    assert (found.phase is Phase.RUNNING) == (found.voice is Voice.ALL)
    assert (found.phase is Phase.RUNNING) == (found.why == "")


@given(st.lists(st.sampled_from(Voice), min_size=1))
def test_of_several_voices_the_one_counts_that_fewest_have(voices: list[Voice]) -> None:
    order = [Voice.ALL, Voice.STAFF, Voice.NOBODY]
    assert order.index(strictest(*voices)) == max(order.index(voice) for voice in voices)
