"""Limits of bodies and rates, kind by kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from moodle_appservice.web.throttle import KIB, LIMITS, MOST_ADDRESSES, Limit, Limiter
from tests.fakes import FakeClock

FEW = (Limit("/lti/", 10, 3), Limit("/", None, 5))
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def served() -> AsyncIterator[tuple[Client, FakeClock]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    clock = FakeClock()
    app = web.Application(middlewares=[Limiter(clock, FEW).middleware()])
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
