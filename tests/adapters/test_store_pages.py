"""Sessions, links to sign in with, and samples, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.domain.model import MoodleUserId, UserId
from moodle_appservice.ports import SignedIn
from moodle_appservice.store.db import Db
from moodle_appservice.store.pages import SampleBooks, SessionBooks

ANNA = SignedIn(MoodleUserId(7), UserId("@anna:uni.test"))
ADMIN = SignedIn(None, UserId("@admin:uni.test"))


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Db]:
    made = Db(f"sqlite:{tmp_path / 'pages.db'}")
    await made.start()
    yield made
    await made.stop()


async def test_a_session_is_found_until_it_ends_or_is_closed(db: Db) -> None:
    book = SessionBooks(db)
    for name in ("one", "two"):
        await book.open(name, ANNA, now=0, expires_at=100)
    await book.open("three", ADMIN, now=0, expires_at=100)
    assert await book.find("one", now=99) == ANNA
    assert await book.find("three", now=99) == ADMIN
    assert await book.find("one", now=100) is None
    await book.close("one")
    assert await book.find("one", now=1) is None
    assert await book.find("two", now=1) == ANNA
    assert await book.find("three", now=1) == ADMIN


async def test_sessions_that_are_over_are_forgotten(db: Db) -> None:
    book = SessionBooks(db)
    await book.open("old", ANNA, now=0, expires_at=10)
    await book.open("new", ANNA, now=10, expires_at=20)
    rows = await db.fetch("SELECT session_hash FROM web_session")
    assert [row["session_hash"] for row in rows] == ["new"]


async def test_a_link_is_good_once_and_only_the_newest_of_an_account(db: Db) -> None:
    book = SessionBooks(db)
    await book.invite("first", ADMIN, now=0, expires_at=300)
    await book.invite("second", ADMIN, now=1, expires_at=301)
    assert await book.accept("first", now=2) is None
    found = await asyncio.gather(*(book.accept("second", now=2) for _ in range(3)))
    assert sorted(found, key=lambda one: one is None) == [ADMIN, None, None]
    await book.invite("late", ADMIN, now=2, expires_at=300)
    assert await book.accept("late", now=300) is None


async def test_samples_come_back_in_order_and_old_ones_go(db: Db) -> None:
    book = SampleBooks(db)
    await book.add(300, {"queue": 1, "rooms": 5}, forget_before=0)
    await book.add(600, {"queue": 2.5}, forget_before=0)
    await book.add(600, {"queue": 3}, forget_before=0)
    assert await book.since(0) == {"queue": [(300, 1.0), (600, 3.0)], "rooms": [(300, 5.0)]}
    await book.add(900, {"queue": 0}, forget_before=600)
    assert await book.since(0) == {"queue": [(600, 3.0), (900, 0.0)]}
