"""Hints: who may give them, what they make due, and what a flood of them costs."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from moodle_appservice.domain.model import CourseId, MoodleUserId, Role
from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.ports import SITE, CourseRow, Key, course_key
from moodle_appservice.store.books import Books
from moodle_appservice.web.hooks import GAP, LONGEST, WINDOW, Hooks
from tests.fakes import FakeClock

SECRET = "0123456789abcdef0123456789abcdef"
COURSE, ANNA = CourseId(42), MoodleUserId(7)
BEARER = {"Authorization": f"Bearer {SECRET}"}


class Door:
    """The hook with a queue behind it, and everything that a test looks at."""

    def __init__(self, books: Books) -> None:
        self.clock = FakeClock(1_795_195_400.0)
        self.queue = MemoryQueue(self.clock)
        self.counted: list[str] = []
        self.hooks = Hooks(SECRET, self.queue, books.courses, books.lti, self.clock, self.counted.append)
        self.client: TestClient[web.Request, web.Application]

    async def post(
        self, body: Any = b"", headers: Mapping[str, str] = BEARER, *, status: int = 202
    ) -> dict[str, Any]:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **headers}
        async with self.client.post("/hooks/moodle", data=sent, headers=given) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == status, answer
        return answer

    def signed(self, body: bytes, *, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
        stamp = str(int(self.clock.now() if at is None else at))
        mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
        return {"X-Timestamp": stamp, "X-Signature": f"sha256={mac}"}

    def due(self) -> dict[Key, float]:
        """Key → seconds until it is due."""
        waiting = self.queue._waiting.items()
        return {key: max(0.0, one.not_before - self.clock.now()) for key, one in waiting}


@pytest.fixture
async def door(books: Books) -> AsyncIterator[Door]:
    await books.courses.save([CourseRow(COURSE, "C", True, ""), CourseRow(CourseId(43), "D", False, "")])
    await books.courses.set_enrolments(COURSE, {ANNA: frozenset({Role("student")})}, facts_hash="")
    made = Door(books)
    app = web.Application()
    app.add_routes(made.hooks.routes())
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as made.client:
        yield made


@pytest.mark.parametrize(
    ("hint", "keys"),
    [
        ({"course_id": 42}, ["course:42"]),
        ({"courseid": "42"}, ["course:42"]),
        ({"user_id": 7, "course_id": 42}, ["person:7", "course:42"]),
        ({"relateduserid": "7"}, ["person:7", "course:42"]),
        ({"user_id": 8}, ["person:8"]),
        ({"course_id": 99}, ["site"]),
        ({"course_id": 43}, ["site"]),
        ({"course_id": 0, "user_id": ""}, ["site"]),
        ({}, ["site"]),
    ],
)
async def test_a_hint_makes_due_what_it_names(door: Door, hint: Any, keys: list[str]) -> None:
    assert (await door.post(hint))["looked_at"] == keys
    assert sorted(map(str, door.due())) == sorted(keys)
    taken = await door.queue.take()
    assert taken.signals == {"hook"}
    assert door.counted == ["taken"]


async def test_a_hint_may_be_a_form_or_empty(door: Door) -> None:
    form = {**BEARER, "Content-Type": "application/x-www-form-urlencoded"}
    assert (await door.post(b"courseid=42&other=x", form))["looked_at"] == ["course:42"]
    assert (await door.post(b""))["looked_at"] == ["site"]


async def test_a_signed_hint_is_good_once_and_for_five_minutes(door: Door) -> None:
    body = b'{"course_id": 42}'
    await door.post(body, door.signed(body))
    await door.post(body, door.signed(body), status=401)
    await door.post(body, door.signed(body, at=door.clock.now() - WINDOW + 1))
    await door.post(body, door.signed(body, at=door.clock.now() - WINDOW - 1), status=401)
    await door.post(body, door.signed(body, at=door.clock.now() + WINDOW + 2), status=401)


async def test_a_signed_hint_is_good_once_for_all_replicas_together(door: Door, books: Books) -> None:
    other = Door(books)
    app = web.Application()
    app.add_routes(other.hooks.routes())
    body = b'{"course_id": 42}'
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as other.client:
        headers = door.signed(body)
        await door.post(body, headers)
        await other.post(body, headers, status=401)
    assert other.due() == {}


WRONG: dict[str, dict[str, str]] = {
    "no secret": {"X-Nothing": "x"},
    "another secret": {"Authorization": "Bearer 0123456789abcdef0123456789abcdee"},
    "an empty secret": {"Authorization": "Bearer "},
    "a secret as basic authentication": {"Authorization": f"Basic {SECRET}"},
    "a signature without a timestamp": {"X-Signature": "sha256=00"},
    "a timestamp without a signature": {"X-Timestamp": "1795195400"},
    "a timestamp that is no number": {"X-Timestamp": "now", "X-Signature": "sha256=00"},
    "a timestamp in other digits": {"X-Timestamp": "١٧٩٥", "X-Signature": "sha256=00"},
    "a very long timestamp": {"X-Timestamp": "9" * 5000, "X-Signature": "sha256=00"},
    "a signature that is no hex": {"X-Timestamp": "1795195400", "X-Signature": "sha256=é"},
}


@pytest.mark.parametrize("name", WRONG)
async def test_whoever_does_not_know_the_secret_changes_nothing(door: Door, name: str) -> None:
    await door.post({"course_id": 42}, WRONG[name], status=401)
    assert door.due() == {}
    assert door.counted == ["refused"]


async def test_a_signature_of_another_body_or_by_another_secret_is_wrong(door: Door) -> None:
    await door.post({"course_id": 42}, door.signed(b'{"course_id": 41}'), status=401)
    body = b'{"course_id": 42}'
    await door.post(body, door.signed(body, secret="x" * 32), status=401)
    assert door.due() == {}


@pytest.mark.parametrize(
    "body",
    [
        *(b"[]", b"42", b"{", b"\xff", b"[" * 10000, b'{"course_id": "' + b"9" * 400 + b'"}'),
        *(b'{"course_id": -1}', b'{"course_id": 1.5}', b'{"course_id": true}', b'{"course_id": [42]}'),
        b'{"user_id": "x"}',
    ],
)
async def test_what_is_no_hint_is_refused_with_a_sentence(door: Door, body: bytes) -> None:
    answer = await door.post(body, status=400)
    assert answer["error"].endswith("Nothing was done.")
    assert door.due() == {}


async def test_a_hint_that_is_too_long_is_not_read(door: Door) -> None:
    await door.post(b" " * (LONGEST + 1), status=413)


async def test_a_flood_of_hints_costs_two_looks(door: Door) -> None:
    for _ in range(300):
        await door.post({"course_id": 42})
    assert door.due() == {course_key(COURSE): 0.0}
    first = await door.queue.take()
    for _ in range(300):
        await door.post({"course_id": 42})
    await door.queue.done(first)
    assert door.due() == {course_key(COURSE): GAP}
    door.clock.advance(GAP)
    await door.queue.done(await door.queue.take())
    assert door.due() == {}
    await door.post({"course_id": 42})
    assert door.due() == {course_key(COURSE): GAP}
    door.clock.advance(10 * GAP)
    await door.post({})
    assert door.due()[SITE] == 0.0


async def test_a_flood_of_wrong_secrets_is_slowed_down_and_right_ones_still_pass(door: Door) -> None:
    statuses = []
    for _ in range(30):
        async with door.client.post("/hooks/moodle", data=b"{}") as response:
            statuses.append(response.status)
    assert statuses == [401] * 20 + [429] * 10
    await door.post({"course_id": 42})


async def test_more_hints_than_anybody_means_are_left_out(door: Door) -> None:
    statuses: list[int] = []
    for number in range(2100):
        body = json.dumps({"course_id": number + 1}).encode()
        async with door.client.post("/hooks/moodle", data=body, headers=BEARER) as response:
            statuses.append(response.status)
    assert statuses.count(202) == 2000
    assert statuses[-1] == 429
