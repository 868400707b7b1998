"""One call over a real socket: what is sent, and what every kind of broken answer comes out as."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import stamina
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.errors import CourseGone, PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.moodle import MoodleClient, errors
from moodle_appservice.moodle.client import MAX_VALUES, Pace, flatten

TOKEN = "0123456789abcdef0123456789abcdef"
SITE = "core_webservice_get_site_info"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@asynccontextmanager
async def moodle(handler: Handler, **more: Any) -> AsyncIterator[MoodleClient]:
    application = web.Application(client_max_size=2**26)
    application.router.add_post("/webservice/rest/server.php", handler)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield MoodleClient(str(server.make_url("/")), TOKEN, session=session, **more)


def says(
    body: str | bytes,
    status: int = 200,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(
            body=raw, status=status, headers={"Content-Type": content_type, **(headers or {})}
        )

    return handler


def exception(errorcode: str, message: str = "said") -> str:
    return json.dumps(
        {"exception": "core\\exception\\moodle_exception", "errorcode": errorcode, "message": message}
    )


WARNING = "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/var/www/lib.php</b> on line <b>3</b><br />\n"
PLAIN_NOTICE = "\nDeprecated: Function strftime() is deprecated in /var/www/lib.php on line 12\n"


async def test_the_token_travels_in_the_body_and_parameters_as_php_reads_them() -> None:
    seen: list[web.Request] = []
    forms: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        forms.append(dict(await request.post()))
        return web.json_response([])

    params: dict[str, Any] = {"courseid": 2, "options": [{"name": "onlyactive", "value": True}], "gone": None}
    async with moodle(handler) as client:
        assert await client.call("core_enrol_get_enrolled_users", params) == []
    assert seen[0].path_qs == "/webservice/rest/server.php"
    assert TOKEN not in str(seen[0].headers)
    assert "gzip" in seen[0].headers["Accept-Encoding"]
    assert forms == [
        {
            "wstoken": TOKEN,
            "wsfunction": "core_enrol_get_enrolled_users",
            "moodlewsrestformat": "json",
            "moodlewssettinglang": "en",
            "moodlewssettingtimezone": "UTC",
            "moodlewssettingraw": "1",
            "courseid": "2",
            "options[0][name]": "onlyactive",
            "options[0][value]": "1",
        }
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(exception("invalidtoken")), errors.InvalidToken),
        (says(exception("accessexception")), errors.AccessDenied),
        (says(exception("invalidrecord")), errors.RecordMissing),
        (says(exception("invalidrecordunknown")), errors.RecordMissing),
        (says(exception("errorcoursecontextnotvalid")), errors.CourseNotAccessible),
        (says(exception("nopermissions")), errors.MissingCapability),
        (says(exception("invalidparameter")), errors.InvalidParameter),
        (says(exception("invalidresponse")), errors.InvalidResponse),
        (says(exception("sitemaintenance")), errors.Maintenance),
        (says(exception("upgraderunning")), errors.Maintenance),
        (says(exception("dbconnectionfailed")), errors.DatabaseDown),
        (says(exception("dmlreadexception")), errors.DatabaseDown),
        (says(exception("wsaccessusersuspended")), errors.AccountUnusable),
        (says(exception("Unable to find forum with id 9999")), errors.OtherException),
        (says('{"exception":"Error","message":"Attempt to assign property"}'), errors.PhpException),
        (says(exception("sitemaintenance"), status=503), errors.Maintenance),
        (says("", status=403, content_type="text/html"), errors.WebServicesOff),
        (says("<h1>Forbidden</h1>", status=403, content_type="text/html"), errors.AccessBlocked),
        (says("<h1>Login</h1>", status=401, content_type="text/html"), errors.AccessBlocked),
        (says("<h1>Not found</h1>", status=404, content_type="text/html"), errors.NotAMoodle),
        (says("", status=500, content_type="text/html"), errors.ServerCrashed),
        (says("<h1>Bad gateway</h1>", status=502, content_type="text/html"), errors.GatewayFailed),
        (says("<h1>Gateway timeout</h1>", status=504, content_type="text/html"), errors.GatewayFailed),
        (says("<h1>Unavailable</h1>", status=503, content_type="text/html"), errors.GatewayFailed),
        (says("<p>This site is under maintenance", status=503, content_type="text/html"), errors.Maintenance),
        (says("", status=429), errors.TooManyRequests),
        (says("{}", status=418), errors.UnexpectedStatus),
        (
            says("<!DOCTYPE html><html><title>Log in</title>", content_type="text/html"),
            errors.HtmlInsteadOfJson,
        ),
        (says(""), errors.EmptyAnswer),
        (says(" \n"), errors.EmptyAnswer),
        (says('<?xml version="1.0"?><RESPONSE/>', content_type="application/xml"), errors.XmlInsteadOfJson),
        (says('[{"id":3},{"id":'), errors.AnswerCutShort),
        (says("Fatal error: out of memory"), errors.NotJson),
        (says("NaN"), errors.NotJson),
        (says("[" * 100_000), errors.AnswerCutShort),
        (says('{"name":"Müller"}'.encode("latin-1")), errors.WrongCharset),
        (says(WARNING + '[{"id":3},{"id":'), errors.NotJson),
        (says(WARNING), errors.NotJson),
        (says(WARNING + "[1]" + WARNING), errors.NotJson),
        (
            says("<br />\n<b>Fatal error</b>:  x in <b>y</b> on line <b>3</b><br />\n[1]"),
            errors.HtmlInsteadOfJson,
        ),
        (
            says("", status=303, headers={"Location": "https://uni.example/moodle?wstoken=x"}),
            errors.Redirected,
        ),
        (says("", status=301, headers={"Location": "https://uni.example/"}), errors.Redirected),
    ],
)
async def test_each_situation_has_its_own_error(answer: Handler, error: type[errors.MoodleError]) -> None:
    async with moodle(answer) as client:
        with pytest.raises(errors.MoodleError) as caught:
            await client.call(SITE)
    assert type(caught.value) is error
    assert caught.value.function == SITE
    assert TOKEN not in str(caught.value)
    assert "Nothing was changed." in str(caught.value)


def test_an_unknown_record_is_never_a_vanished_course() -> None:
    assert not issubclass(errors.RecordMissing, CourseGone)
    assert issubclass(errors.CourseMissing, CourseGone)
    assert issubclass(errors.CourseMissing, PermanentFailure)
    assert issubclass(errors.ConnectionLost, Unreachable)
    assert issubclass(errors.Maintenance, TemporaryFailure)


async def test_a_redirect_is_not_followed_and_names_where_it_led_without_its_parameters() -> None:
    async with moodle(
        says("", status=302, headers={"Location": "https://uni.example/moodle?wstoken=secret"})
    ) as client:
        with pytest.raises(errors.Redirected, match=r"to https://uni\.example/moodle\. Nothing"):
            await client.call(SITE)
        assert client.requests == 1


@pytest.mark.parametrize(
    "notices", [WARNING, WARNING + WARNING, PLAIN_NOTICE, "\ufeff", "\n\n", "PHP " + PLAIN_NOTICE[1:]]
)
async def test_what_php_prints_before_a_whole_answer_is_taken_off(notices: str) -> None:
    async with moodle(says(notices + '{"sitename":"A"}\n')) as client:
        assert await client.call(SITE) == {"sitename": "A"}


async def test_a_php_notice_is_spoken_of_once_for_each_function(caplog: pytest.LogCaptureFixture) -> None:
    async with moodle(says(WARNING + "[]")) as client:
        with caplog.at_level(logging.WARNING):
            for function in (SITE, SITE, "core_course_get_categories"):
                await client.call(function)
    assert [record.args for record in caplog.records] == [(SITE,), ("core_course_get_categories",)]


async def test_messages_lose_markup_and_debugging_output_and_are_capped() -> None:
    message = "<p>Error: <b>no</b> &amp; never</p>" + "x" * 2000
    async with moodle(says(exception("dbconnectionfailed", message))) as client:
        with pytest.raises(errors.DatabaseDown, match="Error: no & never x") as caught:
            await client.call(SITE)
    assert len(str(caught.value)) < 700
    debug = {
        "errorcode": "nopermissions",
        "exception": "x",
        "message": "No (SQL secret)\n#0 /var/www",
        "debuginfo": "SQL secret",
    }
    async with moodle(says(json.dumps(debug))) as client:
        with pytest.raises(errors.MissingCapability) as caught_too:
            await client.call(SITE)
    assert "secret" not in str(caught_too.value)
    assert "/var/www" not in str(caught_too.value)


async def test_gzip_is_understood_and_counted_after_decompression() -> None:
    body = json.dumps(["x" * 10_000])
    async with moodle(says(gzip.compress(body.encode()), headers={"Content-Encoding": "gzip"})) as client:
        assert await client.call(SITE) == ["x" * 10_000]
        assert client.requests == 1
        assert client.bytes_received == len(body)


async def test_a_gzip_bomb_is_not_read_to_its_end() -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    assert len(bomb) < 100_000
    async with moodle(says(bomb, headers={"Content-Encoding": "gzip"}), max_bytes=1_000_000) as client:
        with pytest.raises(errors.AnswerTooLarge):
            await client.call(SITE)
        assert client.bytes_received < 50_000_000


async def test_a_slow_drip_ends_at_the_time_limit_and_is_not_tried_again() -> None:
    over = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b"[")
        await over.wait()
        return response

    async with moodle(drip, timeout=0.2) as client:
        with pytest.raises(errors.TimedOut, match=r"after 0\.2 s"):
            await client.call(SITE)
        assert client.requests == 1
        over.set()


async def test_a_connection_that_breaks_is_made_again() -> None:
    broken = [True, True]

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        if broken:
            broken.pop()
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"sitename": "A"})

    async with moodle(handler) as client:
        assert await client.call(SITE) == {"sitename": "A"}
        assert client.requests == 3


async def test_an_answer_shorter_than_announced_is_a_lost_connection() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[{"id":3}]'
        )
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession() as session:
        client = MoodleClient(f"http://127.0.0.1:{port}", TOKEN, session=session, attempts=1)
        with pytest.raises(errors.ConnectionLost):
            await client.call(SITE)


async def test_a_refused_connection_is_unreachable_and_shows_no_token() -> None:
    async with aiohttp.ClientSession() as session:
        client = MoodleClient("http://127.0.0.1:1", TOKEN, session=session)
        with pytest.raises(Unreachable) as caught:
            await client.call(SITE)
        assert client.requests == 3
        assert TOKEN not in f"{caught.value!r} {client!r} {caught.value.__cause__} {caught.value.__context__}"


@pytest.mark.parametrize(("status", "requests"), [(502, 3), (503, 3), (504, 3), (500, 1), (429, 1)])
async def test_only_a_gateway_that_failed_is_asked_again(status: int, requests: int) -> None:
    async with moodle(says("<h1>x</h1>", status=status, content_type="text/html")) as client:
        with pytest.raises(TemporaryFailure):
            await client.call(SITE)
        assert client.requests == requests


async def test_one_attempt_means_one_request() -> None:
    async with moodle(says("", status=502), attempts=1) as client:
        with pytest.raises(errors.GatewayFailed):
            await client.call(SITE)
        assert client.requests == 1


async def test_a_long_retry_after_is_handed_to_the_caller_instead_of_waited_for() -> None:
    async with moodle(says("<h1>x</h1>", status=503, headers={"Retry-After": "300"})) as client:
        with pytest.raises(errors.GatewayFailed) as caught:
            await client.call(SITE)
        assert (client.requests, caught.value.retry_after) == (1, 300.0)


async def test_a_short_retry_after_is_what_the_next_try_waits_for() -> None:
    waits: list[float] = []
    stamina.set_testing(False)
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    try:
        async with moodle(says("<h1>x</h1>", status=503, headers={"Retry-After": "0"}), attempts=2) as client:
            with pytest.raises(errors.GatewayFailed):
                await client.call(SITE)
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert waits == [0.0]


async def test_no_more_requests_run_at_once_than_allowed() -> None:
    running = 0
    most = 0
    go = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            go.set()
        await go.wait()
        running -= 1
        return web.json_response([])

    async with moodle(handler, concurrency=2) as client:
        await asyncio.gather(*(client.call(SITE) for _ in range(6)))
    assert most == 2


async def test_requests_are_spread_over_the_minute() -> None:
    now = 100.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    pace = Pace(30, now=lambda: now, sleep=sleep)
    for _ in range(4):
        await pace.turn()
    assert slept == [2.0, 4.0, 6.0]


async def test_too_many_values_are_refused_here_before_php_drops_them() -> None:
    async with moodle(says("[]")) as client:
        with pytest.raises(ValueError, match="501 values"):
            await client.call("core_user_get_users_by_field", {"values": list(range(MAX_VALUES + 1))})
        assert client.requests == 0


def test_nested_values_are_flattened_like_a_php_form() -> None:
    assert list(flatten({"a": [1, "x", False], "b": {"c": {"d": 1.5}}, "e": None, "f": []})) == [
        ("a[0]", "1"),
        ("a[1]", "x"),
        ("a[2]", "0"),
        ("b[c][d]", "1.5"),
    ]
