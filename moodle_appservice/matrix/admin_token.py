"""`homeserver.admin_token`: a token of an administrator, renewed with its refresh token where there is one.

Tokens of the Matrix Authentication Service live five minutes. A refresh token is good for one renewal, which gives
the next one; so every renewed pair is stored before it is used, and a restart goes on with it. Whoever finds the
token expired renews it, all others wait for that one renewal. New tokens in the configuration replace stored ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mautrix.api import Method, Path, PathBuilder

from ..errors import NoAdminRights, TemporaryFailure
from ..ports import Settings
from .http import HomeserverApi, HomeserverRefused, Reply

STORED = "admin_token"
"""The setting that holds the renewed tokens. Its value is never shown or logged."""
_EXPIRED = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and what renews it; `refresh` is empty where nothing does."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)


Renewal = Callable[[str], Awaitable[TokenPair]]
"""From a refresh token to the next pair. Raises `NoAdminRights` where it is not accepted any more."""


def renewal_at(api: HomeserverApi) -> Renewal:
    """By the client-server API (`POST /refresh`); `api` has no token of its own."""

    async def renew(refresh: str) -> TokenPair:
        try:
            reply = await api.ask(
                Method.POST, Path.v3.refresh, {"refresh_token": refresh}, attempts=1, sensitive=True
            )
        except HomeserverRefused as error:
            raise not_renewed(f"HTTP {error.status} {error.errcode}") from None
        return pair_in(reply.body, refresh)

    return renew


def pair_in(body: Mapping[str, Any], refresh: str) -> TokenPair:
    """The pair in an answer; where it has no new refresh token, the old one stays good.

    Raises `TemporaryFailure` for an answer without a token.
    """
    access = body.get("access_token")
    if not isinstance(access, str) or not access:
        raise TemporaryFailure(
            "The renewal of homeserver.admin_token was answered without a token. It is tried again."
        )
    following = body.get("refresh_token")
    return TokenPair(access, following if isinstance(following, str) and following else refresh)


def not_renewed(reason: str) -> NoAdminRights:
    """The refresh token is not accepted."""
    return NoAdminRights(
        f"homeserver.admin_token has expired, and homeserver.admin_refresh_token does not renew it ({reason}). "
        "Nothing was changed. Get new tokens for both (docs/setup-synapse.md) and restart this service."
    )


class AdminToken:
    """Asks in the name of an administrator. `api` is its alone: its token changes with every renewal."""

    def __init__(
        self, api: HomeserverApi, configured: TokenPair, renew: Renewal | None, settings: Settings
    ) -> None:
        self._api = api
        self._configured = configured
        self._pair = configured
        self._renew = renew if configured.refresh else None
        self._settings = settings
        self._is_recalled = False
        self._one_at_a_time = asyncio.Lock()

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
        """One request, sent once more after a renewal where the token had expired. Raises `NoAdminRights` then."""
        await self._recall()
        for renewed in (False, True):
            used = self._pair
            try:
                return await self._api.ask(
                    method, path, content, query=query, attempts=attempts, sensitive=sensitive
                )
            except HomeserverRefused as error:
                if error.errcode not in _EXPIRED:
                    raise
            if not renewed:
                await self._renewed_since(used)
        raise NoAdminRights(
            "The homeserver does not accept homeserver.admin_token, not even right after it was renewed. "
            "Nothing was changed. Get new tokens (docs/setup-synapse.md) and restart this service."
        )

    async def _recall(self) -> None:
        if self._is_recalled:
            return
        async with self._one_at_a_time:
            if not self._is_recalled:
                self._take(_stored(await self._settings.get(STORED), self._configured) or self._configured)
                self._is_recalled = True

    async def _renewed_since(self, used: TokenPair) -> None:
        async with self._one_at_a_time:
            if self._pair is not used:
                return
            if self._renew is None:
                raise NoAdminRights(
                    "The homeserver does not accept homeserver.admin_token (any more). Nothing was changed. Get a new "
                    "one (docs/setup-synapse.md), with homeserver.admin_refresh_token if it expires by itself."
                )
            pair = await self._renew(used.refresh)
            content = {"of": _mark(self._configured), "access": pair.access, "refresh": pair.refresh}
            await self._settings.set(STORED, json.dumps(content))
            self._take(pair)

    def _take(self, pair: TokenPair) -> None:
        self._pair = pair
        self._api.token = pair.access


def _stored(text: str | None, configured: TokenPair) -> TokenPair | None:
    """The renewed pair, if it goes back to the tokens that are configured now."""
    if text is None:
        return None
    content = json.loads(text)
    if content.get("of") != _mark(configured):
        return None
    return TokenPair(content["access"], content["refresh"])


def _mark(pair: TokenPair) -> str:
    return hashlib.sha256(f"{pair.access}\0{pair.refresh}".encode()).hexdigest()
