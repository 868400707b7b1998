"""One request to the homeserver: what is tried again, how long is waited, and what each answer is taken for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import stamina
from mautrix.api import Method, Path

from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.matrix.http import HomeserverApi, HomeserverBusy, HomeserverRefused
from tests.adapters.scripted_homeserver import (
    CUT,
    SILENT,
    Answer,
    ScriptedHomeserver,
    refusal,
)

TOKEN = "as-token-that-nobody-may-see"
BUSY = refusal(503, "M_UNKNOWN_YET", "starting")


@pytest.fixture
async def api(homeserver: ScriptedHomeserver) -> AsyncIterator[HomeserverApi]:
    async with aiohttp.ClientSession() as session:
        yield HomeserverApi(str(homeserver.server.make_url("/")), TOKEN, session=session, timeout=30)


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """What is tried again is tried again at once."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


async def ask(api: HomeserverApi, **named: Any) -> Any:
    return await api.call(Method.GET, Path.v3.account.whoami, **named)


async def test_a_request_carries_the_token_in_the_header_and_nowhere_else(
    api: HomeserverApi, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body={"user_id": "@moodle:uni.test"})]
    got = await api.call(
        Method.PUT,
        Path.v3.rooms["!a/b:c"].state["m.room.name"][""],
        {"name": "x"},
        query={"kind": "user"},
        as_user=UserId("@sam:uni.test"),
    )
    assert got == {"user_id": "@moodle:uni.test"}
    (seen,) = homeserver.seen
    assert (seen.method, seen.path) == ("PUT", "/_matrix/client/v3/rooms/!a/b:c/state/m.room.name/")
    assert seen.query == {"kind": "user", "user_id": "@sam:uni.test"}
    assert (seen.token, seen.body) == (f"Bearer {TOKEN}", {"name": "x"})


async def test_a_list_and_an_empty_answer_are_answers_too(
    api: HomeserverApi, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body=[1, 2]), Answer(body="")]
    assert await ask(api) == {"value": [1, 2]}
    assert await ask(api) == {}


async def test_429_is_waited_for_as_long_as_the_body_says(
    api: HomeserverApi, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [
        refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=200),
        Answer(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 100}, {"Retry-After": "20"}),
        Answer(body={"ok": 1}),
    ]
    assert await ask(api) == {"ok": 1}
    first, second, third = (seen.at for seen in homeserver.seen)
    assert 0.2 <= second - first < 10
    assert 0.1 <= third - second < 10


async def test_429_without_a_body_is_waited_for_as_long_as_the_header_says(
    api: HomeserverApi, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [
        Answer(429, "<html>slow down</html>", {"Retry-After": "0.2"}),
        Answer(body={"ok": 1}),
    ]
    assert await ask(api) == {"ok": 1}
    first, second = (seen.at for seen in homeserver.seen)
    assert 0.2 <= second - first < 10


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=60_000), 60.0),
        (Answer(429, {}, {"Retry-After": "45"}), 45.0),
        (refusal(503, "M_UNAVAILABLE", retry_after_ms=3_600_000), 3600.0),
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=10**15), 3600.0),
        (Answer(429, {}, {"Retry-After": "inf"}), 3600.0),
    ],
    ids=["body", "header", "503", "for ever in the body", "for ever in the header"],
)
async def test_a_wait_that_is_too_long_for_a_request_goes_back_to_the_queue(
    api: HomeserverApi, homeserver: ScriptedHomeserver, answer: Answer, asked: float
) -> None:
    homeserver.answers = [answer]
    with pytest.raises(TemporaryFailure) as failed:
        await ask(api)
    assert failed.value.retry_after == asked
    assert len(homeserver.seen) == 1


@pytest.mark.parametrize(
    "headers",
    [{}]
    + [{"Retry-After": text} for text in ("Wed, 21 Oct 2026 07:28:00 GMT", "soon", "nan", "-5", "", "0")],
)
@pytest.mark.parametrize("wait", [None, "200", -200, True, [], 0, 1e400])
async def test_a_wait_that_can_t_be_understood_is_waited_as_usual(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None, headers: dict[str, str], wait: Any
) -> None:
    body = (
        {"errcode": "M_LIMIT_EXCEEDED"}
        if wait is None
        else {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": wait}
    )
    homeserver.answers = [Answer(429, body, headers), Answer(body={"ok": 1})]
    assert await ask(api) == {"ok": 1}


async def test_429_for_ever_is_a_temporary_failure_that_names_the_remedy(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=1)]
    with pytest.raises(HomeserverBusy, match="rate_limited: false") as failed:
        await ask(api)
    assert failed.value.retry_after == 0.001
    assert len(homeserver.seen) == 5


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", "", {}, {"errcode": "M_UNAVAILABLE"}])
async def test_a_homeserver_that_fails_for_a_moment_is_asked_again(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None, status: int, body: Any
) -> None:
    homeserver.answers = [Answer(status, body), Answer(status, body), Answer(body={"ok": 1})]
    assert await ask(api) == {"ok": 1}
    assert len(homeserver.seen) == 3


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_that_finds_no_homeserver_is_a_homeserver_that_can_t_be_reached(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None, status: int
) -> None:
    homeserver.answers = [Answer(status, "<html>Bad Gateway</html>")]
    with pytest.raises(Unreachable, match=rf"HTTP {status} .* on GET /_matrix/client/v3/account/whoami"):
        await ask(api)
    assert len(homeserver.seen) == 5


async def test_an_error_inside_the_homeserver_may_concern_this_one_request(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [refusal(500, "M_UNKNOWN", "Internal server error")]
    with pytest.raises(HomeserverBusy, match="Internal server error") as failed:
        await ask(api)
    assert not isinstance(failed.value, Unreachable)


async def test_a_remote_server_that_can_t_be_reached_is_not_asked_for_again_at_once(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [refusal(502, "M_UNKNOWN", "Can't connect to server else.test")]
    with pytest.raises(HomeserverBusy, match="Can't connect to server else") as failed:
        await ask(api)
    assert not isinstance(failed.value, Unreachable), "ours is well"
    assert len(homeserver.seen) == 1


async def test_a_connection_that_is_cut_is_made_again(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [CUT, CUT, Answer(body={"ok": 1})]
    assert await ask(api) == {"ok": 1}


async def test_a_connection_that_is_always_cut_is_unreachable(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [CUT]
    with pytest.raises(Unreachable, match=r"did not answer PUT .*may or may not have been done") as failed:
        await api.call(Method.PUT, Path.v3.rooms["!r"].leave)
    assert TOKEN not in str(failed.value)


async def test_what_must_not_be_sent_twice_is_not_sent_twice(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    for answer in (Answer(503), refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=1), CUT):
        homeserver.answers = [answer]
        homeserver.seen.clear()
        with pytest.raises(TemporaryFailure):
            await api.call(Method.POST, Path.v3.createRoom, {}, attempts=1)
        assert len(homeserver.seen) == 1


async def test_an_answer_that_does_not_come_in_time_is_unreachable(
    homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [SILENT]
    async with aiohttp.ClientSession() as session:
        api = HomeserverApi(str(homeserver.server.make_url("/")), TOKEN, session=session, timeout=0.05)
        began = time.monotonic()
        with pytest.raises(Unreachable, match="TimeoutError"):
            await ask(api, attempts=2)
        assert time.monotonic() - began < 20
    assert len(homeserver.seen) == 2


async def test_nobody_at_the_address_is_unreachable(no_waiting: None, unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        api = HomeserverApi(f"http://127.0.0.1:{unused_tcp_port}", TOKEN, session=session, timeout=5)
        with pytest.raises(Unreachable, match=f"127.0.0.1:{unused_tcp_port}"):
            await ask(api)


async def test_a_no_is_an_error_with_status_code_and_text(
    api: HomeserverApi, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(403, "M_FORBIDDEN", "You shall not pass")]
    with pytest.raises(HomeserverRefused, match=r"HTTP 403 M_FORBIDDEN: You shall not pass") as failed:
        await ask(api)
    refused = failed.value
    assert (refused.status, refused.errcode, refused.text) == (403, "M_FORBIDDEN", "You shall not pass")
    assert isinstance(refused, PermanentFailure)
    assert len(homeserver.seen) == 1


@pytest.mark.parametrize("errcode", ["M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"])
async def test_an_unknown_token_is_said_with_the_remedy_and_without_the_token(
    api: HomeserverApi, homeserver: ScriptedHomeserver, errcode: str
) -> None:
    homeserver.answers = [refusal(401, errcode, f"Invalid access token {TOKEN}")]
    with pytest.raises(HomeserverRefused, match=r"does not accept our as_token.*registration file") as failed:
        await ask(api)
    assert TOKEN not in str(failed.value)


@pytest.mark.parametrize("status", [400, 401, 404, 405, 413])
@pytest.mark.parametrize("body", ["<html>nginx</html>", "", [], "null", {"errcode": 5, "error": ["odd"]}])
async def test_a_no_of_any_shape_is_an_error_of_ours(
    api: HomeserverApi, homeserver: ScriptedHomeserver, status: int, body: Any
) -> None:
    homeserver.answers = [Answer(status, body)]
    with pytest.raises(HomeserverRefused, match=f"HTTP {status}") as failed:
        await ask(api)
    assert failed.value.status == status


async def test_a_yes_that_is_not_json_is_not_believed(
    api: HomeserverApi, homeserver: ScriptedHomeserver, no_waiting: None
) -> None:
    homeserver.answers = [Answer(200, "<html>Welcome to this hotel's wireless network</html>")]
    with pytest.raises(TemporaryFailure, match="not JSON"):
        await ask(api)
    homeserver.answers = [Answer(201, "<html>")]
    with pytest.raises(PermanentFailure, match="not JSON"):
        await ask(api)


async def test_who_gives_up_waiting_sends_nothing_more(
    api: HomeserverApi, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=20_000)]
    asking = asyncio.create_task(ask(api))
    while not homeserver.seen:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(homeserver.seen) == 1
