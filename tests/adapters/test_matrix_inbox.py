"""The door for pushed events: who may knock, what is answered, and what a failure of ours makes the homeserver do."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from moodle_appservice.matrix.inbox import Inbox
from moodle_appservice.ports import Event

TOKEN = "hs-token-that-nobody-may-see"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
PUSH = "/_matrix/app/v1/transactions/1"
NAMED = {
    "event_id": "$e",
    "room_id": "!room",
    "type": "m.room.name",
    "sender": "@sam:uni.test",
    "content": {"name": "Algebra"},
    "origin_server_ts": 5,
    "state_key": "",
}


@dataclass
class Door:
    """An inbox behind a real server. `taken` is what its sink stored; `trouble` is what it raises instead."""

    taken: list[list[str]] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    failures: int = 0

    async def sink(self, events: Sequence[Event]) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        self.taken.append([event.event_id for event in events])

    def failed(self) -> None:
        self.failures += 1


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def client(door: Door) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application(client_max_size=100_000)
    app.add_routes(Inbox(TOKEN, door.sink, on_failure=door.failed).routes())
    async with TestClient(TestServer(app)) as made:
        yield made


Client = TestClient[web.Request, web.Application]


async def push(client: Client, events: Any, **named: Any) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"events": events})
    async with client.put(PUSH, data=body, headers=named.pop("headers", RIGHT), **named) as answer:
        return answer.status, await answer.json()


async def test_a_push_is_stored_and_then_acknowledged(client: Client, door: Door) -> None:
    assert await push(client, [NAMED, {**NAMED, "event_id": "$f"}]) == (200, {})
    assert (door.taken, door.failures) == ([["$e", "$f"]], 0)


async def test_a_push_of_nothing_that_we_keep_is_acknowledged_without_storing_anything(
    client: Client, door: Door
) -> None:
    assert await push(client, []) == (200, {})
    assert await push(
        client, [{**NAMED, "type": "m.typing"}, {**NAMED, "state_key": None, "type": "m.reaction"}]
    ) == (
        200,
        {},
    )
    assert door.taken == []


async def test_the_same_transaction_number_twice_is_two_pushes(client: Client, door: Door) -> None:
    await push(client, [NAMED])
    await push(client, [{**NAMED, "event_id": "$f"}])
    assert door.taken == [["$e"], ["$f"]]


@pytest.mark.parametrize(
    ("headers", "query", "status", "errcode"),
    [
        ({}, {}, 401, "M_UNAUTHORIZED"),
        ({}, {"access_token": TOKEN}, 401, "M_UNAUTHORIZED"),
        ({"Authorization": "Bearer wrong"}, {}, 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer wrong"}, {"access_token": TOKEN}, 403, "M_FORBIDDEN"),
        ({"Authorization": TOKEN}, {}, 403, "M_FORBIDDEN"),
        ({"Authorization": f"bearer {TOKEN}x"}, {}, 403, "M_FORBIDDEN"),
        ({"Authorization": f"Basic {TOKEN}"}, {}, 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer "}, {}, 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer \u00fc\u00df"}, {}, 403, "M_FORBIDDEN"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", PUSH),
        ("POST", "/_matrix/app/v1/ping"),
        ("GET", "/_matrix/app/v1/users/@moodle_x:uni.test"),
        ("GET", "/_matrix/app/v1/rooms/%23moodle_uni_course_42:uni.test"),
    ],
)
async def test_who_does_not_hold_the_token_is_refused(
    client: Client,
    door: Door,
    method: str,
    path: str,
    headers: dict[str, str],
    query: dict[str, str],
    status: int,
    errcode: str,
) -> None:
    body = json.dumps({"events": [NAMED]})
    async with client.request(method, path, data=body, headers=headers, params=query) as answer:
        told = await answer.json()
    assert (answer.status, told["errcode"]) == (status, errcode)
    assert TOKEN not in json.dumps(told)
    assert (door.taken, door.failures) == ([], 0)


async def test_with_the_right_token_a_token_in_the_query_does_not_matter(client: Client, door: Door) -> None:
    assert await push(client, [NAMED], params={"access_token": "wrong"}) == (200, {})


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"\xff\xfe", "M_NOT_JSON"),
        (b"null", "M_BAD_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"{}", "M_BAD_JSON"),
        (b'{"events": {}}', "M_BAD_JSON"),
        (b'{"events": null}', "M_BAD_JSON"),
    ],
)
async def test_a_body_that_is_no_push_is_refused(
    client: Client, door: Door, body: bytes, errcode: str
) -> None:
    async with client.put(PUSH, data=body, headers=RIGHT) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (400, errcode)
    assert (door.taken, door.failures) == ([], 0)


async def test_a_body_that_is_too_large_is_refused(client: Client, door: Door) -> None:
    async with client.put(PUSH, data=b"x" * 200_000, headers=RIGHT) as answer:
        assert answer.status == 413
    assert door.taken == []


async def test_a_push_that_can_t_be_stored_is_asked_for_again_and_the_engine_is_told(
    client: Client, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.trouble = [RuntimeError("database is locked"), ValueError("odd")]
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            status, told = await push(client, [NAMED])
            assert (status, told["errcode"]) == (503, "M_UNKNOWN")
            assert "locked" not in told["error"]
    assert (door.taken, door.failures) == ([], 2)
    assert "1 events could not be stored" in caplog.text
    assert await push(client, [NAMED]) == (200, {})
    assert (door.taken, door.failures) == ([["$e"]], 2)


@pytest.mark.parametrize(
    "poison",
    [
        None,
        "text",
        [],
        {},
        {**NAMED, "content": "text"},
        {**NAMED, "event_id": 5},
        {**NAMED, "sender": "@a\0b:uni.test"},
        {**NAMED, "state_key": "\ud800"},
        {**NAMED, "room_id": None},
    ],
)
async def test_an_event_that_is_none_does_not_stop_those_beside_it(
    client: Client, door: Door, poison: Any
) -> None:
    assert await push(client, [NAMED, poison, {**NAMED, "event_id": "$f"}]) == (200, {})
    assert door.taken == [["$e", "$f"]]


async def test_a_ping_is_answered(client: Client) -> None:
    async with client.post("/_matrix/app/v1/ping", json={"transaction_id": "x"}, headers=RIGHT) as answer:
        assert (answer.status, await answer.json()) == (200, {})


@pytest.mark.parametrize("path", ["users/@moodle_x:uni.test", "rooms/%23moodle_uni_course_42:uni.test"])
async def test_who_is_asked_for_does_not_exist(client: Client, path: str) -> None:
    async with client.get(f"/_matrix/app/v1/{path}", headers=RIGHT) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("path", ["/transactions/1", "/_matrix/app/unstable/transactions/1", "/"])
async def test_there_are_no_other_doors(client: Client, path: str) -> None:
    async with client.put(path, json={"events": []}, headers=RIGHT) as answer:
        assert answer.status == 404
