"""The report by which changed announcements are found: recorded on a Moodle 5.1, before and after an edit."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.domain.model import CourseId
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.moodle.client import MoodleClient
from moodle_appservice.moodle.relay_report import ReportDetector
from tests.adapters.sandbox_recorded import load

BEFORE = load("5.1", "core_reportbuilder_retrieve_report--forum-posts")["response"]["json"]
AFTER = load("5.1", "core_reportbuilder_retrieve_report--forum-posts-after-edit-and-delete")["response"][
    "json"
]
LISTED = load("5.1", "core_reportbuilder_list_reports--leastpriv")["response"]["json"]


@asynccontextmanager
async def detecting(report: str, *answers: Any) -> AsyncIterator[ReportDetector]:
    left = list(answers)

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        is_list = form["wsfunction"] == "core_reportbuilder_list_reports"
        return web.json_response(LISTED if is_list else left.pop(0) if len(left) > 1 else left[0])

    app = web.Application()
    app.router.add_post("/webservice/rest/server.php", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield ReportDetector(MoodleClient(str(server.make_url("/")), "t", session=session), report)


def changed(change: Callable[[Any], object]) -> Any:
    answer = copy.deepcopy(BEFORE)
    change(answer["data"])
    return answer


def without_times(answer: Any) -> Any:
    answer = copy.deepcopy(answer)
    for row in answer["data"]["rows"]:
        row["columns"][4] = row["columns"][5] = ""
    return answer


@pytest.mark.parametrize("report", ["8", "forum-posts"])
async def test_an_edit_and_a_deletion_lead_to_their_course(report: str) -> None:
    first, second = without_times(BEFORE), without_times(AFTER)
    async with detecting(report, first, first, second, second) as detector:
        assert await detector.changed() is None, "nobody knows what was before"
        assert await detector.changed() == frozenset()
        assert await detector.changed() == frozenset({CourseId(2)})
        assert await detector.changed() == frozenset()


async def test_a_course_with_a_timed_post_is_looked_at_always() -> None:
    async with detecting("8", BEFORE, BEFORE) as detector:
        await detector.changed()
        assert await detector.changed() == frozenset({CourseId(2)})


async def test_a_report_without_courses_or_one_that_is_not_there_is_named() -> None:
    def cut(data: Any) -> None:
        for row in data["rows"]:
            row["columns"][0] = "Algorithms"

    async with detecting("8", changed(cut)) as detector:
        with pytest.raises(PermanentFailure, match="Course full name with link"):
            await detector.changed()
    async with detecting("Nothing of that name", BEFORE) as detector:
        with pytest.raises(PermanentFailure, match="0 reports are called"):
            await detector.changed()
