"""Accounts that the Matrix Authentication Service keeps, against a fake made from its description."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import stamina
from aiohttp import web

from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import NoAdminRights, PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.matrix.accounts import MatrixAccounts
from moodle_appservice.matrix.admin_token import TokenPair
from moodle_appservice.matrix.mas import MasApi
from moodle_appservice.ports import Attributes
from tests.accounts_desk import CLIENT_ID, CLIENT_SECRET, Desk, ulid
from tests.adapters.fake_mas import FakeMas
from tests.adapters.scripted_homeserver import Answer, ScriptedHomeserver, refusal

ANN, BOB = UserId("@ann:uni.test"), UserId("@bob:uni.test")
PROVIDER = ulid("provider")
NOT_ADMIN = refusal(403, "M_FORBIDDEN", "You are not a server admin")


@pytest.fixture
async def mas() -> AsyncIterator[FakeMas]:
    made = FakeMas()
    await made.start()
    with stamina.set_testing(True, attempts=3, cap=True):
        yield made
    await made.stop()
    assert made.wrong == [], "requests that MAS's description does not have"


@pytest.fixture
async def homeserver() -> AsyncIterator[ScriptedHomeserver]:
    """A Synapse that lets nobody into its admin API."""
    made = ScriptedHomeserver()
    await made.start()
    made.answers = [NOT_ADMIN]
    yield made
    await made.stop()


@pytest.fixture
async def desk(mas: FakeMas, homeserver: ScriptedHomeserver) -> AsyncIterator[Desk]:
    address = str(homeserver.server.make_url("/"))
    made = Desk(address, mas=mas.address, provider=PROVIDER, alias="campus")
    yield made
    await made.close()


@pytest.fixture
def accounts(desk: Desk) -> MatrixAccounts:
    return desk.accounts


async def test_our_client_may_look_and_make_without_any_rights_at_synapse(accounts: MatrixAccounts) -> None:
    rights = await accounts.rights()
    assert (rights.look, rights.create) == (True, True)
    (said,) = rights.sentences
    assert "suspended accounts are not recognised" in said and "homeserver.admin_token" in said


async def test_a_new_account_is_made_named_and_linked(accounts: MatrixAccounts, mas: FakeMas) -> None:
    assert await accounts.create(ANN, display_name="Ann")
    (made,) = mas.asked
    assert (made.method, made.path, made.body) == ("POST", "users", {"username": "ann", "displayname": "Ann"})
    await accounts.fill(ANN, Attributes("Ann", (("campus", "sub-1"),), "Ann@Uni.test", "first password"))
    (link,), (email,), (key,) = mas.links.values(), mas.emails.values(), mas.users
    assert (link["user_id"], link["provider_id"], link["subject"]) == (key, PROVIDER, "sub-1")
    assert (email["user_id"], email["email"]) == (key, "ann@uni.test")
    assert mas.passwords == {key: "first password"}
    found = await accounts.look(ANN)
    assert found is not None and found.seen_as_admin and found.made_at is not None
    assert set(found.external_ids) == {("campus", "sub-1")} and set(found.emails) == {"ann@uni.test"}
    assert await accounts.by_external_id("campus", "sub-1") == ANN
    assert await accounts.by_email("ANN@uni.test") == ANN


async def test_a_name_with_a_slash_is_found(accounts: MatrixAccounts) -> None:
    odd = UserId("@a/b=2fc+d:uni.test")
    assert await accounts.create(odd)
    assert await accounts.look(odd) is not None
    assert await accounts.look(UserId("@a:uni.test")) is None


@pytest.mark.parametrize("where", ["MAS", "Synapse alone"])
async def test_an_account_that_is_there_is_left_as_it_is(
    accounts: MatrixAccounts, mas: FakeMas, where: str
) -> None:
    if where == "MAS":
        mas.add_user("ann")
    else:
        mas.reserved.add("ann")
    before = dict(mas.users)
    assert not await accounts.create(ANN, display_name="Somebody else")
    assert mas.users == before


async def test_an_id_that_mas_does_not_take_is_said(accounts: MatrixAccounts) -> None:
    with pytest.raises(PermanentFailure, match=r"does not take @_ann:uni.test .*Username is not valid"):
        await accounts.create(UserId("@_ann:uni.test"))


async def test_somebody_else_s_sign_on_id_is_not_taken(accounts: MatrixAccounts, mas: FakeMas) -> None:
    for user_id in (ANN, BOB):
        await accounts.create(user_id)
    await accounts.fill(ANN, Attributes("Ann", (("campus", "sub-1"),)))
    before = {key: dict(link) for key, link in mas.links.items()}
    with pytest.raises(PermanentFailure, match="another account signs in with"):
        await accounts.fill(BOB, Attributes("Bob", (("campus", "sub-1"),)))
    assert mas.links == before


async def test_somebody_else_s_address_is_not_taken(accounts: MatrixAccounts, mas: FakeMas) -> None:
    for user_id in (ANN, BOB):
        await accounts.create(user_id)
    await accounts.fill(ANN, Attributes("Ann", (), "prof@uni.test"))
    for call in (
        accounts.fill(BOB, Attributes("Bob", (), "PROF@uni.test")),
        accounts.set_email(BOB, "prof@uni.test"),
    ):
        with pytest.raises(PermanentFailure, match="belongs to another account"):
            await call
    assert await accounts.by_email("prof@uni.test") == ANN


async def test_filling_again_after_a_lost_answer_ends_well(accounts: MatrixAccounts, mas: FakeMas) -> None:
    await accounts.create(ANN)
    for _ in range(2):
        await accounts.fill(ANN, Attributes("Ann", (("campus", "sub-1"),), "ann@uni.test"))
    assert (len(mas.links), len(mas.emails)) == (1, 1)


async def test_an_address_is_replaced(accounts: MatrixAccounts, mas: FakeMas) -> None:
    await accounts.create(ANN)
    await accounts.fill(ANN, Attributes("Ann", (), "old@uni.test"))
    await accounts.set_email(ANN, "own@uni.test")
    for _ in range(2):
        await accounts.set_email(ANN, "New@uni.test", before="Old@uni.test")
    # What the person has added stays.
    assert sorted(email["email"] for email in mas.emails.values()) == ["new@uni.test", "own@uni.test"]


@pytest.mark.parametrize("erase", [True, False])
async def test_an_account_is_deactivated(accounts: MatrixAccounts, mas: FakeMas, erase: bool) -> None:
    await accounts.create(ANN)
    await accounts.deactivate(ANN, erase=erase)
    assert mas.asked[-1].body == {"skip_erase": not erase}
    found = await accounts.look(ANN)
    assert found is not None and found.deactivated and not found.locked
    await accounts.deactivate(UserId("@nobody:uni.test"), erase=erase)


async def test_a_locked_account_and_an_administrator_are_recognised(
    accounts: MatrixAccounts, mas: FakeMas
) -> None:
    mas.add_user("ann", locked_at="2026-01-31T12:00:00Z", admin=True)
    found = await accounts.look(ANN)
    assert found is not None and (found.locked, found.deactivated, found.admin) == (True, False, True)


async def test_the_newest_accounts_come_first(accounts: MatrixAccounts, mas: FakeMas) -> None:
    for name in ("ann", "bob", "cleo"):
        mas.add_user(name)
    mas.add_user("gone", deactivated_at="2026-01-31T12:00:00Z")
    assert await accounts.newest(limit=2) == ["@cleo:uni.test", "@bob:uni.test"]


async def test_what_is_not_there_is_none(accounts: MatrixAccounts, mas: FakeMas) -> None:
    assert await accounts.look(ANN) is None
    assert await accounts.by_external_id("campus", "sub-1") is None
    assert await accounts.by_email("ann@uni.test") is None
    assert list(await accounts.newest() or ()) == []
    # A link that its account has lost belongs to nobody.
    mas.links[ulid("link")] = {"provider_id": PROVIDER, "subject": "sub-1", "user_id": None}
    assert await accounts.by_external_id("campus", "sub-1") is None


async def test_another_provider_s_link_is_shown_under_its_own_id(
    accounts: MatrixAccounts, mas: FakeMas
) -> None:
    key, other = mas.add_user("ann"), ulid("other")
    mas.links[ulid("link")] = {"provider_id": other, "subject": "sub-1", "user_id": key}
    found = await accounts.look(ANN)
    assert found is not None and set(found.external_ids) == {(other, "sub-1")}


async def test_names_need_rights_at_synapse(accounts: MatrixAccounts, homeserver: ScriptedHomeserver) -> None:
    with pytest.raises(NoAdminRights, match="is no server administrator"):
        await accounts.set_name(ANN, "Ann")
    assert {seen.method for seen in homeserver.seen} == {"GET"}


# Rights and tokens


async def test_one_token_serves_many_requests(accounts: MatrixAccounts, mas: FakeMas) -> None:
    await asyncio.gather(*(accounts.look(ANN) for _ in range(10)))
    assert mas.token_requests == [{"grant_type": "client_credentials", "scope": "urn:mas:admin"}]


async def test_a_token_that_ended_is_asked_for_anew_by_one_for_all(
    accounts: MatrixAccounts, mas: FakeMas
) -> None:
    await accounts.look(ANN)
    mas.expire_tokens()
    await asyncio.gather(*(accounts.look(ANN) for _ in range(10)))
    assert len(mas.token_requests) == 2


async def test_a_token_is_not_used_to_its_very_end(accounts: MatrixAccounts, mas: FakeMas) -> None:
    mas.lifetime = 0
    for _ in range(2):
        await accounts.by_email("ann@uni.test")
    assert len(mas.token_requests) == 2


async def test_a_client_without_the_right_is_said_and_nothing_is_done(
    accounts: MatrixAccounts, mas: FakeMas
) -> None:
    mas.is_admin_client = False
    rights = await accounts.rights()
    assert (rights.look, rights.create) == (False, False)
    assert "policy.data.admin_clients" in rights.sentences[0] and "homeserver.mas" in rights.sentences[0]
    with pytest.raises(NoAdminRights):
        await accounts.create(ANN)
    assert mas.asked == []


async def test_a_wrong_client_secret_is_said_without_it(mas: FakeMas, homeserver: ScriptedHomeserver) -> None:
    async with aiohttp.ClientSession() as session:
        api = MasApi(mas.address, CLIENT_ID, f"{CLIENT_SECRET}-wrong", session=session, timeout=5)
        with pytest.raises(NoAdminRights, match="invalid_client") as failed:
            await api.ask("GET", ["users"])
    assert CLIENT_SECRET not in str(failed.value)


async def test_a_token_that_mas_never_takes_is_not_asked_for_again_and_again(
    accounts: MatrixAccounts, mas: FakeMas
) -> None:
    mas.next_answers = [_json({"errors": [{"title": "Missing scope"}]}, 401) for _ in range(2)]
    with pytest.raises(NoAdminRights, match=r"HTTP 401"):
        await accounts.create(ANN)
    assert len(mas.token_requests) == 2


async def test_a_provider_that_mas_does_not_know_is_said(accounts: MatrixAccounts, mas: FakeMas) -> None:
    mas.providers.clear()
    rights = await accounts.rights()
    assert not rights.look and "homeserver.mas.provider" in rights.sentences[0]


async def test_a_listener_without_the_admin_api_is_said(accounts: MatrixAccounts, mas: FakeMas) -> None:
    mas.next_answers = [web.Response(status=404, text="Not Found")]
    rights = await accounts.rights()
    assert not rights.look and "`adminapi`" in rights.sentences[0]


async def test_an_administrator_s_token_of_mas_is_renewed_by_our_client(
    mas: FakeMas, homeserver: ScriptedHomeserver
) -> None:
    _, refresh = mas.issue("urn:synapse:admin:*", "root")
    expired = refusal(401, "M_UNKNOWN_TOKEN")
    homeserver.answers = [Answer(), NOT_ADMIN, expired, Answer(body={"name": "x"})]
    desk = Desk(
        str(homeserver.server.make_url("/")),
        mas=mas.address,
        provider=PROVIDER,
        admin=TokenPair("mat_expired", refresh),
    )
    assert (await desk.admin.door()).key is desk.token
    await desk.close()
    assert [form["grant_type"] for form in mas.token_requests] == ["refresh_token"]
    assert homeserver.seen[-1].token.removeprefix("Bearer ") in mas.tokens


# Faults


def _json(content: Any, status: int = 200) -> web.Response:
    return web.json_response(content, status=status)


Call = Callable[[MatrixAccounts], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "look": lambda one: one.look(ANN),
    "by_external_id": lambda one: one.by_external_id("campus", "x"),
    "by_email": lambda one: one.by_email("a@b.test"),
    "newest": lambda one: one.newest(),
    "fill": lambda one: one.fill(ANN, Attributes("Ann", (("campus", "x"),))),
    "set_email": lambda one: one.set_email(ANN, "a@b.test"),
    "deactivate": lambda one: one.deactivate(ANN, erase=True),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "content", [{"data": 5, "links": {}}, {"data": [5], "links": {}}, {"data": {}}, {"data": {"id": "x"}}, {}]
)
async def test_an_answer_of_another_shape_is_not_believed(
    accounts: MatrixAccounts, mas: FakeMas, name: str, content: Any
) -> None:
    mas.add_user("ann")
    mas.next_answers = [_json(content) for _ in range(8)]
    if (
        name in ("by_external_id", "by_email", "newest")
        and content.get("data") is None
        and "links" in content
    ):
        return
    with pytest.raises(TemporaryFailure, match="not what its description says"):
        await CALLS[name](accounts)
    assert not mas.links and not mas.emails


@pytest.mark.parametrize("text", ["<html>", "[1]", '"x"', '{"data": '])
async def test_an_answer_that_can_t_be_read_is_a_temporary_failure(
    accounts: MatrixAccounts, mas: FakeMas, text: str
) -> None:
    mas.next_answers = [web.Response(text=text) for _ in range(8)]
    with pytest.raises(TemporaryFailure, match=r"can't be read"):
        await accounts.look(ANN)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_mas_that_fails_for_a_moment_is_asked_again(
    accounts: MatrixAccounts, mas: FakeMas, status: int
) -> None:
    mas.add_user("ann")
    mas.next_answers = [web.Response(status=status, headers={"Retry-After": "0"}) for _ in range(2)]
    assert await accounts.look(ANN) is not None


async def test_a_mas_that_fails_for_longer_is_a_temporary_failure(
    accounts: MatrixAccounts, mas: FakeMas
) -> None:
    mas.next_answers = [web.Response(status=503, headers={"Retry-After": "90"})]
    with pytest.raises(TemporaryFailure, match="HTTP 503") as failed:
        await accounts.look(ANN)
    assert failed.value.retry_after == 90
    assert len(mas.asked) == 1


async def test_making_an_account_is_not_sent_twice(accounts: MatrixAccounts, mas: FakeMas) -> None:
    mas.next_answers = [web.Response(status=503)]
    with pytest.raises(TemporaryFailure):
        await accounts.create(ANN)
    assert len(mas.asked) == 1


async def test_nobody_at_the_address_is_unreachable(
    homeserver: ScriptedHomeserver, unused_tcp_port: int
) -> None:
    desk = Desk(str(homeserver.server.make_url("/")), mas=f"http://127.0.0.1:{unused_tcp_port}")
    with stamina.set_testing(True, attempts=2, cap=True), pytest.raises(Unreachable, match="did not answer"):
        await desk.accounts.rights()
    await desk.close()


async def test_no_secret_stands_in_a_log(
    accounts: MatrixAccounts, mas: FakeMas, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await accounts.create(ANN)
        await accounts.fill(ANN, Attributes("Ann", (("campus", "x"),), "a@b.test", "first password"))
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    for secret in (CLIENT_SECRET, "first password", *mas.tokens):
        assert secret not in logged
