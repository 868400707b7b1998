"""Accounts beyond the bot's own, as `ports.Accounts` has them.

Three ways lead to an account. Virtual users are ours: their names begin with the prefix of our exclusive namespace, and
we act for them by masquerading (`user_id=` behind each request), with no rights but the registration's. Real accounts
of our homeserver are kept by Synapse (`synapse_accounts`) or by the Matrix Authentication Service (`mas_accounts`), and
need an administrator's rights. Without those, and for accounts elsewhere, only the public profile can be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Protocol

from mautrix.api import Method, Path, SynapseAdminPath

from ..domain.model import RoomId, UserId
from ..errors import NoAdminRights, PermanentFailure
from ..ports import Account, AccountRights, Attributes, Clock, Picture
from .admin import REMEMBERED, AdminApi
from .http import HomeserverApi, HomeserverRefused
from .media import upload
from .office import SynapseOffice


class RealAccounts(Protocol):
    """Who keeps the real accounts; each method as in `ports.Accounts`."""

    async def rights(self) -> AccountRights: ...
    async def look(self, user_id: UserId) -> Account | None: ...
    async def by_external_id(self, provider: str, external_id: str) -> UserId | None: ...
    async def by_email(self, address: str) -> UserId | None: ...
    async def newest(self, limit: int) -> Sequence[UserId]: ...
    async def create(self, user_id: UserId, display_name: str) -> bool: ...
    async def fill(self, user_id: UserId, attributes: Attributes) -> None: ...
    async def set_email(self, user_id: UserId, address: str, before: str) -> None: ...
    async def deactivate(self, user_id: UserId, *, erase: bool) -> None: ...


class MatrixAccounts:
    """Implements `ports.Accounts`. `virtual` is what the ids of virtual users begin with, `@moodle_<site>_`."""

    def __init__(
        self,
        api: HomeserverApi,
        admin: AdminApi,
        real: RealAccounts,
        *,
        domain: str,
        virtual: str,
        clock: Clock,
    ) -> None:
        self._api = api
        self._admin = admin
        self._real = real
        self._domain = domain
        self._virtual = virtual
        self._clock = clock
        self._rights: AccountRights | None = None
        self._rights_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    @property
    def admin(self) -> AdminApi:
        """The door to the homeserver's admin API."""
        return self._admin

    def office(self, folder: FilePath | None, site: str) -> SynapseOffice:
        """Who deletes rooms and writes them down, with the same rights."""
        return SynapseOffice(self._api, self._admin, folder, site)

    async def rights(self) -> AccountRights:
        """What we may do, asked once and remembered for ten minutes."""
        async with self._one_at_a_time:
            if self._rights is None or self._clock.now() - self._rights_at >= REMEMBERED:
                found = await self._real.rights()
                self._rights = replace(found, force_join=(await self._admin.door()).of_bot)
                self._rights_at = self._clock.now()
            return self._rights

    async def look(self, user_id: UserId) -> Account | None:
        """By the admin API; without rights, and at another homeserver, `GET /profile/{id}`."""
        if not self._is_here(user_id):
            return await self._public(user_id)
        rights = await self.rights()
        try:
            account = await self._real.look(user_id)
        except NoAdminRights:
            self._rights = None
            return await self._public(user_id)
        # Synapse shows the state of accounts that another service keeps, but not how people sign in to them.
        return account if account is None or rights.look else replace(account, seen_as_admin=False)

    async def by_external_id(self, provider: str, external_id: str) -> UserId | None:
        """The account that signs in with this id of an identity provider."""
        return await self._real.by_external_id(provider, external_id)

    async def by_email(self, address: str) -> UserId | None:
        """The account that has this e-mail address."""
        return await self._real.by_email(address)

    async def newest(self, *, limit: int = 100) -> Sequence[UserId] | None:
        """The accounts made last, newest first; None without admin rights."""
        try:
            return await self._real.newest(limit)
        except NoAdminRights:
            return None

    async def create(self, user_id: UserId, *, display_name: str = "") -> bool:
        """Make an empty account; False where there was one."""
        return await self._real.create(user_id, display_name)

    async def fill(self, user_id: UserId, attributes: Attributes) -> None:
        """Give a new account what belongs to it."""
        await self._real.fill(user_id, attributes)

    async def set_name(self, user_id: UserId, name: str) -> None:
        """`PUT /profile/{id}/displayname`."""
        await self._set_profile(user_id, "displayname", name)

    async def set_avatar(self, user_id: UserId, picture: Picture | None) -> None:
        """`POST /_matrix/media/v3/upload`, then `PUT /profile/{id}/avatar_url`."""
        if not self._is_virtual(user_id):
            # Not to leave an upload behind that nobody may use.
            await self._need_door()
        uri = "" if picture is None else await upload(self._api, picture.data, picture.content_type)
        await self._set_profile(user_id, "avatar_url", uri)

    async def set_email(self, user_id: UserId, address: str, *, before: str = "") -> None:
        """Replace the address that we gave an account of ours."""
        await self._real.set_email(user_id, address, before)

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        """By the admin API; a virtual user by masquerading (`POST /account/deactivate`)."""
        if not self._is_virtual(user_id):
            await self._real.deactivate(user_id, erase=erase)
            return
        try:
            await self._api.call(Method.POST, Path.v3.account.deactivate, {"erase": erase}, as_user=user_id)
        except HomeserverRefused as error:
            # Under the Matrix Authentication Service nobody deactivates himself at Synapse.
            if error.errcode != "M_UNRECOGNIZED":
                raise
            await self._admin_deactivate(user_id, erase=erase)

    async def register_virtual(self, user_id: UserId) -> None:
        """`POST /register` as the application service, without a login.

        Raises `PermanentFailure` outside our namespace.
        """
        content = {
            "type": "m.login.application_service",
            "username": user_id[1:].partition(":")[0],
            "inhibit_login": True,
        }
        try:
            await self._api.call(Method.POST, Path.v3.register, content, query={"kind": "user"})
        except HomeserverRefused as error:
            if error.errcode == "M_USER_IN_USE":
                return
            if error.errcode == "M_EXCLUSIVE":
                raise PermanentFailure(
                    f"The homeserver does not let us make the virtual user {user_id}: it is not in our namespace. "
                    "Nothing was changed. Compare `namespaces.users` of the registration with Synapse's copy of it."
                ) from None
            raise

    async def join_as(self, room_id: RoomId, user_id: UserId) -> None:
        """`POST /join/{id}`, masquerading."""
        await self._api.call(Method.POST, Path.v3.join[room_id], as_user=user_id)

    async def force_join(self, room_id: RoomId, user_id: UserId) -> None:
        """`POST /_synapse/admin/v1/join/{room}` as the bot: who asks must be in the room.

        Raises `NoAdminRights` where the bot is no server administrator, `PermanentFailure` without such an account.
        """
        if not (await self._admin.door()).of_bot:
            raise NoAdminRights(
                f"{user_id} was not put into the room: only the bot itself could, and it is no server administrator. "
                "Nothing was changed. Make the bot an administrator, or set membership.how: invite."
            )
        try:
            await self._admin.ask(Method.POST, SynapseAdminPath.v1.join[room_id], {"user_id": user_id})
        except HomeserverRefused as error:
            if error.status != 404:
                raise
            raise PermanentFailure(
                f"{user_id} was not put into the room: there is no such account yet. It is tried again, and works as "
                "soon as the person has signed in for the first time."
            ) from None

    async def _public(self, user_id: UserId) -> Account | None:
        try:
            profile = await self._api.call(Method.GET, Path.v3.profile[user_id])
        except HomeserverRefused as error:
            # Synapse says M_UNKNOWN where there never was a profile. A 404 without a code is not the homeserver's.
            if error.status == 404 and error.errcode in {"M_NOT_FOUND", "M_UNKNOWN"}:
                return None
            if error.status == 403:
                raise PermanentFailure(
                    f"Whether there is an account {user_id} can't be seen: its profile is not shown to us. Nothing was "
                    "changed. Make the bot an administrator, or take limit_profile_requests_to_users_who_share_rooms "
                    "out of homeserver.yaml."
                ) from None
            raise
        return Account(user_id, display_name=str(profile.get("displayname") or ""), seen_as_admin=False)

    async def _set_profile(self, user_id: UserId, key: str, value: str) -> None:
        path = Path.v3.profile[user_id][key]
        if self._is_virtual(user_id):
            await self._api.call(Method.PUT, path, {key: value}, as_user=user_id)
        else:
            # Not by PUT /v2/users, which would make an account where there is none.
            await self._admin.ask(Method.PUT, path, {key: value})

    async def _admin_deactivate(self, user_id: UserId, *, erase: bool) -> None:
        await self._admin.ask(Method.POST, SynapseAdminPath.v1.deactivate[user_id], {"erase": erase})

    async def _need_door(self) -> None:
        door = await self._admin.door()
        if door.key is None:
            raise NoAdminRights(f"{door.reason} Nothing was changed.")

    def _is_here(self, user_id: UserId) -> bool:
        return user_id.partition(":")[2] == self._domain

    def _is_virtual(self, user_id: UserId) -> bool:
        return user_id.startswith(self._virtual)
