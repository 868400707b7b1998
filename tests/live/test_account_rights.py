"""Which token opens Synapse's admin API, and what is done and said where none does."""

from __future__ import annotations

import asyncio
import json

import pytest

from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import NoAdminRights
from moodle_appservice.matrix.admin_token import STORED, TokenPair
from moodle_appservice.ports import Attributes, Picture
from tests.accounts_desk import Desk, MemorySettings
from tests.live.town import PNG, Town


async def test_a_bot_that_is_an_administrator_may_do_everything(desk: Desk) -> None:
    rights = await desk.accounts.rights()
    assert (rights.look, rights.create, rights.sentences) == (True, True, ())


async def test_without_rights_what_is_lost_is_said_and_nothing_is_done(town: Town) -> None:
    accounts, user_id = town.desk().accounts, town.new_id()
    rights = await accounts.rights()
    assert (rights.look, rights.create) == (False, False)
    said = " ".join(rights.sentences)
    assert town.seat.sender in said and "homeserver.admin_token" in said and "no accounts are made" in said
    for call in (
        accounts.create(user_id),
        accounts.fill(user_id, Attributes("Ann")),
        accounts.set_name(user_id, "Ann"),
        accounts.set_avatar(user_id, Picture("p", "image/png", PNG)),
        accounts.set_email(user_id, "ann@uni.test"),
        accounts.deactivate(user_id, erase=True),
        accounts.by_external_id("oidc", "ann"),
        accounts.by_email("ann@uni.test"),
    ):
        with pytest.raises(NoAdminRights, match="Nothing was changed"):
            await call
    assert await accounts.newest() is None
    assert await accounts.look(user_id) is None


async def test_rights_are_asked_for_once_and_again_after_a_while(town: Town) -> None:
    desk = town.desk()
    mark = town.synapse.mark()
    for _ in range(3):
        await desk.accounts.rights()
    assert len(town.synapse.requests_by(town.seat.sender, mark)) == 1
    await town.make_bot_admin()
    assert not (await desk.accounts.rights()).look
    desk.clock.advance(601)
    assert (await desk.accounts.rights()).look


async def test_rights_that_are_taken_away_are_noticed(town: Town, desk: Desk) -> None:
    assert (await desk.accounts.rights()).create
    await town.make_bot_admin(False)
    user_id = town.new_id()
    with pytest.raises(NoAdminRights, match="taken our admin rights away"):
        await desk.accounts.create(user_id)
    seen = await desk.accounts.look(UserId(town.seat.sender))
    assert seen is not None and not seen.seen_as_admin
    assert not (await desk.accounts.rights()).create


async def administrator(town: Town, *, admin: bool = True) -> tuple[str, TokenPair]:
    """A person with a login whose token can be renewed."""
    localpart = town.new_id("root")[1:].partition(":")[0]
    await town.synapse.register(localpart, "a password", admin=admin)
    content = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": localpart},
        "password": "a password",
        "refresh_token": True,
    }
    told = await town.request("POST", "/_matrix/client/v3/login", content, token="")
    return localpart, TokenPair(told["access_token"], told["refresh_token"])


async def test_an_administrator_s_token_serves_where_the_bot_is_none(town: Town) -> None:
    _, pair = await administrator(town)
    desk = town.desk(admin=pair)
    assert (await desk.accounts.rights()).create
    user_id = town.new_id()
    assert await desk.accounts.create(user_id)
    await desk.accounts.set_name(user_id, "Ann")
    assert (await town.as_stored(user_id))["displayname"] == "Ann"


async def test_the_token_of_somebody_else_does_not_serve(town: Town) -> None:
    _, pair = await administrator(town, admin=False)
    rights = await town.desk(admin=pair).accounts.rights()
    assert not rights.look and "is not a server administrator's" in rights.sentences[0]


async def test_a_token_that_has_expired_without_a_refresh_token_is_said(town: Town) -> None:
    rights = await town.desk(admin=TokenPair("syt_gone_gone_gone")).accounts.rights()
    assert not rights.look and "homeserver.admin_token (any more)" in rights.sentences[0]


async def test_an_expired_token_is_renewed_once_for_all_and_the_new_one_is_kept(town: Town) -> None:
    _, pair = await administrator(town)
    expired = TokenPair("syt_expired_expired_expired", pair.refresh)
    settings = MemorySettings()
    desk = town.desk(admin=expired, settings=settings)
    mark = town.synapse.mark()
    await asyncio.gather(*(desk.accounts.look(UserId(town.seat.sender)) for _ in range(8)))
    renewals = [asked for asked in town.synapse.since(mark) if asked.path.endswith("/refresh")]
    assert len(renewals) == 1
    assert pair.refresh not in settings.values[STORED]

    # After a restart with the same configuration the renewed pair serves, and can be renewed again.
    again = town.desk(admin=expired, settings=settings)
    mark = town.synapse.mark()
    assert (await again.accounts.rights()).look
    assert not [asked for asked in town.synapse.since(mark) if asked.path.endswith("/refresh")]
    stored = json.loads(settings.values[STORED])
    settings.values[STORED] = json.dumps({**stored, "access": "syt_expired_again_again"})
    assert (await town.desk(admin=expired, settings=settings).accounts.rights()).look


async def test_a_refresh_token_that_is_used_up_is_said(town: Town) -> None:
    desk = town.desk(admin=TokenPair("syt_expired_expired", "syr_nobody_knows_it"))
    rights = await desk.accounts.rights()
    assert not rights.look
    assert "does not renew it" in rights.sentences[0] and "syr_" not in " ".join(rights.sentences)
