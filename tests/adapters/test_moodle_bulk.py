"""Many calls in few requests: order, resuming behind an error, and a call that crashes Moodle."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.moodle import MoodleClient, bulk, errors
from moodle_appservice.moodle.bulk import call_many
from moodle_appservice.moodle.shapes import COURSES, ENROLLED, SITE_INFO
from tests.adapters.moodle_server import FUNCTIONS, TOKEN, Moodle

ALL = frozenset(FUNCTIONS)


@asynccontextmanager
async def client_of(moodle: Moodle, **more: Any) -> AsyncIterator[MoodleClient]:
    async with TestServer(moodle.application()) as server, aiohttp.ClientSession() as session:
        yield MoodleClient(str(server.make_url("/")), TOKEN, session=session, attempts=1, **more)


def enrolled(course_id: int) -> bulk.Call:
    return ENROLLED, {"courseid": course_id, "options": [{"name": "userfields", "value": "id"}]}


def kinds(outcomes: list[bulk.Outcome]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


async def test_calls_are_answered_in_order_and_settings_go_with_each_of_them() -> None:
    moodle = Moodle()
    moodle.add_course(2, 7)
    moodle.add_course(3, 8)
    async with client_of(moodle) as client:
        outcomes = await call_many(client, [enrolled(3), (SITE_INFO, {}), enrolled(2)], functions=ALL)
    assert [outcome[0]["id"] for outcome in (outcomes[0], outcomes[2])] == [8, 7]  # type: ignore[index,call-overload]
    (form,) = moodle.requests
    assert form["requests[1][settingraw]"] == "1"
    assert form["requests[1][settinglang]"] == "en"
    assert json.loads(form["requests[0][arguments]"])["courseid"] == 3


async def test_what_stands_behind_a_failing_call_is_asked_for_again() -> None:
    moodle = Moodle()
    moodle.add_course(2, 7)
    async with client_of(moodle) as client:
        calls = [enrolled(2), enrolled(404), enrolled(2), enrolled(405), enrolled(406), enrolled(2)]
        outcomes = await call_many(client, calls, functions=ALL)
        assert kinds(outcomes) == ["list", "RecordMissing", "list", "RecordMissing", "RecordMissing", "list"]
        assert client.requests == 4
    assert moodle.count(ENROLLED) == 6


async def test_batches_are_as_large_as_configured() -> None:
    moodle = Moodle()
    moodle.add_course(2, 7)
    async with client_of(moodle, batch=4) as client:
        outcomes = await call_many(client, [enrolled(2)] * 10, functions=ALL)
        assert kinds(outcomes) == ["list"] * 10
        assert client.requests == 3


def test_a_batch_never_has_more_values_than_php_takes() -> None:
    client = MoodleClient("http://x.example", TOKEN, session=None, batch=10_000)  # type: ignore[arg-type]
    assert client.batch * 4 <= 500


async def test_without_the_bulk_function_calls_are_made_one_by_one() -> None:
    moodle = Moodle(functions=FUNCTIONS[:-1])
    moodle.add_course(2, 7)
    async with client_of(moodle) as client:
        calls = [enrolled(2), enrolled(404), enrolled(2)]
        outcomes = await call_many(client, calls, functions=frozenset(moodle.functions))
        assert kinds(outcomes) == ["list", "RecordMissing", "list"]
        assert client.requests == 3


async def test_a_function_that_the_token_may_not_call_is_not_called() -> None:
    moodle = Moodle()
    async with client_of(moodle) as client:
        outcomes = await call_many(client, [("core_get_nonexistent", {})], functions=ALL)
        assert kinds(outcomes) == ["FunctionMissing"]
        assert client.requests == 0


@pytest.mark.parametrize("functions", [FUNCTIONS, FUNCTIONS[:-1]])
async def test_what_concerns_the_whole_site_is_raised_once(functions: tuple[str, ...]) -> None:
    async def down(form: dict[str, str]) -> web.StreamResponse:
        return web.json_response({"exception": "x", "errorcode": "sitemaintenance", "message": "m"})

    async with client_of(Moodle(functions=functions, hook=down)) as client:
        with pytest.raises(errors.Maintenance):
            await call_many(client, [enrolled(2)] * 3, functions=frozenset(functions))


async def test_a_call_that_crashes_moodle_is_found_and_the_others_are_answered() -> None:
    async def crash(form: dict[str, str]) -> web.StreamResponse | None:
        poisoned = any('"courseid":5,' in value for value in form.values())
        return web.Response(status=500) if poisoned else None

    moodle = Moodle(hook=crash)
    for course_id in range(2, 18):
        moodle.add_course(course_id, 7)
    async with client_of(moodle, batch=16) as client:
        outcomes = await call_many(client, [enrolled(course_id) for course_id in range(2, 18)], functions=ALL)
        assert [index for index, kind in enumerate(kinds(outcomes)) if kind != "list"] == [3]
        crash_error = outcomes[3]
        assert isinstance(crash_error, errors.ServerCrashed)
        assert crash_error.function == ENROLLED
        assert client.requests <= 12


async def test_a_bulk_request_that_takes_too_long_is_halved_for_the_next_time() -> None:
    async def slow(form: dict[str, str]) -> web.StreamResponse:
        return web.Response(status=504)

    async with client_of(Moodle(hook=slow), batch=8) as client:
        for expected in (4, 2, 1, 1):
            with pytest.raises(errors.GatewayFailed):
                await call_many(client, [enrolled(2)] * 8, functions=ALL)
            assert client.batch <= expected
        assert client.batch == 1


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"responses": []},
        {"responses": None},
        {"responses": [{"error": False, "data": "1"}]},
        {"responses": [{"error": False, "data": "1"}] * 3},
    ],
)
def test_a_bulk_answer_that_leaves_calls_out_is_refused(answer: Any) -> None:
    with pytest.raises(errors.BadAnswer):
        bulk.decode_bulk([(COURSES, {}), (ENROLLED, {})], answer)


def test_one_broken_response_concerns_one_call_alone() -> None:
    responses: list[Any] = [
        {"error": False, "data": "[1"},
        {"error": False, "data": "[1]"},
        {"error": True, "exception": "x"},
    ]
    outcomes = bulk.decode_bulk([(COURSES, {})] * 3, {"responses": responses})
    assert kinds(outcomes) == ["BadAnswer", "list", "BadAnswer"]
