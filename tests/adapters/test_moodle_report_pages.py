"""Reading a report in pages while it changes: the whole of it, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from moodle_appservice.moodle import errors, report_errors
from moodle_appservice.moodle.answer import Json, Reply, read_answer
from moodle_appservice.moodle.report_fetch import ReportReader
from moodle_appservice.moodle.report_kinds import PARTICIPANTS

Cells = list[Any]


def row(course: int, user: int, name: str = "") -> Cells:
    return [
        f'<a href="https://m.example/course/view.php?id={course}">Course {course:03}</a>',
        f'<a href="https://m.example/user/profile.php?id={user}">{name or f"User {user:03}"}</a>',
        "student",
    ]


class Paged:
    """A Moodle with one report in it; `between` is called before every request with its number."""

    def __init__(self, rows: list[Cells], between: Callable[[Paged, int], object] = lambda *_: None) -> None:
        self.rows, self.between, self.requests = rows, between, 0

    async def call(self, function: str, params: dict[str, int], *, compact: bool = False) -> Json:
        self.between(self, self.requests)
        self.requests += 1
        size, page = params["perpage"], params["page"]
        rows = self.rows[page * size : (page + 1) * size] if size else self.rows
        body = {
            "details": {"id": 1, "name": "Matrix memberships", "source": PARTICIPANTS, "conditiondata": None},
            "data": {
                "headers": ["a", "b", "c"],
                "rows": [{"columns": cells} for cells in rows],
                "totalrowcount": len(self.rows),
            },
            "warnings": [],
        }
        return read_answer(function, Reply(200, json.dumps(body)), set(), compact=compact)


def reader(paged: Paged, size: int) -> ReportReader:
    return ReportReader(paged, rows_per_request=size)  # type: ignore[arg-type]


SITE = [row(course, user) for course in range(2, 8) for user in range(10, 25)]


@pytest.mark.parametrize("size", [0, 7, 15, 44, 45, 46, 89, 90, 1000])
async def test_pages_make_the_whole_report(size: int) -> None:
    paged = Paged(SITE)
    page = await reader(paged, size).read(1)
    assert page.rows == [tuple(cells) for cells in SITE]
    if size == 45:
        assert paged.requests == 4  # Once to see that it is too long, two pages, and the seam between them.


async def test_one_out_and_one_in_between_two_pages_is_seen_although_the_total_is_the_same() -> None:
    def swap(paged: Paged, number: int) -> None:
        if number == 2:
            paged.rows = [*SITE[1:], row(8, 99)]

    paged = Paged(list(SITE), swap)
    page = await reader(paged, 45).read(1)
    assert {cells[1] for cells in page.rows} == {cells[1] for cells in paged.rows}
    assert len(page.rows) == len(SITE)
    assert page.rows == [tuple(cells) for cells in paged.rows]


async def test_a_report_that_never_stands_still_is_not_used() -> None:
    paged = Paged(list(SITE), lambda paged, number: paged.rows.append(row(9, 100 + number)))
    with pytest.raises(report_errors.ReportMoved) as failed:
        await reader(paged, 30).read(1)
    assert isinstance(failed.value, errors.MoodleTemporary)


async def test_a_report_without_an_order_is_not_read_in_pages() -> None:
    mixed = [row(course, user) for user in range(10, 25) for course in range(2, 8)]
    with pytest.raises(report_errors.ReportNotSorted, match="Sort it by course, then by user"):
        await reader(Paged(mixed), 30).read(1)
    assert len((await reader(Paged(mixed), 0).read(1)).rows) == 90


async def test_a_seam_between_people_of_one_name_is_avoided() -> None:
    twins = [row(2, user, "Anna Müller" if user in (14, 15) else "") for user in range(10, 25)]
    page = await reader(Paged(twins), 5).read(1)
    assert len(page.rows) == 15


async def test_fewer_rows_than_the_report_counts_are_not_all() -> None:
    class Short(Paged):
        async def call(self, function: str, params: dict[str, int], *, compact: bool = False) -> Json:
            answer = await super().call(function, params, compact=compact)
            assert isinstance(answer, dict) and isinstance(answer["data"], dict)
            answer["data"]["totalrowcount"] = 91
            return answer

    with pytest.raises(errors.BadAnswer, match="90 rows of a report that counts 91"):
        await reader(Short(SITE), 0).read(1)


@pytest.mark.parametrize(
    "data",
    [
        {"headers": ["a"], "rows": False, "totalrowcount": 0},
        {"headers": None, "rows": [], "totalrowcount": 0},
        {"headers": ["a"], "rows": [{"columns": ["x", "y"]}], "totalrowcount": 1},
        {"headers": ["a"], "rows": [{"columns": [["x"]]}, {"cells": []}], "totalrowcount": 2},
        {"headers": ["a"], "rows": [None], "totalrowcount": 1},
        {"headers": ["a"], "rows": [], "totalrowcount": None},
    ],
)
async def test_another_shape_is_a_bad_answer(data: dict[str, Any]) -> None:
    class Odd(Paged):
        async def call(self, function: str, params: dict[str, int], *, compact: bool = False) -> Json:
            body = {"details": {"id": 1, "name": "x", "source": "y", "conditiondata": "[]"}, "data": data}
            return read_answer(function, Reply(200, json.dumps(body)), set(), compact=compact)

    with pytest.raises(errors.BadAnswer):
        await reader(Odd([]), 0).read(1)
