"""Accounts by Synapse's admin API and virtual users: each request as the homeserver sees it, and what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import stamina

from moodle_appservice.domain.model import RoomId, UserId
from moodle_appservice.errors import AppError, NoAdminRights, PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.matrix.accounts import MatrixAccounts
from moodle_appservice.matrix.http import HomeserverRefused
from moodle_appservice.ports import Attributes, Picture
from tests.accounts_desk import Desk
from tests.adapters.scripted_homeserver import CUT, Answer, ScriptedHomeserver, refusal

ANN, BOB = UserId("@ann:uni.test"), UserId("@bob:uni.test")
VIRTUAL = UserId("@moodle_uni_7:uni.test")
ROOM = RoomId("!room")
V3, ADMIN = "/_matrix/client/v3", "/_synapse/admin"
NOT_DELEGATED = refusal(404, "M_UNRECOGNIZED", "Unrecognized request")
OPEN = Answer(body={"name": "@moodle:uni.test"})
NOT_ADMIN = refusal(403, "M_FORBIDDEN", "You are not a server admin")
NOT_FOUND = refusal(404, "M_NOT_FOUND", "User not found")


@pytest.fixture
async def homeserver() -> AsyncIterator[ScriptedHomeserver]:
    made = ScriptedHomeserver()
    await made.start()
    with stamina.set_testing(True, attempts=3, cap=True):
        yield made
    await made.stop()


@pytest.fixture
async def desk(homeserver: ScriptedHomeserver) -> AsyncIterator[Desk]:
    """One whose bot is an administrator, which it knows already."""
    made = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [NOT_DELEGATED, OPEN]
    await made.accounts.rights()
    homeserver.seen.clear()
    homeserver.answers = [Answer()]
    yield made
    await made.close()


@pytest.fixture
def accounts(desk: Desk) -> MatrixAccounts:
    return desk.accounts


def told(user_id: str, **more: Any) -> Answer:
    return Answer(body={"name": user_id, **more})


def sent(homeserver: ScriptedHomeserver) -> list[tuple[str, str, Any]]:
    return [(seen.method, seen.path, seen.body) for seen in homeserver.seen]


# What is sent


async def test_an_account_is_made_with_nothing_and_filled_by_a_second_request(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(201), told(ANN)]
    assert await accounts.create(ANN, display_name="Ann")
    await accounts.fill(ANN, Attributes("Ann", (("oidc", "a"), ("saml", "b"))))
    path = f"{ADMIN}/v2/users/{ANN}"
    ids = [{"auth_provider": "oidc", "external_id": "a"}, {"auth_provider": "saml", "external_id": "b"}]
    assert sent(homeserver) == [
        ("PUT", path, {}),
        ("PUT", path, {"displayname": "Ann", "external_ids": ids}),
    ]


async def test_an_account_that_was_there_is_told_from_a_new_one(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [told(ANN)]
    assert not await accounts.create(ANN)


async def test_a_virtual_user_acts_by_masquerading(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body={"content_uri": "mxc://uni.test/x"}), Answer()]
    await accounts.set_avatar(VIRTUAL, Picture("p", "image/png", b"{}"))
    await accounts.set_name(VIRTUAL, "Ann")
    await accounts.join_as(ROOM, VIRTUAL)
    await accounts.deactivate(VIRTUAL, erase=True)
    assert [(seen.method, seen.path) for seen in homeserver.seen] == [
        ("POST", "/_matrix/media/v3/upload"),
        ("PUT", f"{V3}/profile/{VIRTUAL}/avatar_url"),
        ("PUT", f"{V3}/profile/{VIRTUAL}/displayname"),
        ("POST", f"{V3}/join/{ROOM}"),
        ("POST", f"{V3}/account/deactivate"),
    ]
    assert [seen.query for seen in homeserver.seen[1:]] == [{"user_id": VIRTUAL}] * 4


async def test_a_virtual_user_is_deactivated_by_an_administrator_where_mas_keeps_the_accounts(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [NOT_DELEGATED, Answer()]
    await accounts.deactivate(VIRTUAL, erase=True)
    assert sent(homeserver)[-1] == ("POST", f"{ADMIN}/v1/deactivate/{VIRTUAL}", {"erase": True})


async def test_no_picture_is_uploaded_for_an_account_that_can_t_be_changed(
    homeserver: ScriptedHomeserver,
) -> None:
    desk = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [NOT_DELEGATED, NOT_ADMIN]
    with pytest.raises(NoAdminRights):
        await desk.accounts.set_avatar(ANN, Picture("p", "image/png", b"x"))
    assert all(seen.method == "GET" for seen in homeserver.seen)
    await desk.close()


# What an answer means

Call = Callable[[MatrixAccounts], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "look": lambda one: one.look(ANN),
    "by_external_id": lambda one: one.by_external_id("oidc", "x"),
    "by_email": lambda one: one.by_email("a@b.test"),
    "newest": lambda one: one.newest(),
    "create": lambda one: one.create(ANN),
    "fill": lambda one: one.fill(ANN, Attributes("Ann", (("oidc", "x"),))),
    "set_name": lambda one: one.set_name(ANN, "Ann"),
    "set_avatar": lambda one: one.set_avatar(ANN, Picture("p", "image/png", b"x")),
    "set_email": lambda one: one.set_email(ANN, "a@b.test"),
    "deactivate": lambda one: one.deactivate(ANN, erase=True),
    "register_virtual": lambda one: one.register_virtual(VIRTUAL),
    "join_as": lambda one: one.join_as(ROOM, VIRTUAL),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(500),
        Answer(502, "<html>Bad Gateway</html>"),
        refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=100_000),
        CUT,
        Answer(200, '{"name": "@ann'),
        Answer(200, "<html>Welcome to this hotel</html>"),
    ],
    ids=["500", "502", "429", "cut", "half an answer", "no JSON"],
)
async def test_a_homeserver_in_trouble_is_a_temporary_failure(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver, name: str, answer: Answer
) -> None:
    homeserver.answers = [answer]
    with pytest.raises(TemporaryFailure):
        await CALLS[name](accounts)


@pytest.mark.parametrize("name", ["look", "by_external_id", "by_email", "newest", "set_avatar", "set_email"])
@pytest.mark.parametrize("body", [{}, [], {"user_id": 5}, {"name": "@other:uni.test"}, {"users": {}}])
async def test_an_answer_about_something_else_is_not_believed(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver, name: str, body: Any
) -> None:
    homeserver.answers = [Answer(body=body)]
    with pytest.raises(TemporaryFailure):
        await CALLS[name](accounts)
    assert {seen.method for seen in homeserver.seen} <= {"GET", "POST"}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "answer", [Answer(404, "<html>nginx</html>"), Answer(403, "<html>nginx</html>"), NOT_DELEGATED]
)
async def test_an_answer_that_is_not_the_homeserver_s_makes_nobody_vanish(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver, name: str, answer: Answer
) -> None:
    homeserver.answers = [answer]
    with pytest.raises(AppError):
        await CALLS[name](accounts)


async def test_making_an_account_is_never_sent_twice(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    for answer in (CUT, Answer(503)):
        homeserver.answers = [answer]
        homeserver.seen.clear()
        with pytest.raises(Unreachable):
            await accounts.create(ANN)
        assert len(homeserver.seen) == 1


async def test_a_request_that_is_limited_is_sent_again(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=1), Answer(500), told(ANN)]
    await accounts.fill(ANN, Attributes("Ann"))
    assert len(homeserver.seen) == 3


async def test_a_sign_on_id_in_use_is_said_with_what_was_left_untouched(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(409, "M_UNKNOWN", "External id is already in use.")]
    with pytest.raises(PermanentFailure, match=r"@ann:uni.test was made, but .* was left untouched"):
        await accounts.fill(ANN, Attributes("Ann", (("oidc", "x"),)))


async def test_an_address_in_use_is_said_before_anything_is_changed(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [Answer(body={"user_id": BOB})]
    for call in (accounts.fill(ANN, Attributes("Ann", (), "a@b.test")), accounts.set_email(ANN, "a@b.test")):
        with pytest.raises(PermanentFailure, match="belongs to another account"):
            await call
    assert {seen.method for seen in homeserver.seen} == {"GET"}


@pytest.mark.parametrize("name", ["create", "register_virtual"])
async def test_an_id_outside_our_reach_is_said(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver, name: str
) -> None:
    homeserver.answers = [refusal(400, "M_EXCLUSIVE", "This user ID is reserved by an application service.")]
    with pytest.raises(PermanentFailure, match=r"namespace.*Nothing was changed"):
        await CALLS[name](accounts)


async def test_a_virtual_user_that_is_there_is_fine(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    homeserver.answers = [refusal(400, "M_USER_IN_USE")]
    await accounts.register_virtual(VIRTUAL)


async def test_an_account_elsewhere_is_looked_for_by_its_profile_alone(
    accounts: MatrixAccounts, homeserver: ScriptedHomeserver
) -> None:
    far = UserId("@ann:else.test")
    homeserver.answers = [Answer(body={"displayname": "Ann"})]
    found = await accounts.look(far)
    assert found is not None and (found.display_name, found.seen_as_admin) == ("Ann", False)
    homeserver.answers = [refusal(404, "M_NOT_FOUND")]
    assert await accounts.look(far) is None
    homeserver.answers = [refusal(502, "M_UNKNOWN", "Failed to fetch profile")]
    with pytest.raises(TemporaryFailure):
        await accounts.look(far)
    homeserver.answers = [refusal(403, "M_FORBIDDEN", "Profile isn't available")]
    with pytest.raises(PermanentFailure, match="limit_profile_requests_to_users_who_share_rooms"):
        await accounts.look(far)
    assert {seen.path for seen in homeserver.seen} == {f"{V3}/profile/{far}"}


# Rights


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NOT_ADMIN, "The bot @moodle:uni.test is no server administrator"),
        (Answer(404, "<html>nginx</html>"), "/_synapse/admin is often not let through by a proxy"),
        (NOT_DELEGATED, "/_synapse/admin is often not let through by a proxy"),
    ],
)
async def test_what_keeps_the_door_closed_is_said_with_what_is_lost_and_the_remedy(
    homeserver: ScriptedHomeserver, answer: Answer, said: str
) -> None:
    desk = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [NOT_DELEGATED, answer]
    rights = await desk.accounts.rights()
    text = " ".join(rights.sentences)
    assert not (rights.look or rights.create)
    assert said in text and "no accounts are made" in text and "homeserver.admin_token" in text
    await desk.close()


async def test_a_bot_without_an_account_of_its_own_that_may_ask_is_an_administrator(
    homeserver: ScriptedHomeserver,
) -> None:
    desk = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [NOT_DELEGATED, NOT_FOUND]
    assert (await desk.accounts.rights()).create
    await desk.close()


async def test_rights_that_can_t_be_asked_for_are_asked_for_again(homeserver: ScriptedHomeserver) -> None:
    desk = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [Answer(503)]
    with pytest.raises(TemporaryFailure):
        await desk.accounts.rights()
    homeserver.answers = [NOT_DELEGATED, OPEN]
    assert (await desk.accounts.rights()).look
    await desk.close()


async def test_where_mas_keeps_the_accounts_synapse_s_word_on_sign_on_is_not_taken(
    homeserver: ScriptedHomeserver,
) -> None:
    desk = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [Answer(body={"issuer": "https://mas.uni.test/"}), OPEN]
    rights = await desk.accounts.rights()
    assert not (rights.look or rights.create) and "homeserver.mas" in rights.sentences[0]
    homeserver.answers = [told(ANN, deactivated=True)]
    found = await desk.accounts.look(ANN)
    assert found is not None and found.deactivated and not found.seen_as_admin
    with pytest.raises(NoAdminRights):
        await desk.accounts.by_external_id("oidc", "x")
    homeserver.answers = [
        refusal(
            403, "M_FORBIDDEN", "User creation via the Admin API is not available … Create the user via MAS"
        )
    ]
    with pytest.raises(NoAdminRights, match=r"homeserver\.mas"):
        await desk.accounts.create(ANN)
    await desk.close()


async def test_an_as_token_that_is_not_known_is_an_error_and_not_a_lack_of_rights(
    homeserver: ScriptedHomeserver,
) -> None:
    desk = Desk(str(homeserver.server.make_url("/")))
    homeserver.answers = [NOT_DELEGATED, refusal(401, "M_UNKNOWN_TOKEN")]
    with pytest.raises(HomeserverRefused, match="does not accept our as_token"):
        await desk.accounts.rights()
    await desk.close()
