"""A real Synapse that has handed its accounts to the Matrix Authentication Service, whose part the fake plays.

Synapse asks it about every token, and is told by it of new accounts, as by the real one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.domain.model import UserId
from moodle_appservice.errors import NoAdminRights
from moodle_appservice.matrix.admin_token import TokenPair
from moodle_appservice.ports import Attributes
from tests.accounts_desk import Desk, ulid
from tests.adapters.fake_mas import FakeMas, tell_synapse
from tests.live.homeserver import Seat, write_registration

SECRET = "shared-by-mas-and-synapse"
SCOPE = "urn:matrix:client:api:* urn:synapse:admin:*"
PROVIDER = ulid("provider")


@dataclass
class Campus:
    """A homeserver, its MAS, and our seat there."""

    synapse: EmbeddedSynapse
    mas: FakeMas
    seat: Seat

    def desk(self, *, with_mas: bool = True, admin: TokenPair | None = None) -> Desk:
        return Desk(
            self.synapse.url,
            bot=self.seat.sender,
            as_token=self.seat.as_token,
            admin=admin,
            mas=self.mas.address if with_mas else "",
            provider=PROVIDER,
            virtual=f"@{self.seat.prefix}",
        )

    def user(self, localpart: str) -> UserId:
        return UserId(f"@{localpart}:{self.synapse.server_name}")

    async def root(self) -> TokenPair:
        """An administrator's tokens, as MAS issues them."""
        if not any(user["username"] == "root" for user in self.mas.users.values()):
            self.mas.add_user("root", admin=True)
            assert self.mas.synapse is not None
            await self.mas.synapse("provision_user", {"localpart": "root"})
        access, refresh = self.mas.issue(SCOPE, "root")
        return TokenPair(access, refresh)


@pytest.fixture(scope="module")
async def campus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Campus]:
    folder: Path = tmp_path_factory.mktemp("campus")
    mas = FakeMas()
    await mas.start()
    seat = write_registration(folder, "m1")
    settings = {
        "matrix_authentication_service": {"enabled": True, "endpoint": mas.address, "secret": SECRET},
        "password_config": {"enabled": False},
        "login_via_existing_session": {"enabled": False},
    }
    synapse = EmbeddedSynapse(registrations=[seat.path], settings=settings)
    # Where MAS keeps the accounts, Synapse makes no administrator.
    synapse.admin_token = "none"
    try:
        await synapse.start()
        mas.synapse = tell_synapse(synapse.url, SECRET)
        made = Campus(synapse, mas, seat)
        desk = made.desk()
        await desk.accounts.register_virtual(UserId(seat.sender))
        await desk.close()
        yield made
        assert mas.wrong == []
    finally:
        await synapse.stop()
        await mas.stop()


async def test_the_bot_is_never_an_administrator_and_synapse_makes_no_accounts(campus: Campus) -> None:
    desk = campus.desk(with_mas=False)
    rights = await desk.accounts.rights()
    assert not (rights.look or rights.create)
    said = " ".join(rights.sentences)
    assert "Matrix Authentication Service keeps the accounts" in said and "homeserver.mas" in said
    with pytest.raises(NoAdminRights):
        await desk.accounts.create(campus.user("never"))
    await desk.close()


async def test_an_administrator_s_token_alone_makes_no_accounts_either(campus: Campus) -> None:
    desk = campus.desk(with_mas=False, admin=await campus.root())
    assert not (await desk.accounts.rights()).create
    with pytest.raises(NoAdminRights, match=r"homeserver\.mas"):
        await desk.accounts.create(campus.user("never"))
    assert await desk.accounts.look(campus.user("never")) is None
    await desk.close()


async def test_an_account_is_made_through_mas_and_is_there_at_synapse(campus: Campus) -> None:
    desk, ann = campus.desk(), campus.user("ann")
    assert (await desk.accounts.rights()).create
    assert await desk.accounts.create(ann, display_name="Ann")
    await desk.accounts.fill(ann, Attributes("Ann", ((PROVIDER, "sub-ann"),), "ann@uni.test"))
    assert not await desk.accounts.create(ann, display_name="Somebody else")
    assert await desk.accounts.by_external_id(PROVIDER, "sub-ann") == ann
    public = campus.desk(with_mas=False)
    seen = await public.accounts.look(ann)
    assert seen is not None and seen.display_name == "Ann"
    await desk.accounts.deactivate(ann, erase=True)
    found = await desk.accounts.look(ann)
    assert found is not None and found.deactivated
    assert await public.accounts.look(ann) is None, "Synapse has erased the profile"
    await desk.close()
    await public.close()


async def test_an_expired_administrator_s_token_is_renewed_and_opens_synapse_s_own_part(
    campus: Campus,
) -> None:
    pair = await campus.root()
    desk, bob = campus.desk(admin=TokenPair("mat_expired_long_ago", pair.refresh)), campus.user("bob")
    rights = await desk.accounts.rights()
    assert rights.create and rights.sentences == ()
    assert await desk.accounts.create(bob)
    await desk.accounts.fill(bob, Attributes("Bob"))
    found = await desk.accounts.look(bob)
    assert found is not None and (found.display_name, found.suspended) == ("Bob", False)
    await desk.accounts.set_name(bob, "Bob B.")
    found = await desk.accounts.look(bob)
    assert found is not None and found.display_name == "Bob B."
    await desk.close()


async def test_virtual_users_live_as_without_mas(campus: Campus) -> None:
    desk = campus.desk(admin=await campus.root())
    virtual = campus.user(f"{campus.seat.prefix}7")
    for _ in range(2):
        await desk.accounts.register_virtual(virtual)
    await desk.accounts.set_name(virtual, "Ann")
    await desk.accounts.deactivate(virtual, erase=True)
    public = campus.desk(with_mas=False)
    assert await public.accounts.look(virtual) is None
    await desk.close()
    await public.close()
