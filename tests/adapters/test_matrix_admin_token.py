"""The administrator's token: renewed once for all, stored before it is used, and never shown."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import NoAdminRights, TemporaryFailure
from moodle_appservice.matrix.admin_token import STORED, TokenPair
from moodle_appservice.ports import Attributes
from tests.accounts_desk import Desk, MemorySettings

ANN = UserId("@ann:uni.test")
SECRETS = ("as-token-that-nobody-may-see", "syt_admin_token", "syr_refresh_token", "syt_next", "syr_next")


class TokenHomeserver:
    """Accepts one access token at a time; a refresh token gives the next pair, once."""

    def __init__(self) -> None:
        self.access, self.refresh = "syt_current", "syr_refresh_token"
        self.renewals = 0
        self.is_renewing = True
        self.is_lying = False
        app = web.Application()
        app.router.add_get("/_matrix/client/v1/auth_metadata", self._refuse)
        app.router.add_post("/_matrix/client/v3/refresh", self._renew)
        app.router.add_route("*", "/{rest:.*}", self._admin)
        self.server = TestServer(app)

    async def _refuse(self, request: web.Request) -> web.Response:
        return web.json_response({"errcode": "M_UNRECOGNIZED"}, status=404)

    async def _renew(self, request: web.Request) -> web.Response:
        self.renewals += 1
        content = await request.json()
        assert "Authorization" not in request.headers
        await asyncio.sleep(0)
        if content["refresh_token"] != self.refresh or not self.is_renewing:
            return web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401)
        self.access, self.refresh = f"syt_next_{self.renewals}", f"syr_next_{self.renewals}"
        access = "syt_useless" if self.is_lying else self.access
        return web.json_response({"access_token": access, "refresh_token": self.refresh})

    async def _admin(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token.startswith("as-token"):
            return web.json_response(
                {"errcode": "M_FORBIDDEN", "error": "You are not a server admin"}, status=403
            )
        if token != self.access:
            error = {"errcode": "M_UNKNOWN_TOKEN", "error": f"Invalid access token {token}"}
            return web.json_response(error, status=401)
        return web.json_response({"name": request.path.rpartition("/")[2]})


@pytest.fixture
async def tokens() -> AsyncIterator[TokenHomeserver]:
    made = TokenHomeserver()
    await made.server.start_server()
    yield made
    await made.server.close()


def desk_with(
    tokens: TokenHomeserver, settings: MemorySettings, *, access: str = "syt_admin_token", refresh: str = ""
) -> Desk:
    pair = TokenPair(access, refresh or "syr_refresh_token")
    return Desk(str(tokens.server.make_url("/")), admin=pair, settings=settings)


async def test_many_requests_with_an_expired_token_renew_it_once(tokens: TokenHomeserver) -> None:
    settings = MemorySettings()
    desk = desk_with(tokens, settings)
    found = await asyncio.gather(*(desk.accounts.look(UserId(f"@u{n}:uni.test")) for n in range(20)))
    assert all(found) and tokens.renewals == 1
    # It expires again, with requests under way.
    tokens.access = "syt_somebody_else_s"
    found = await asyncio.gather(*(desk.accounts.look(UserId(f"@u{n}:uni.test")) for n in range(20)))
    assert all(found) and tokens.renewals == 2
    assert json.loads(settings.values[STORED])["refresh"] == tokens.refresh
    await desk.close()


async def test_a_restart_goes_on_with_the_renewed_tokens(tokens: TokenHomeserver) -> None:
    settings = MemorySettings()
    for _ in range(2):
        desk = desk_with(tokens, settings)
        assert await desk.accounts.look(ANN)
        await desk.close()
    assert tokens.renewals == 1


async def test_new_tokens_in_the_configuration_replace_renewed_ones(tokens: TokenHomeserver) -> None:
    settings = MemorySettings()
    desk = desk_with(tokens, settings)
    assert await desk.accounts.look(ANN)
    await desk.close()
    tokens.access, tokens.refresh = "syt_fresh", "syr_fresh"
    desk = desk_with(tokens, settings, access="syt_fresh", refresh="syr_fresh")
    assert await desk.accounts.look(ANN)
    await desk.close()
    assert tokens.renewals == 1


async def test_renewed_tokens_are_stored_before_they_are_used(tokens: TokenHomeserver) -> None:
    class Full(MemorySettings):
        async def set(self, name: str, value: str) -> None:
            raise TemporaryFailure("The disk is full.")

    desk = desk_with(tokens, Full())
    with pytest.raises(TemporaryFailure, match="disk"):
        await desk.admin.door()
    assert tokens.renewals == 1
    await desk.close()


async def test_a_renewal_that_fails_closes_the_door_and_says_so(tokens: TokenHomeserver) -> None:
    tokens.is_renewing = False
    desk = desk_with(tokens, MemorySettings())
    rights = await desk.accounts.rights()
    assert not rights.look and "does not renew it" in rights.sentences[0]
    await desk.close()


async def test_a_renewed_token_that_is_not_accepted_is_not_renewed_for_ever(tokens: TokenHomeserver) -> None:
    tokens.is_lying = True
    desk = desk_with(tokens, MemorySettings())
    rights = await desk.accounts.rights()
    assert not rights.look and "not even right after it was renewed" in rights.sentences[0]
    assert tokens.renewals == 1
    await desk.close()


async def test_no_token_stands_in_a_log_or_an_error(
    tokens: TokenHomeserver, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        desk = desk_with(tokens, MemorySettings())
        await desk.accounts.look(ANN)
        await desk.accounts.fill(ANN, Attributes("Ann", password="a password that is secret"))
        tokens.is_renewing = False
        tokens.access = "syt_changed"
        with pytest.raises(NoAdminRights) as failed:
            await desk.accounts.by_external_id("oidc", "x")
        await desk.close()
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "look" not in logged and "PUT" in logged
    for secret in (*SECRETS, "a password that is secret"):
        assert secret not in f"{logged} {failed.value} {desk.token!r} {desk.token!s}"
