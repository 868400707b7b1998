"""What is said of a course's dates, case by case."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.deadlines import (
    Dated,
    DateKey,
    DateKind,
    DateList,
    Item,
    ModuleId,
    plan_dates,
    upcoming,
)
from moodle_appservice.domain.model import CourseId, EventId, RoomId
from moodle_appservice.domain.quiet import Hours
from tests.domain import casefiles

CASES = casefiles.cases(
    "deadlines", keys=("dates", "lists", "already", "today", "earlier", "told", "forgotten")
)
NOW = 1796029200
DAY = "2026-11-30"
BERLIN = ZoneInfo("Europe/Berlin")
UNTIL = Hours(7, 22).next_opening(NOW, BERLIN)
LEADS = (168 * 3600, 24 * 3600)
NAMES = {"sheet": 16, "quiz": 21}
_LINE = re.compile(r"(\w+) (-?\d+)(?: from (-?\d+))?")


def key(name: str) -> DateKey:
    return ModuleId(NAMES[name]), "duedate"


def dated(name: str, hours: int) -> Dated:
    return Dated(
        ModuleId(NAMES[name]), "duedate", NOW + hours * 3600, DateKind.DUE, name, f"https://m/{name}"
    )


def item(line: str) -> Item:
    found = _LINE.fullmatch(line)
    assert found, line
    moved = None if found[3] is None else NOW + int(found[3]) * 3600
    return Item(key(found[1]), NOW + int(found[2]) * 3600, moved)


def told(lines: list[str]) -> dict[tuple[DateKey, int], int]:
    parts = [line.split() for line in lines]
    return {(key(name), int(lead) * 3600): NOW + int(at) * 3600 for name, lead, at in parts}


def listed(day: str, lines: list[str]) -> DateList:
    items = tuple(map(item, lines))
    return DateList(CourseId(2), DAY if day == "today" else str(day), RoomId("!r"), items, EventId("$e"))


@pytest.mark.parametrize("case", CASES)
def test_dates(case: dict[str, Any]) -> None:
    lists = [listed(day, lines) for day, lines in case.get("lists", {}).items()]
    plan = plan_dates(
        [dated(one.get("name", "sheet"), one["in"]) for one in case["dates"]],
        lists,
        told(case.get("already", [])),
        day=DAY,
        now=NOW,
        until=UNTIL,
        leads=LEADS,
    )
    today = case.get("today")
    assert plan.today == (None if today is None else tuple(map(item, today)))
    assert list(plan.earlier) == [listed(day, lines) for day, lines in case.get("earlier", {}).items()]
    assert plan.told == told(case.get("told", []))
    assert plan.forgotten == frozenset(map(key, case.get("forgotten", [])))


def test_the_next_list_comes_tomorrow_at_seven() -> None:
    assert datetime.fromtimestamp(UNTIL, UTC).isoformat() == "2026-12-01T06:00:00+00:00"


hours = st.integers(-100, 400)


@given(
    st.dictionaries(st.sampled_from(["sheet", "quiz"]), hours),
    st.dictionaries(st.sampled_from(["sheet", "quiz"]), hours),
)
def test_after_a_list_is_sent_nothing_is_left_to_say(first: dict[str, int], second: dict[str, int]) -> None:
    """Whatever dates there were, and whatever they moved to."""
    lists: list[DateList] = []
    marks: dict[tuple[DateKey, int], int] = {}
    for wave in (first, second, second):
        dates = [dated(name, at) for name, at in wave.items()]
        plan = plan_dates(dates, lists, marks, day=DAY, now=NOW, until=UNTIL, leads=LEADS)
        if plan.today:
            lists = [DateList(CourseId(2), DAY, RoomId("!r"), plan.today, EventId("$e"))]
        elif plan.today is not None:
            lists = []
        marks |= plan.told
        marks = {mark: at for mark, at in marks.items() if mark[0] not in plan.forgotten}
    assert plan.today is None, "said twice"
    shown = {one.key: one.at for one_list in lists for one in one_list.items}
    for name, at in second.items():
        moment = NOW + at * 3600
        if moment > NOW and moment - max(LEADS) <= UNTIL:
            assert shown[key(name)] == moment


def test_what_lies_ahead_is_in_order() -> None:
    dates = [dated("sheet", 50), dated("quiz", 3), Dated(ModuleId(9), "x", NOW - 1, DateKind.DUE, "past", "")]
    assert [one.name for one in upcoming(dates, now=NOW, seconds=14 * 86_400)] == ["quiz", "sheet"]
    assert upcoming(dates, now=NOW, seconds=3600) == []
