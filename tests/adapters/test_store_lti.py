"""LTI's part of the database: one registration, links and nonces that are good once, secrets that stay."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from moodle_appservice.ports import Invitation, Platform
from moodle_appservice.store.books import Books

MOODLE = Platform(
    issuer="https://moodle.example.org",
    client_id="a0jfaMXkmunJ48z",
    deployment_id="1",
    login_url="https://moodle.example.org/mod/lti/auth.php",
    token_url="https://moodle.example.org/mod/lti/token.php",
    keys_url="https://moodle.example.org/mod/lti/certs.php",
)
ANOTHER = replace(MOODLE, client_id="WgjViFjncWgqeBS", deployment_id="2")
NOW = 1_000_000.0


async def test_the_first_registration_stays_until_one_may_replace_it(books: Books) -> None:
    assert await books.lti.platform() is None
    assert await books.lti.register(MOODLE, at=NOW, replace=False)
    assert not await books.lti.register(ANOTHER, at=NOW, replace=False)
    assert await books.lti.platform() == MOODLE
    assert await books.lti.register(ANOTHER, at=NOW, replace=True)
    assert await books.lti.platform() == ANOTHER


async def test_an_invitation_is_accepted_once(books: Books) -> None:
    await books.lti.invite("hash", now=NOW, expires_at=NOW + 3600, replaces=True)
    assert await books.lti.accept("another", now=NOW) is None
    both = await asyncio.gather(*(books.lti.accept("hash", now=NOW) for _ in range(2)))
    assert sorted(both, key=str) == [Invitation(replaces=True), None]


async def test_an_invitation_ends_with_its_hour(books: Books) -> None:
    await books.lti.invite("hash", now=NOW, expires_at=NOW + 3600, replaces=False)
    assert await books.lti.accept("hash", now=NOW + 3600) is None


async def test_a_new_invitation_takes_the_place_of_the_one_before(books: Books) -> None:
    await books.lti.invite("first", now=NOW, expires_at=NOW + 3600, replaces=True)
    await books.lti.invite("second", now=NOW, expires_at=NOW + 3600, replaces=False)
    assert await books.lti.accept("first", now=NOW) is None
    assert await books.lti.accept("second", now=NOW) == Invitation(replaces=False)


async def test_a_nonce_is_good_once_and_forgotten_when_it_could_not_come_back(books: Books) -> None:
    both = await asyncio.gather(*(books.lti.use_once("n", now=NOW, expires_at=NOW + 600) for _ in range(2)))
    assert sorted(both) == [False, True]
    assert not await books.lti.use_once("n", now=NOW + 599, expires_at=NOW + 1200)
    assert await books.lti.use_once("other", now=NOW + 600, expires_at=NOW + 1200)
    rows = await books.db.fetch("SELECT nonce_hash FROM lti_nonce")
    assert [row["nonce_hash"] for row in rows] == ["other"]


async def test_a_secret_stays_what_it_first_was(books: Books) -> None:
    assert await books.lti.secret("sessions", "first") == "first"
    assert await books.lti.secret("sessions", "second") == "first"
    assert await books.lti.secret("tool key", "third") == "third"
