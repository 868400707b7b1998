"""Accounts that the Matrix Authentication Service keeps for Synapse: its admin API, as its OpenAPI description says.

An account is a `user` with a ULID, found by its localpart; how its person signs in are `upstream-oauth-link`s, its
addresses `user-email`s. MAS makes the account at Synapse by itself. It refuses to make what exists, to link what is
linked and to add an address that another has, so nothing of somebody else's is ever overwritten. Only names, pictures
and suspension stay Synapse's: for those its admin API is asked where it is open.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mautrix.api import Method, Path

from ..domain.model import UserId
from ..errors import NoAdminRights, PermanentFailure, TemporaryFailure
from ..ports import Account, AccountRights, Attributes
from .admin import AdminApi
from .mas import MasApi, MasRefused
from .synapse_accounts import SynapseAccounts, canonical

PAGE = 100
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
Resource = Mapping[str, Any]


class MasAccounts:
    """Real accounts by MAS's admin API. `provider` is the ULID of the upstream provider that people sign in with.

    `alias` is the name under which that provider is known to the rules (`identity.sso.provider`).
    """

    def __init__(
        self,
        mas: MasApi,
        synapse: SynapseAccounts,
        admin: AdminApi,
        *,
        domain: str,
        provider: str,
        alias: str,
    ) -> None:
        self._mas = mas
        self._synapse = synapse
        self._admin = admin
        self._domain = domain
        self._provider = provider
        self._alias = alias

    async def rights(self) -> AccountRights:
        """What we may do."""
        query = {"page[first]": "1"}
        path = "users"
        if self._provider:
            path, query = "upstream-oauth-links", {**query, "filter[provider]": self._provider}
        try:
            await self._mas.ask("GET", [path], query=query)
        except NoAdminRights as error:
            return AccountRights(look=False, create=False, sentences=(str(error),))
        except MasRefused as error:
            return AccountRights(
                look=False,
                create=False,
                sentences=(
                    f"The Matrix Authentication Service does not know the provider of homeserver.mas.provider "
                    f"({error.text}). Its ids are listed by: mas-cli config dump.",
                ),
            )
        door = await self._admin.door()
        if door.key is not None:
            return AccountRights(look=True, create=True)
        return AccountRights(
            look=True,
            create=True,
            sentences=(
                f"{door.reason} Under the Matrix Authentication Service the bot can't be one, so names and avatars of "
                "accounts don't follow Moodle, and suspended accounts are not recognised. To change that, set "
                "homeserver.admin_token (docs/setup-synapse.md).",
            ),
        )

    async def look(self, user_id: UserId) -> Account | None:
        """`GET users/by-username/{localpart}`, then its links and addresses, and Synapse's view where that is open."""
        user = await self._user(user_id)
        if user is None:
            return None
        of_user = {"filter[user]": _id(user), "page[first]": str(PAGE)}
        links, emails, at_synapse = await asyncio.gather(
            self._list("upstream-oauth-links", of_user),
            self._list("user-emails", of_user),
            self._at_synapse(user_id),
        )
        own = _attributes(user)
        return replace(
            at_synapse or Account(user_id),
            deactivated=own.get("deactivated_at") is not None,
            locked=own.get("locked_at") is not None and own.get("deactivated_at") is None,
            admin=bool(own.get("admin")),
            external_ids=frozenset(
                (self._name_of(str(link.get("provider_id"))), str(link.get("subject")))
                for link in map(_attributes, links)
            ),
            emails=frozenset(str(email.get("email")) for email in map(_attributes, emails)),
            made_at=_time(own.get("created_at")),
        )

    async def by_external_id(self, provider: str, external_id: str) -> UserId | None:
        """`GET upstream-oauth-links`, then the user that the link belongs to."""
        query = {
            "filter[provider]": self._ulid_of(provider),
            "filter[subject]": external_id,
            "page[first]": "1",
        }
        for link in await self._list("upstream-oauth-links", query):
            owner = _attributes(link).get("user_id")
            return await self._user_id(str(owner)) if owner is not None else None
        return None

    async def by_email(self, address: str) -> UserId | None:
        """`GET user-emails`, then the user that has it."""
        query = {"filter[email]": canonical(address), "page[first]": "1"}
        for email in await self._list("user-emails", query):
            return await self._user_id(str(_attributes(email).get("user_id")))
        return None

    async def newest(self, limit: int) -> Sequence[UserId]:
        """`GET users`: ids of MAS grow with time, and its lists are sorted by them."""
        users = await self._list("users", {"page[last]": str(limit), "filter[status]": "active"})
        return [UserId(f"@{_attributes(user).get('username')}:{self._domain}") for user in reversed(users)]

    async def create(self, user_id: UserId, display_name: str) -> bool:
        """`POST users`: 409 where there is one, here or at Synapse alone.

        Raises `PermanentFailure` for an id that it refuses.
        """
        content: dict[str, Any] = {"username": _localpart(user_id)}
        if display_name:
            content["displayname"] = display_name
        try:
            await self._mas.ask("POST", ["users"], content, attempts=1)
        except MasRefused as error:
            if error.status == 409:
                return False
            if error.status == 400:
                raise PermanentFailure(
                    f"The Matrix Authentication Service does not take {user_id} as the id of a new account "
                    f"({error.text}). Nothing was changed. Give the person another id (identity.template, or the "
                    "profile field)."
                ) from None
            raise
        return True

    async def fill(self, user_id: UserId, attributes: Attributes) -> None:
        """One request for each thing that is given; the name only where Synapse's admin API is open."""
        ulid = _id(await self._there(user_id))
        door = await self._admin.door()
        if door.key is not None:
            content = {"displayname": attributes.display_name}
            await self._admin.ask(Method.PUT, Path.v3.profile[user_id].displayname, content)
        for provider, external_id in attributes.external_ids:
            await self._link(user_id, ulid, provider, external_id)
        if attributes.email:
            await self._add_email(user_id, ulid, attributes.email)
        if attributes.password is not None:
            await self._mas.ask("POST", ["users", ulid, "set-password"], {"password": attributes.password})

    async def set_email(self, user_id: UserId, address: str, before: str) -> None:
        """Add the address, then remove the one before."""
        ulid = _id(await self._there(user_id))
        wanted = canonical(address)
        emails = await self._list("user-emails", {"filter[user]": ulid, "page[first]": str(PAGE)})
        kept = [email for email in emails if canonical(str(_attributes(email).get("email"))) == wanted]
        if not kept:
            await self._add_email(user_id, ulid, address)
        for email in emails:
            if email not in kept and canonical(str(_attributes(email).get("email"))) == canonical(before):
                await self._mas.ask("DELETE", ["user-emails", _id(email)])

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        """`POST users/{id}/deactivate`; fine where there is no such account."""
        user = await self._user(user_id)
        if user is not None:
            await self._mas.ask("POST", ["users", _id(user), "deactivate"], {"skip_erase": not erase})

    async def _link(self, user_id: UserId, ulid: str, provider: str, external_id: str) -> None:
        content = {"user_id": ulid, "provider_id": self._ulid_of(provider), "subject": external_id}
        try:
            await self._mas.ask("POST", ["upstream-oauth-links"], content)
        except MasRefused as error:
            if error.status != 409:
                raise
            # A request that was sent again after a lost answer finds its own link.
            if await self.by_external_id(provider, external_id) != user_id:
                raise PermanentFailure(
                    f"The account {user_id} was made, but can't be given its sign-on id: another account signs in with "
                    "it. That other account was left untouched. Remove the link there, or link this person to it."
                ) from None

    async def _add_email(self, user_id: UserId, ulid: str, address: str) -> None:
        try:
            await self._mas.ask("POST", ["user-emails"], {"user_id": ulid, "email": canonical(address)})
        except MasRefused as error:
            if error.status != 409:
                raise
            if await self.by_email(address) != user_id:
                raise PermanentFailure(
                    f"The e-mail address of {user_id} belongs to another account. Neither was changed. Remove the "
                    "address there, or correct it in Moodle."
                ) from None

    async def _at_synapse(self, user_id: UserId) -> Account | None:
        try:
            return await self._synapse.look(user_id)
        except NoAdminRights:
            return None

    async def _there(self, user_id: UserId) -> Resource:
        user = await self._user(user_id)
        if user is None:
            raise TemporaryFailure(
                f"The Matrix Authentication Service does not know {user_id} (yet). Nothing was changed; it is tried "
                "again."
            )
        return user

    async def _user(self, user_id: UserId) -> Resource | None:
        return await self._single(["users", "by-username", _localpart(user_id)])

    async def _user_id(self, ulid: str) -> UserId | None:
        user = await self._single(["users", ulid])
        return None if user is None else UserId(f"@{_attributes(user).get('username')}:{self._domain}")

    async def _single(self, path: Sequence[str]) -> Resource | None:
        try:
            reply = await self._mas.ask("GET", path)
        except MasRefused as error:
            if error.status == 404:
                return None
            raise
        data = reply.body.get("data")
        if not isinstance(data, Mapping):
            raise _unreadable()
        return data

    async def _list(self, path: str, query: Mapping[str, str]) -> Sequence[Resource]:
        reply = await self._mas.ask("GET", [path], query=query)
        data = reply.body.get("data")
        # A page without items has no `data` at all.
        if data is None and "links" in reply.body:
            return []
        if not isinstance(data, list) or not all(isinstance(one, Mapping) for one in data):
            raise _unreadable()
        return data

    def _ulid_of(self, provider: str) -> str:
        return provider if _ULID.fullmatch(provider) else self._provider

    def _name_of(self, ulid: str) -> str:
        return self._alias if ulid == self._provider and self._alias else ulid


def _localpart(user_id: UserId) -> str:
    return user_id[1:].partition(":")[0]


def _id(resource: Resource) -> str:
    found = resource.get("id")
    if not isinstance(found, str) or not _ULID.fullmatch(found):
        raise _unreadable()
    return found


def _attributes(resource: Resource) -> Mapping[str, Any]:
    found = resource.get("attributes")
    if not isinstance(found, Mapping):
        raise _unreadable()
    return found


def _unreadable() -> TemporaryFailure:
    return TemporaryFailure(
        "An answer of the Matrix Authentication Service is not what its description says. Nothing was changed; it is "
        "tried again. If it stays so, its version is too old or too new for this program."
    )


def _time(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value else None
    except ValueError:
        return None
