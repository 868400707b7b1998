"""Accounts at a real Synapse: what each method does there, with admin rights and without."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import quote

import pytest

from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from moodle_appservice.matrix.census import FEW
from moodle_appservice.ports import Attributes, Picture
from tests.accounts_desk import Desk
from tests.live.homeserver import People
from tests.live.town import PNG, Town

# Real accounts


async def test_an_account_is_made_once_and_one_that_is_there_is_left_as_it_is(town: Town, desk: Desk) -> None:
    user_id = town.new_id()
    assert await desk.accounts.create(user_id, display_name="Not for an account that is there")
    await desk.accounts.fill(
        user_id, Attributes("Ann", (("oidc", f"sub/{user_id}"),), f"{user_id[1:5]}@x.test")
    )
    before = await town.as_stored(user_id)
    assert not await desk.accounts.create(user_id, display_name="Somebody else")
    assert await town.as_stored(user_id) == before


async def test_a_new_account_gets_its_name_its_sign_on_id_and_its_address(town: Town, desk: Desk) -> None:
    user_id = town.new_id()
    external, address = f"odd/id?{user_id} ü", f"Ann.{town.seat.site}@Uni.test"
    await desk.accounts.create(user_id)
    mark = town.synapse.mark()
    await desk.accounts.fill(user_id, Attributes("Ann", (("oidc", external),), address))
    assert len(town.synapse.requests_by(town.seat.sender, mark)) == 2
    assert await desk.accounts.by_external_id("oidc", external) == user_id
    assert await desk.accounts.by_external_id("saml", external) is None
    assert await desk.accounts.by_email(address.upper()) == user_id
    found = await desk.accounts.look(user_id)
    assert found is not None and found.seen_as_admin and not (found.deactivated or found.admin)
    assert found.display_name == "Ann" and set(found.external_ids) == {("oidc", external)}
    assert found.emails == {address.casefold()}
    assert found.made_at == (await town.as_stored(user_id))["creation_ts"] > 1_700_000_000
    assert user_id in (await desk.accounts.newest(limit=20) or ())


async def test_a_new_account_with_sign_on_takes_two_requests(town: Town, desk: Desk) -> None:
    await desk.accounts.rights()
    user_id, mark = town.new_id(), town.synapse.mark()
    await desk.accounts.create(user_id)
    await desk.accounts.fill(user_id, Attributes("Ann", (("oidc", user_id),)))
    assert len(town.synapse.requests_by(town.seat.sender, mark)) == 2


async def test_somebody_else_s_sign_on_id_is_not_taken(town: Town, desk: Desk) -> None:
    first, second = town.new_id(), town.new_id("bob")
    for user_id in (first, second):
        await desk.accounts.create(user_id)
    await desk.accounts.fill(first, Attributes("Ann", (("oidc", first),)))
    before = await town.as_stored(first)
    with pytest.raises(
        PermanentFailure, match=rf"{second} was made, .*That other account was left untouched"
    ):
        await desk.accounts.fill(second, Attributes("Bob", (("oidc", first),)))
    assert await town.as_stored(first) == before
    assert await desk.accounts.by_external_id("oidc", first) == first


async def test_somebody_else_s_address_is_not_taken(town: Town, desk: Desk) -> None:
    first, second = town.new_id(), town.new_id("bob")
    for user_id in (first, second):
        await desk.accounts.create(user_id)
    address = f"professor.{town.seat.site}@uni.test"
    await desk.accounts.fill(first, Attributes("Ann", (), address))
    before = [await town.as_stored(user_id) for user_id in (first, second)]
    for call in (
        desk.accounts.fill(second, Attributes("Bob", (), address.title())),
        desk.accounts.set_email(second, address),
    ):
        with pytest.raises(PermanentFailure, match="belongs to another account"):
            await call
    assert [await town.as_stored(user_id) for user_id in (first, second)] == before


async def test_one_address_is_given_to_one_account_where_two_are_filled_at_once(
    town: Town, desk: Desk
) -> None:
    both = [town.new_id(), town.new_id("bob")]
    for user_id in both:
        await desk.accounts.create(user_id)
    address = f"shared.{town.seat.site}@uni.test"
    ends = await asyncio.gather(
        *(desk.accounts.fill(user_id, Attributes("Ann", (), address)) for user_id in both),
        return_exceptions=True,
    )
    (refused,) = [end for end in ends if end is not None]
    assert isinstance(refused, PermanentFailure) and "belongs to another account" in str(refused)
    has = [await town.as_stored(user_id) for user_id in both]
    assert [len(one["threepids"]) for one in has] == [int(end is None) for end in ends]


async def test_name_address_and_avatar_of_an_account_change(town: Town, desk: Desk) -> None:
    user_id = town.new_id()
    await desk.accounts.create(user_id)
    await desk.accounts.fill(
        user_id, Attributes("Ann", (("oidc", user_id),), f"old.{town.seat.site}@uni.test")
    )
    await desk.accounts.set_name(user_id, "Ann Ä. Smith")
    old, new, own = (f"{word}.{town.seat.site}@uni.test" for word in ("old", "new", "own"))
    # What the person has added stays.
    await desk.accounts.set_email(user_id, own)
    await desk.accounts.set_email(user_id, new, before=old)
    await desk.accounts.set_avatar(user_id, Picture("1", "image/png", PNG))
    stored = await town.as_stored(user_id)
    assert stored["displayname"] == "Ann Ä. Smith"
    assert sorted(one["address"] for one in stored["threepids"]) == [new, own]
    assert stored["avatar_url"].startswith("mxc://")
    assert [one["external_id"] for one in stored["external_ids"]] == [user_id]
    await desk.accounts.set_avatar(user_id, None)
    assert not (await town.as_stored(user_id))["avatar_url"]


async def test_a_password_lets_its_owner_in_and_stands_in_no_log(
    town: Town, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    user_id = town.new_id()
    with caplog.at_level(logging.DEBUG):
        await desk.accounts.create(user_id)
        await desk.accounts.fill(user_id, Attributes("Ann", password="correct horse battery"))
    content = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user_id},
        "password": "correct horse battery",
    }
    assert (await town.request("POST", "/_matrix/client/v3/login", content, token=""))["user_id"] == user_id
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "PUT" in logged and "correct horse" not in logged


async def test_accounts_that_can_t_be_used_are_recognised(town: Town, desk: Desk) -> None:
    found = {}
    for state in ("deactivated", "suspended", "locked"):
        user_id = town.new_id(state)
        await desk.accounts.create(user_id)
        if state == "deactivated":
            await desk.accounts.deactivate(user_id, erase=False)
        elif state == "suspended":
            await town.admin("PUT", f"/_synapse/admin/v1/suspend/{user_id}", {"suspend": True})
        else:
            await town.admin("PUT", f"/_synapse/admin/v2/users/{user_id}", {"locked": True})
        account = await desk.accounts.look(user_id)
        assert account is not None
        found[state] = (account.deactivated, account.suspended, account.locked)
    assert found == {
        "deactivated": (True, False, False),
        "suspended": (False, True, False),
        "locked": (False, False, True),
    }


async def test_without_rights_a_deactivated_account_looks_like_any_other_and_says_so(town: Town) -> None:
    user_id = town.new_id()
    await town.admin("PUT", f"/_synapse/admin/v2/users/{user_id}", {})
    await town.admin("POST", f"/_synapse/admin/v1/deactivate/{user_id}", {"erase": False})
    await town.admin("PUT", f"/_matrix/client/v3/profile/{user_id}/displayname", {"displayname": "Ann"})
    account = await town.desk().accounts.look(user_id)
    assert account is not None and not account.seen_as_admin and not account.deactivated


async def test_an_erased_account_is_gone_for_good_and_is_not_made_again(town: Town, desk: Desk) -> None:
    user_id = town.new_id()
    await desk.accounts.create(user_id)
    for _ in range(2):
        await desk.accounts.deactivate(user_id, erase=True)
    stored = await town.as_stored(user_id)
    assert stored["deactivated"] and stored["erased"]
    assert not await desk.accounts.create(user_id)
    assert await town.as_stored(user_id) == stored
    await desk.accounts.deactivate(town.new_id("nobody"), erase=True)


@pytest.mark.parametrize("localpart", ["UPPER", "ümlaut", "_hidden", "a b", "x" * 250, "12345"])
async def test_an_id_that_synapse_does_not_take_is_said(town: Town, desk: Desk, localpart: str) -> None:
    user_id = UserId(f"@{localpart}:{town.synapse.server_name}")
    with pytest.raises(PermanentFailure, match=r"does not take .* as the id of a new account"):
        await desk.accounts.create(user_id)


async def test_an_id_in_somebody_s_namespace_is_not_made(town: Town, desk: Desk) -> None:
    with pytest.raises(PermanentFailure, match="namespace of an application service"):
        await desk.accounts.create(town.virtual(7))


async def test_many_who_have_no_account_are_found_missing_with_few_requests(town: Town, desk: Desk) -> None:
    there, gone, late = town.new_id(), town.new_id("gone"), town.new_id("late")
    for user_id in (there, gone):
        await desk.accounts.create(user_id)
    await desk.accounts.deactivate(gone, erase=False)
    await desk.accounts.rights()
    mark = town.synapse.mark()
    looks = [await desk.accounts.look(town.new_id("nobody")) for _ in range(100)]
    assert looks == [None] * 100
    assert len(town.synapse.requests_by(town.seat.sender, mark)) == FEW + 1
    for user_id in (there, gone):
        assert await desk.accounts.look(user_id) is not None
    # Who comes after the list was read is missed for two minutes, unless it was we who made the account.
    await town.admin("PUT", f"/_synapse/admin/v2/users/{late}", {})
    assert await desk.accounts.look(late) is None
    assert not await desk.accounts.create(late)
    assert await desk.accounts.look(late) is not None


async def test_a_server_that_can_t_be_reached_is_a_matter_of_time(desk: Desk) -> None:
    with pytest.raises(TemporaryFailure):
        await desk.accounts.look(UserId("@ann:else.invalid"))


# Virtual users


async def test_a_virtual_user_lives_without_any_rights(town: Town) -> None:
    accounts, user_id, room_id = town.desk().accounts, town.virtual(7), await town.room()
    for _ in range(2):
        await accounts.register_virtual(user_id)
    await accounts.set_name(user_id, "Ann (Moodle)")
    await accounts.set_avatar(user_id, Picture("1", "image/png", PNG))
    stored = await town.as_stored(user_id)
    assert stored["displayname"] == "Ann (Moodle)" and stored["avatar_url"].startswith("mxc://")
    path = f"/_matrix/client/v3/rooms/{quote(room_id)}/invite"
    await town.request("POST", path, {"user_id": user_id})
    for _ in range(2):
        await accounts.join_as(room_id, user_id)
    assert await town.membership(room_id, user_id) == "join"
    await accounts.deactivate(user_id, erase=True)
    stored = await town.as_stored(user_id)
    assert stored["deactivated"] and stored["erased"]


async def test_a_virtual_user_that_is_not_invited_does_not_get_in(town: Town) -> None:
    accounts, user_id = town.desk().accounts, town.virtual(8)
    await accounts.register_virtual(user_id)
    with pytest.raises(PermanentFailure, match="not invited"):
        await accounts.join_as(await town.room(), user_id)


async def test_nobody_outside_our_namespace_can_be_made_a_virtual_user(town: Town, people: People) -> None:
    accounts, stranger = town.desk().accounts, await people.register(town.synapse, "stranger")
    with pytest.raises(PermanentFailure, match="it is not in our namespace"):
        await accounts.register_virtual(town.new_id("free"))
    with pytest.raises(PermanentFailure):
        await accounts.join_as(await town.room(), UserId(stranger.user_id))
