"""Limits of bodies and rates, kind by kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from moodle_appservice.web.pages import set_up
from moodle_appservice.web.throttle import KIB, LIMITS, MOST_ADDRESSES, Limit, Limiter
from tests.fakes import FakeClock

FEW = (Limit("/lti/", 10, 3), Limit("/", None, 5))
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def served() -> AsyncIterator[tuple[Client, FakeClock]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    clock = FakeClock()
    app = web.Application(middlewares=[Limiter(clock, FEW).middleware(with_pages=True)])
    set_up(app)
    app.router.add_route("*", "/{any:.*}", answer)
    async with TestClient(TestServer(app)) as client:
        yield client, clock


async def test_each_kind_of_request_has_a_limit_of_its_own(served: tuple[Client, FakeClock]) -> None:
    client, clock = served
    assert [(await client.get("/lti/login")).status for _ in range(4)] == [200, 200, 200, 429]
    refused = await client.get("/lti/login")
    assert refused.headers["Retry-After"] == "60"
    assert (await refused.json())["error"] == "Too many requests. Nothing was done; wait a minute."
    assert [(await client.get("/me")).status for _ in range(6)] == [200] * 5 + [429]
    clock.advance(60)
    assert (await client.get("/lti/login")).status == 200


async def test_a_body_that_is_too_long_for_its_kind_is_not_read(served: tuple[Client, FakeClock]) -> None:
    client, _ = served
    assert (await client.post("/lti/launch", data=b"x" * 10)).status == 200
    assert (await client.post("/lti/launch", data=b"x" * 11)).status == 413
    assert (await client.post("/me", data=b"x" * 1000)).status == 200


@pytest.mark.parametrize(
    ("language", "happened"),
    [
        ("en", "More requests came from your address within a minute than can be answered."),
        ("de-AT,de;q=0.9,en;q=0.5", "als beantwortet werden können."),
        ("fr", "plus de requêtes qu’il n’en peut être traité."),
        ("es", "de las que se pueden atender."),
    ],
)
async def test_a_browser_that_is_too_fast_reads_a_page_in_its_language(
    served: tuple[Client, FakeClock], language: str, happened: str
) -> None:
    client, _ = served
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": language}
    pages = [await client.get("/lti/login", headers=headers) for _ in range(4)]
    assert pages[-1].status == 429
    assert pages[-1].headers["Retry-After"] == "60"
    assert pages[-1].content_type == "text/html"
    assert pages[-1].headers["Content-Language"] == language[:2]
    assert pages[-1].headers["Cache-Control"] == "no-store"
    text = await pages[-1].text()
    assert happened in text
    assert "<code>" not in text, "no reference number: nothing was written down"


async def test_a_browser_that_sends_too_much_reads_a_page_too(served: tuple[Client, FakeClock]) -> None:
    client, _ = served
    refused = await client.post("/lti/launch", data=b"x" * 11, headers={"Accept": "text/html"})
    assert refused.status == 413
    assert "Retry-After" not in refused.headers
    assert "What your browser sent is too long to be read here. Nothing was changed." in await refused.text()


async def test_where_there_are_no_pages_everybody_reads_json(served: tuple[Client, FakeClock]) -> None:
    app = web.Application(middlewares=[Limiter(FakeClock(), (Limit("/", 10, 1),)).middleware()])
    async with TestClient(TestServer(app)) as client:
        await client.get("/me", headers={"Accept": "text/html"})
        refused = await client.get("/me", headers={"Accept": "text/html"})
        assert (await refused.json())["errcode"] == "M_LIMIT_EXCEEDED"


async def test_behind_a_proxy_on_this_machine_each_browser_counts_for_itself(
    served: tuple[Client, FakeClock],
) -> None:
    client, _ = served
    for name in ("198.51.100.1", "forged, 198.51.100.2"):
        answers = [await client.get("/lti/x", headers={"X-Forwarded-For": name}) for _ in range(4)]
        assert [one.status for one in answers] == [200, 200, 200, 429]


def test_many_addresses_do_not_fill_the_memory() -> None:
    limiter = Limiter(FakeClock())
    for number in range(MOST_ADDRESSES + 100):
        limiter.refusal("/me", str(number), None)
    assert len(limiter._seen) <= MOST_ADDRESSES


def test_every_path_has_limits_and_the_homeserver_may_push_a_lot() -> None:
    assert LIMITS[-1].path == "/"
    limiter = Limiter(FakeClock())
    assert limiter.refusal("/_matrix/app/v1/transactions/1", "hs", 40 * 1024 * KIB) is None
    assert limiter.refusal("/anything", "a", 1024 * KIB) == (
        413,
        "At most 262144 bytes are read here. Nothing was done.",
    )


def test_a_whole_university_behind_one_address_clicks_its_way_in() -> None:
    limiter = Limiter(FakeClock())
    for path in ("/lti/login", "/lti/launch", "/c/7", "/static/style.css"):
        assert [limiter.refusal(path, "campus", 10) for _ in range(2000)] == [None] * 2000
