"""Synapse's admin API, opened with whichever of our tokens fits.

The bot's own as_token does where an administrator has made the bot a server admin; else `homeserver.admin_token`
does. Which of them it is, and whether the Matrix Authentication Service (MAS) keeps the accounts in Synapse's place,
is found out with two or three requests and remembered for `REMEMBERED` seconds, or until a request is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mautrix.api import Method, Path, PathBuilder, SynapseAdminPath

from ..domain.model import UserId
from ..errors import NoAdminRights
from ..ports import Clock
from .http import HomeserverApi, HomeserverRefused, Reply

REMEMBERED = 600.0
_NOT_AN_ADMIN = "not a server admin"


class Key(Protocol):
    """What opens the door: a token with the patience of `HomeserverApi`."""

    async def ask(
        self,
        method: Method,
        path: PathBuilder,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        attempts: int = 5,
        sensitive: bool = False,
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Door:
    """What was found. `key` None: closed, and `reason` says why; `delegated`: MAS keeps the accounts."""

    key: Key | None
    delegated: bool
    reason: str
    found_at: float
    of_bot: bool = False
    """Whether it is opened by the bot itself, which is in the rooms."""


class AdminApi:
    """The door and what is asked through it."""

    def __init__(self, by_service: HomeserverApi, by_admin: Key | None, *, bot: UserId, clock: Clock) -> None:
        self._by_service = by_service
        self._by_admin = by_admin
        self._bot = bot
        self._clock = clock
        self._door: Door | None = None
        self._one_at_a_time = asyncio.Lock()

    async def door(self) -> Door:
        """What we may do. Raises `TemporaryFailure` where the homeserver can't be asked."""
        async with self._one_at_a_time:
            door = self._door
            if door is None or self._clock.now() - door.found_at >= REMEMBERED:
                door = self._door = await self._find()
            return door

    async def ask(
        self,
        method: Method,
        path: PathBuilder,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        attempts: int = 5,
        sensitive: bool = False,
    ) -> Reply:
        """One request. Raises `NoAdminRights` where the door is closed, or closes at this moment."""
        door = await self.door()
        if door.key is None:
            raise NoAdminRights(f"{door.reason} Nothing was changed.")
        try:
            return await door.key.ask(
                method, path, content, query=query, attempts=attempts, sensitive=sensitive
            )
        except NoAdminRights:
            self._door = None
            raise
        except HomeserverRefused as error:
            if not _says_no_admin(error):
                raise
            self._door = None
            raise NoAdminRights(
                f"The homeserver has taken our admin rights away ({error.errcode}). Nothing was changed. "
                "Make the bot an administrator again, or set homeserver.admin_token."
            ) from None

    async def _find(self) -> Door:
        delegated = await self._is_delegated()
        now = self._clock.now()
        refusal = await self._refusal(self._by_service)
        if not refusal:
            return Door(self._by_service, delegated, "", now, of_bot=True)
        if self._by_admin is None:
            return Door(None, delegated, refusal, now)
        refusal = await self._refusal(self._by_admin)
        return Door(None if refusal else self._by_admin, delegated, refusal, now)

    async def _is_delegated(self) -> bool:
        try:
            await self._by_service.call(Method.GET, Path.v1.auth_metadata)
        except HomeserverRefused:
            return False
        return True

    async def _refusal(self, key: Key) -> str:
        """Why this key does not open the door; empty where it does."""
        of_token = key is self._by_admin
        try:
            await key.ask(Method.GET, SynapseAdminPath.v2.users[self._bot])
        except NoAdminRights as error:
            return str(error)
        except HomeserverRefused as error:
            if error.errcode == "M_NOT_FOUND":
                # Only an administrator is told that an account does not exist.
                return ""
            if error.errcode == "M_UNKNOWN_TOKEN":
                # The as_token itself is wrong: nothing works, which is said elsewhere.
                raise
            if _says_no_admin(error):
                return (
                    "homeserver.admin_token is not a server administrator's."
                    if of_token
                    else f"The bot {self._bot} is no server administrator."
                )
            return (
                f"Synapse's admin API does not answer at homeserver.address (HTTP {error.status} {error.errcode}): "
                "/_synapse/admin is often not let through by a proxy."
            )
        return ""


def _says_no_admin(error: HomeserverRefused) -> bool:
    return error.status == 403 and _NOT_AN_ADMIN in error.text
