"""One request to the Matrix Authentication Service (MAS), with its errors and our own token.

MAS answers in the shape of JSON:API (`{"data": …}`, errors as `{"errors": [{"title": …}]}`). We sign in as a client of
it (OAuth 2.0 client credentials, scope `urn:mas:admin`); the token lives some minutes and is asked for again when it
ends, by one for all. The same client renews an administrator's token (`refresh`). See MAS's "Admin API".
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import stamina
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from ..errors import NoAdminRights, PermanentFailure, TemporaryFailure, Unreachable
from .admin_token import TokenPair, not_renewed, pair_in
from .http import Reply

SCOPE = "urn:mas:admin"
EARLY = 20.0
"""Seconds before its end at which a token is not used any more."""
LONGEST_WAIT = 30.0
ADMIN = "/api/admin/v1"
DOCS = "(docs/setup-synapse.md)"
log = logging.getLogger(__name__)


class MasRefused(PermanentFailure):
    """MAS answered no. `text` holds its own words; `known` tells whether it was MAS at all that answered."""

    def __init__(self, message: str, *, status: int, text: str, known: bool) -> None:
        super().__init__(message)
        self.status = status
        self.text = text
        self.known = known


class MasApi:
    """`address` serves MAS's resources `oauth` and `adminapi`."""

    def __init__(
        self, address: str, client_id: str, client_secret: str, *, session: ClientSession, timeout: float
    ) -> None:
        self._address = address.rstrip("/")
        self._basic = "Basic " + b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._session = session
        self._timeout = ClientTimeout(total=timeout)
        self._token = ""
        self._good_until = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def ask(
        self,
        method: str,
        path: Sequence[str],
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        attempts: int = 5,
    ) -> Reply:
        """One request below `/api/admin/v1`.

        Raises `Unreachable`, `TemporaryFailure`, `NoAdminRights` (our client may not), or `MasRefused`.
        """
        where = "/".join([ADMIN, *(quote(part, safe="") for part in path)])
        reply = Reply(0, {})
        async for attempt in stamina.retry_context(
            on=_wait_before_next, attempts=attempts, timeout=None, wait_initial=0.3, wait_max=5.0
        ):
            with attempt:
                reply = await self._signed_in(method, where, content, query or {})
        return reply

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Renew an administrator's token that was issued to this very client.

        Raises `NoAdminRights` where it is not accepted.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        try:
            reply = await self._token_request(form)
        except MasRefused as error:
            raise not_renewed(f"HTTP {error.status} {error.text}") from None
        return pair_in(reply.body, refresh_token)

    async def _signed_in(
        self, method: str, where: str, content: Mapping[str, Any] | None, query: Mapping[str, str]
    ) -> Reply:
        used = await self._current_token()
        try:
            return await self._once(method, where, content, query, used)
        except MasRefused as error:
            if error.status != 401:
                raise _without_rights(error) from None
        if self._token == used:
            self._token = ""
        try:
            return await self._once(method, where, content, query, await self._current_token())
        except MasRefused as error:
            raise _without_rights(error) from None

    async def _current_token(self) -> str:
        async with self._one_at_a_time:
            if not self._token or time.monotonic() >= self._good_until:
                form = {"grant_type": "client_credentials", "scope": SCOPE}
                try:
                    reply = await self._token_request(form)
                except MasRefused as error:
                    raise NoAdminRights(
                        f"The Matrix Authentication Service does not let our client in (HTTP {error.status} "
                        f"{error.text}). Nothing was changed. Compare homeserver.mas with its `clients` and "
                        f"`policy.data.admin_clients` {DOCS}."
                    ) from None
                lifetime = reply.body.get("expires_in")
                seconds = float(lifetime) if isinstance(lifetime, int | float) else 60.0
                self._token = pair_in(reply.body, "").access
                self._good_until = time.monotonic() + max(seconds - EARLY, seconds / 2)
            return self._token

    async def _token_request(self, form: Mapping[str, str]) -> Reply:
        return await self._send("POST", "/oauth2/token", data=form, headers={"Authorization": self._basic})

    async def _once(
        self,
        method: str,
        where: str,
        content: Mapping[str, Any] | None,
        query: Mapping[str, str],
        token: str,
    ) -> Reply:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._send(method, where, json=content, params=query, headers=headers)

    async def _send(self, method: str, where: str, **arguments: Any) -> Reply:
        try:
            async with self._session.request(
                method, f"{self._address}{where}", timeout=self._timeout, **arguments
            ) as response:
                return _reply(response, await response.text(errors="replace"), f"{method} {where}")
        except (ClientError, TimeoutError, OSError) as error:
            raise Unreachable(
                f"The Matrix Authentication Service at {self._address} did not answer {method} {where} "
                f"({type(error).__name__}). What was asked for may or may not have been done; it is looked at again."
            ) from None


def _reply(response: ClientResponse, text: str, where: str) -> Reply:
    status = response.status
    if status == 429 or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise TemporaryFailure(
            f"The Matrix Authentication Service failed with HTTP {status} on {where}. It is tried again.",
            retry_after=float(wait) if wait.isdigit() else None,
        )
    body = _parse(text)
    if 200 <= status < 300:
        if body is None:
            raise TemporaryFailure(
                f"The answer of the Matrix Authentication Service to {where} can't be read: is there another server at "
                "homeserver.mas.address? It is tried again."
            )
        return Reply(status, body)
    titles = _titles(body or {})
    raise MasRefused(
        f"The Matrix Authentication Service refused {where} with HTTP {status}: {titles or 'without a word'}",
        status=status,
        text=titles,
        known=bool(titles),
    )


def _parse(text: str) -> Mapping[str, Any] | None:
    if not text:
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, Mapping) else None


def _titles(body: Mapping[str, Any]) -> str:
    errors = body.get("errors")
    if isinstance(errors, list):
        return "; ".join(str(one["title"]) for one in errors if isinstance(one, Mapping) and "title" in one)[
            :300
        ]
    # The token endpoint speaks OAuth.
    return str(body.get("error", ""))[:300]


def _without_rights(error: MasRefused) -> PermanentFailure:
    if error.status in (401, 403):
        return NoAdminRights(
            f"The Matrix Authentication Service does not let our client use its admin API (HTTP {error.status}). "
            f"Nothing was changed. Name the client in its `policy.data.admin_clients` {DOCS}."
        )
    if error.status == 404 and not error.known:
        return NoAdminRights(
            "There is no admin API at homeserver.mas.address. Nothing was changed. Add the resource `adminapi` to that "
            f"listener of the Matrix Authentication Service {DOCS}."
        )
    return error


def _wait_before_next(error: Exception) -> bool | float:
    if not isinstance(error, TemporaryFailure) or (error.retry_after or 0) > LONGEST_WAIT:
        return False
    return error.retry_after if error.retry_after is not None else True
