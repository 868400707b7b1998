"""Accounts that Synapse keeps itself: its admin API ("User Admin API" in Synapse's documentation).

Two traps decide how this is written. `PUT /v2/users/{id}` replaces names, e-mail addresses and SSO ids of an account
that is there, so an account is made with `{}`, which changes nothing where there is one (200) and makes a new one
(201). And it takes an e-mail address away from whoever has it, so an address is looked up first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mautrix.api import Method, PathBuilder, SynapseAdminPath

from ..domain.model import UserId
from ..errors import NoAdminRights, PermanentFailure, TemporaryFailure
from ..ports import Account, AccountRights, Attributes, Clock
from .admin import AdminApi
from .census import Census
from .http import HomeserverRefused

LOST = "So sign-on ids are not looked up, deactivated accounts are not recognised, and no accounts are made."
REMEDY = "To change that, make the bot a server administrator or set homeserver.admin_token (docs/setup-synapse.md)."
WITH_MAS = (
    "The Matrix Authentication Service keeps the accounts of this homeserver, so Synapse can neither make them nor say "
    "how people sign in. To have that, set homeserver.mas (docs/setup-synapse.md)."
)


class SynapseAccounts:
    """Real accounts by Synapse's admin API."""

    def __init__(self, admin: AdminApi, clock: Clock) -> None:
        self._admin = admin
        self._census = Census(self._page, clock)
        # Between the look who has an address and the request that would take it away from them.
        self._one_address_at_a_time = asyncio.Lock()

    async def rights(self) -> AccountRights:
        """What we may do."""
        door = await self._admin.door()
        if door.delegated:
            closed = () if door.key else (f"{door.reason} {REMEDY}",)
            return AccountRights(look=False, create=False, sentences=(WITH_MAS, *closed))
        if door.key is None:
            return AccountRights(look=False, create=False, sentences=(door.reason, f"{LOST} {REMEDY}"))
        return AccountRights(look=True, create=True)

    async def look(self, user_id: UserId) -> Account | None:
        """`GET /v2/users/{id}`, or none where the list of all accounts was read and does not have it (`census`)."""
        if await self._census.lacks(user_id):
            return None
        try:
            reply = await self._admin.ask(Method.GET, _user(user_id))
        except HomeserverRefused as error:
            if error.errcode == "M_NOT_FOUND":
                self._census.missed()
                return None
            raise
        return _account(user_id, reply.body)

    async def by_external_id(self, provider: str, external_id: str) -> UserId | None:
        """`GET /v1/auth_providers/{provider}/users/{id}`. Raises `NoAdminRights` where MAS keeps the accounts."""
        door = await self._admin.door()
        if door.delegated:
            raise NoAdminRights(WITH_MAS)
        return await self._found(SynapseAdminPath.v1.auth_providers[provider].users[external_id])

    async def by_email(self, address: str) -> UserId | None:
        """`GET /v1/threepid/email/users/{address}`."""
        return await self._found(SynapseAdminPath.v1.threepid.email.users[canonical(address)])

    async def newest(self, limit: int) -> Sequence[UserId]:
        """`GET /v2/users`. Raises `TemporaryFailure` for what is no list."""
        query = {"order_by": "creation_ts", "dir": "b", "limit": str(limit), "guests": "false"}
        reply = await self._admin.ask(Method.GET, SynapseAdminPath.v2.users, query=query)
        users = reply.body.get("users")
        if not isinstance(users, list):
            raise TemporaryFailure(
                "The homeserver's list of accounts is not a list. Nothing was changed; it is tried again."
            )
        found = [UserId(str(user["name"])) for user in users if isinstance(user, dict) and "name" in user]
        for user_id in found:
            # Who appeared since the last census is looked for because of this list.
            self._census.came(user_id)
        return found

    async def create(self, user_id: UserId, display_name: str) -> bool:
        """`PUT /v2/users/{id}` with `{}`.

        Raises `NoAdminRights` where MAS keeps the accounts, `PermanentFailure` where it is refused otherwise.
        """
        # The name would overwrite that of an account that is there; `fill` gives it.
        del display_name
        # Also where the answer is lost.
        self._census.came(user_id)
        try:
            reply = await self._admin.ask(Method.PUT, _user(user_id), {}, attempts=1)
        except HomeserverRefused as error:
            raise _unmakable(user_id, error) from None
        return reply.status == 201

    async def fill(self, user_id: UserId, attributes: Attributes) -> None:
        """`PUT /v2/users/{id}`; with an e-mail address one more request before it."""
        content: dict[str, Any] = {"displayname": attributes.display_name}
        if attributes.external_ids:
            content["external_ids"] = [
                {"auth_provider": provider, "external_id": external}
                for provider, external in attributes.external_ids
            ]
        if attributes.password is not None:
            content["password"] = attributes.password
        if not attributes.email:
            await self._fill(user_id, content)
            return
        async with self._one_address_at_a_time:
            content["threepids"] = [await self._free_email(user_id, attributes.email)]
            await self._fill(user_id, content)

    async def _fill(self, user_id: UserId, content: Mapping[str, Any]) -> None:
        try:
            await self._admin.ask(Method.PUT, _user(user_id), content, sensitive=True)
        except HomeserverRefused as error:
            if error.status != 409:
                raise
            raise PermanentFailure(
                f"The account {user_id} was made, but can't be given its sign-on id: another account signs in with it. "
                "That other account was left untouched. Remove the id there, or link this person to it."
            ) from None

    async def set_email(self, user_id: UserId, address: str, before: str) -> None:
        """`PUT /v2/users/{id}`, which takes the whole list, after a look at the list and who has the address."""
        async with self._one_address_at_a_time:
            wanted = await self._free_email(user_id, address)
            body = (await self._admin.ask(Method.GET, _user(user_id))).body
            old = {"medium": "email", "address": canonical(before)}
            listed = [
                {"medium": str(one.get("medium")), "address": str(one.get("address"))}
                for one in _objects(body, "threepids")
            ]
            kept = [one for one in listed if one not in (old, wanted)]
            await self._admin.ask(Method.PUT, _user(user_id), {"threepids": [*kept, wanted]}, sensitive=True)

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        """`POST /v1/deactivate/{id}`; fine where there is no such account."""
        try:
            await self._admin.ask(Method.POST, SynapseAdminPath.v1.deactivate[user_id], {"erase": erase})
        except HomeserverRefused as error:
            if error.errcode != "M_NOT_FOUND":
                raise

    async def _page(self, offset: int, limit: int) -> Mapping[str, Any]:
        """`GET /v2/users`: everybody but guests, the deactivated and the locked too."""
        query = {
            "from": str(offset),
            "limit": str(limit),
            "deactivated": "true",
            "locked": "true",
            "guests": "false",
        }
        return (await self._admin.ask(Method.GET, SynapseAdminPath.v2.users, query=query)).body

    async def _free_email(self, user_id: UserId, address: str) -> Mapping[str, str]:
        holder = await self.by_email(address)
        if holder not in (None, user_id):
            raise PermanentFailure(
                f"The e-mail address of {user_id} belongs to another account ({holder}) at the homeserver. Neither was "
                "changed. Remove the address there, or correct it in Moodle."
            )
        return {"medium": "email", "address": canonical(address)}

    async def _found(self, path: PathBuilder) -> UserId | None:
        try:
            reply = await self._admin.ask(Method.GET, path)
        except HomeserverRefused as error:
            if error.errcode == "M_NOT_FOUND":
                return None
            raise
        found = reply.body.get("user_id")
        if not isinstance(found, str):
            raise TemporaryFailure(
                "The homeserver found an account without saying which. Nothing was changed; it is tried again."
            )
        return UserId(found)


def canonical(address: str) -> str:
    """An e-mail address as Synapse stores it."""
    return address.strip().casefold()


def _user(user_id: UserId) -> PathBuilder:
    return SynapseAdminPath.v2.users[user_id]


def _unmakable(user_id: UserId, error: HomeserverRefused) -> PermanentFailure:
    if error.status == 403 and "MAS" in error.text:
        return NoAdminRights(WITH_MAS)
    if error.errcode == "M_EXCLUSIVE":
        return PermanentFailure(
            f"The account {user_id} can't be made: its name belongs to the namespace of an application service. "
            "Nothing was changed. Give the person another id (identity.template, or the profile field)."
        )
    if error.status == 400:
        return PermanentFailure(
            f"The homeserver does not take {user_id} as the id of a new account ({error.errcode}: {error.text[:200]}). "
            "Nothing was changed. Give the person another id (identity.template, or the profile field)."
        )
    return error


def _account(user_id: UserId, body: Mapping[str, Any]) -> Account:
    if body.get("name") != user_id:
        raise TemporaryFailure(
            f"The homeserver's answer about {user_id} is about something else: is there another server at its address? "
            "Nothing was changed; it is looked at again."
        )
    return Account(
        user_id=user_id,
        display_name=str(body.get("displayname") or ""),
        deactivated=bool(body.get("deactivated")),
        suspended=bool(body.get("suspended")),
        locked=bool(body.get("locked")),
        admin=bool(body.get("admin")),
        external_ids=frozenset(
            (str(one.get("auth_provider")), str(one.get("external_id")))
            for one in _objects(body, "external_ids")
        ),
        emails=frozenset(
            str(one.get("address")) for one in _objects(body, "threepids") if one.get("medium") == "email"
        ),
        made_at=_time(body.get("creation_ts")),
    )


def _objects(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = body.get(key)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _time(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
