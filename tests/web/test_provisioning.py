"""The interface for programs: it answers as its description says, to whatever that allows and does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import schemathesis
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from moodle_appservice.web.provisioning_api import PATH
from tests.fakes import FakeClock
from tests.web.campus import Campus, serving, settings_with

SECRET = "0123456789abcdef0123456789abcdef"
BEARER = {"Authorization": f"Bearer {SECRET}"}
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(campus: Campus) -> AsyncIterator[Client]:
    """One course with three people, whose room is made."""
    course = campus.engine.facts.add_course(42)
    campus.engine.facts.enrol(course, 1, role="editingteacher")
    campus.engine.facts.enrol(course, 2, 3)
    await campus.engine.switch_on(course)
    await campus.operations.sync_course(course)
    await campus.engine.queue.idle()
    machines = campus.machines(settings_with(provisioning={"secret": SECRET}))
    async with serving(machines.routes()) as made:
        yield made
    await machines.stop()


async def get(client: Client, path: str, *, status: int = 200, **query: Any) -> dict[str, Any]:
    async with client.get(f"{PATH}/{path}", headers=BEARER, params=query) as response:
        told: dict[str, Any] = await response.json()
        assert response.status == status, told
    return told


def _fuzz(url: str, clock: FakeClock) -> list[str]:
    """Send a few hundred requests from the description to a running server; the operations that were tried."""
    schema = schemathesis.openapi.from_url(f"{url}{PATH}/openapi.json")
    tried: list[str] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        tried.append(operation.label)

        @settings(
            max_examples=60,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
        def attempt(case: schemathesis.Case[Any]) -> None:
            # A check of its own sends wrong secrets, more often than anybody may.
            clock.advance(30)
            case.call_and_validate(headers=BEARER, base_url=url)

        attempt()
    return tried


async def test_every_answer_is_as_described_whatever_is_sent(client: Client, campus: Campus) -> None:
    tried = await asyncio.to_thread(_fuzz, str(client.make_url("")).rstrip("/"), campus.engine.clock)
    assert len(tried) == 4


async def test_the_status_of_the_service_and_of_a_course(client: Client) -> None:
    site = await get(client, "status")
    assert (site["courses"], site["rooms"], site["people"], site["expected"], site["invited"]) == (
        1,
        1,
        3,
        3,
        3,
    )
    course = await get(client, "status", course=42)
    assert (course["on"], course["rooms"][0]["invited"], course["missing"]) == (True, 3, [])
    await get(client, "status", status=404, course=43)


async def test_the_plan_is_that_of_the_command_line_and_changes_nothing(
    client: Client, campus: Campus
) -> None:
    campus.engine.facts.enrol(next(iter(campus.engine.facts.courses)), 4)
    plan = await get(client, "plan", course=42)
    assert [(one["kind"], one["person"]) for one in plan["courses"][0]["actions"]] == [("Invite", 4)]
    assert (await get(client, "status"))["invited"] == 3


async def test_a_sync_can_be_waited_for(client: Client, campus: Campus) -> None:
    campus.engine.facts.enrol(next(iter(campus.engine.facts.courses)), 4)
    body = {"course": 42, "wait": True}
    async with client.post(f"{PATH}/sync", headers=BEARER, json=body) as response:
        assert response.status == 200
        assert (await response.json())["failures"] == []
    assert (await get(client, "status"))["invited"] == 4
    async with client.post(f"{PATH}/sync", headers=BEARER) as response:
        assert (response.status, await response.json()) == (202, {"accepted": True})
    await campus.engine.queue.idle()


async def test_somebody_is_explained(client: Client) -> None:
    told = await get(client, "explain", person="2", course=42)
    assert (told["person"], told["courses"][0]["course"]) == (2, 42)
    assert told["courses"][0]["sentences"]
    assert "Nothing is known" in (await get(client, "explain", status=404, person="nobody"))["error"]


@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer x"}, {"Authorization": SECRET + "x"}])
@pytest.mark.parametrize(("method", "path"), [("GET", "status"), ("GET", "plan"), ("POST", "sync")])
async def test_without_the_secret_nothing_is_told_or_done(
    client: Client, campus: Campus, sent: dict[str, str], method: str, path: str
) -> None:
    async with client.request(method, f"{PATH}/{path}", headers=sent) as response:
        assert response.status == 401
        assert (await response.json())["errcode"] == "M_UNKNOWN_TOKEN"
    assert campus.engine.queue.depth() == 0


async def test_guessing_the_secret_is_slowed_down(client: Client) -> None:
    statuses = []
    for _ in range(30):
        async with client.get(f"{PATH}/status", headers={"Authorization": "Bearer guess"}) as response:
            statuses.append(response.status)
    assert statuses == [401] * 20 + [429] * 10
    await get(client, "status")


async def test_without_a_secret_in_the_configuration_there_is_no_interface(campus: Campus) -> None:
    machines = campus.machines(settings_with())
    assert machines.routes() == []
    async with serving(machines.routes()) as client:
        for path in (f"{PATH}/status", f"{PATH}/openapi.json", "/hooks/moodle", "/metrics"):
            async with client.get(path) as response:
                assert response.status == 404


async def test_metrics_have_a_port_of_their_own_where_that_is_wanted(
    campus: Campus, unused_tcp_port: int
) -> None:
    machines = campus.machines(settings_with(metrics={"port": str(unused_tcp_port)}))
    await machines.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{unused_tcp_port}/metrics") as response,
        ):
            assert "moodle_appservice_rooms 0.0" in await response.text()
    finally:
        await machines.stop()
