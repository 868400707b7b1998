"""Which way leads to accounts by what the configuration lends us, and what is said about it at start."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina
from aiohttp import ClientSession

from moodle_appservice.accounts import accounts_from, say_what_is_missing
from moodle_appservice.config import Settings
from moodle_appservice.demo import house
from moodle_appservice.domain.model import UserId
from moodle_appservice.domain.rules import AccountMode, AccountRules, Rules
from moodle_appservice.errors import ConfigError
from moodle_appservice.matrix.accounts import MatrixAccounts
from moodle_appservice.registration import Registration
from moodle_appservice.rulebook import rules_from
from moodle_appservice.store.books import Books
from tests.accounts_desk import CLIENT_ID, CLIENT_SECRET, ulid
from tests.adapters.fake_mas import FakeMas
from tests.adapters.scripted_homeserver import Answer, ScriptedHomeserver, refusal
from tests.fakes import FakeClock

ANN = UserId("@ann:uni.test")
NOT_DELEGATED = refusal(404, "M_UNRECOGNIZED")
NOT_ADMIN = refusal(403, "M_FORBIDDEN", "You are not a server admin")
EXPIRED = refusal(401, "M_UNKNOWN_TOKEN")
OPEN = Answer(body={"name": "x"})


class Wiring:
    """An installation whose `homeserver` section is given; `rules` are those that come of it."""

    def __init__(self, folder: Path, books: Books, homeserver: str) -> None:
        self._folder = folder
        self._books = books
        self._homeserver = homeserver
        self.session = ClientSession()
        self.rules: Rules

    def accounts(self, **section: Any) -> MatrixAccounts:
        settings, found = read(self._folder, section, homeserver=self._homeserver)
        self.rules = rules_from(settings, found)
        return accounts_from(
            settings, found, self.rules, session=self.session, store=self._books, clock=FakeClock()
        )


def read(
    folder: Path, section: dict[str, Any], *, homeserver: str = "http://127.0.0.1:2"
) -> tuple[Settings, Registration]:
    """Configuration and registration, through their files."""
    if not (folder / "registration.yaml").exists():
        house.write_registration(folder, site="uni", domain="uni.test", port=29301)
    path = house.write_config(
        folder,
        site="uni",
        moodle_url="http://127.0.0.1:1",
        moodle_token="moodle-token-that-is-secret",
        homeserver_url=homeserver,
        domain="uni.test",
        port=29301,
        overrides={"homeserver": section},
    )
    return house.read(path)


@pytest.fixture
async def homeserver() -> AsyncIterator[ScriptedHomeserver]:
    made = ScriptedHomeserver()
    await made.start()
    with stamina.set_testing(True, attempts=2, cap=True):
        yield made
    await made.stop()


@pytest.fixture
async def wiring(tmp_path: Path, books: Books, homeserver: ScriptedHomeserver) -> AsyncIterator[Wiring]:
    made = Wiring(tmp_path, books, str(homeserver.server.make_url("/")).rstrip("/"))
    yield made
    await made.session.close()


@pytest.fixture
async def mas() -> AsyncIterator[FakeMas]:
    made = FakeMas()
    await made.start()
    yield made
    await made.stop()
    assert made.wrong == []


async def test_a_renewed_token_is_in_the_database_and_serves_after_a_restart(
    wiring: Wiring, homeserver: ScriptedHomeserver
) -> None:
    section = {"admin_token": "syt_expired", "admin_refresh_token": "syr_first"}
    pair = Answer(body={"access_token": "syt_second", "refresh_token": "syr_second"})
    homeserver.answers = [NOT_DELEGATED, NOT_ADMIN, EXPIRED, pair, OPEN]
    assert (await wiring.accounts(**section).rights()).look
    assert homeserver.seen[3].path == "/_matrix/client/v3/refresh"
    assert homeserver.seen[3].token == ""
    homeserver.answers = [NOT_DELEGATED, NOT_ADMIN, OPEN]
    assert (await wiring.accounts(**section).rights()).look
    assert homeserver.seen[-1].token == "Bearer syt_second"


@pytest.mark.parametrize("prefix", ["mar", "mcr"])
async def test_a_refresh_token_of_mas_goes_to_mas(
    wiring: Wiring, homeserver: ScriptedHomeserver, mas: FakeMas, prefix: str
) -> None:
    section: dict[str, Any] = {
        "admin_token": "mat_expired",
        "admin_refresh_token": f"{prefix}_first",
        "mas": {"address": mas.address, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
    }
    homeserver.answers = [Answer(), NOT_ADMIN, EXPIRED]
    rights = await wiring.accounts(**section).rights()
    # Neither is known there, which is said; Synapse was not asked to renew it.
    assert "does not renew it" in rights.sentences[0]
    assert not [seen for seen in homeserver.seen if seen.path.endswith("/refresh")]
    asked = [form["grant_type"] for form in mas.token_requests if form["grant_type"] == "refresh_token"]
    assert asked == (["refresh_token"] if prefix == "mar" else [])


async def test_with_mas_its_accounts_are_the_accounts(
    wiring: Wiring, homeserver: ScriptedHomeserver, mas: FakeMas
) -> None:
    homeserver.answers = [NOT_ADMIN]
    accounts = wiring.accounts(
        mas={
            "address": mas.address,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "provider": ulid("provider"),
        }
    )
    assert await accounts.create(ANN)
    assert [user["username"] for user in mas.users.values()] == ["ann"]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"mas": {"address": "http://127.0.0.1:1"}}, "homeserver.mas.client_secret"),
        ({"mas": {"provider": "google"}}, "is not an id of MAS"),
        ({"mas": {"adress": "http://x"}}, "there is no such key"),
    ],
)
def test_a_half_configuration_of_mas_is_refused(tmp_path: Path, section: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, section)


def test_every_secret_of_the_section_is_masked_in_logs(tmp_path: Path) -> None:
    section = {
        "admin_token": "an-admin-token",
        "admin_refresh_token": "a-refresh-token",
        "mas": {"client_id": "x", "client_secret": "a-client-secret"},
    }
    settings, _ = read(tmp_path, section)
    assert {"an-admin-token", "a-refresh-token", "a-client-secret"} <= set(settings.secrets())
    assert not any(secret in repr(settings) for secret in ("an-admin", "a-refresh", "a-client-secret"))


@pytest.mark.parametrize("mode", [AccountMode.CREATE, AccountMode.EXPECT_SSO])
async def test_what_is_missing_is_logged_once_and_as_loud_as_it_matters(
    wiring: Wiring, homeserver: ScriptedHomeserver, caplog: pytest.LogCaptureFixture, mode: AccountMode
) -> None:
    accounts = wiring.accounts()
    homeserver.answers = [NOT_DELEGATED, NOT_ADMIN]
    with caplog.at_level(logging.INFO, logger="moodle_appservice.accounts"):
        await say_what_is_missing(accounts, replace(wiring.rules, accounts=AccountRules(mode=mode)))
    assert "no server administrator" in caplog.text and "homeserver.admin_token" in caplog.text
    levels = {record.levelno for record in caplog.records if record.name == "moodle_appservice.accounts"}
    assert levels == {logging.WARNING if mode is AccountMode.CREATE else logging.INFO}


async def test_a_homeserver_that_does_not_answer_is_no_reason_not_to_start(
    wiring: Wiring, homeserver: ScriptedHomeserver, caplog: pytest.LogCaptureFixture
) -> None:
    homeserver.answers = [Answer(503)]
    await say_what_is_missing(wiring.accounts(), wiring.rules)
    assert "could not be found out" in caplog.text
