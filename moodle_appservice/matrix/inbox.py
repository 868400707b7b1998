"""The door through which the homeserver pushes events (application service API, "Transactions").

Own route instead of mautrix's: 200 is said only after the database has committed, so that a push which failed comes
again; transaction ids are not remembered, because they repeat after a homeserver's restart or restore, and every
write behind this door is idempotent. The token is taken from the header only and compared in constant time.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from ..ports import Event
from .events import parse_event, wanted

Sink = Callable[[Sequence[Event]], Awaitable[None]]
log = logging.getLogger(__name__)


class Inbox:
    """The application service's HTTP endpoints. `sink` stores a batch and raises when it could not.

    `on_failure` is called when a batch was not stored: from then on the mirror is behind until it came again.
    """

    def __init__(self, hs_token: str, sink: Sink, *, on_failure: Callable[[], None]) -> None:
        self._expected = f"Bearer {hs_token}".encode()
        self._sink = sink
        self._on_failure = on_failure

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        return [
            web.put("/_matrix/app/v1/transactions/{txn_id}", self._transaction),
            web.get("/_matrix/app/v1/users/{user_id}", self._unknown),
            web.get("/_matrix/app/v1/rooms/{alias}", self._unknown),
            web.post("/_matrix/app/v1/ping", self._ping),
        ]

    async def _transaction(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            body = json.loads(await request.read())
        except ValueError:
            return _error(400, "M_NOT_JSON", "The body is not JSON.")
        raw = body.get("events") if isinstance(body, dict) else None
        if not isinstance(raw, list):
            return _error(400, "M_BAD_JSON", "The body has no list of events.")
        events = [event for event in map(parse_event, raw) if event is not None and wanted(event)]
        try:
            if events:
                await self._sink(events)
        except Exception:
            self._on_failure()
            log.exception(
                "A push of %d events could not be stored; the homeserver is asked to repeat it.", len(raw)
            )
            return _error(503, "M_UNKNOWN", "The events could not be stored. Please push them again.")
        return web.json_response({})

    async def _ping(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response({})

    async def _unknown(self, request: web.Request) -> web.Response:
        # Rooms and users exist before anybody asks for them: what is asked for here does not exist.
        return self._refusal(request) or _error(
            404, "M_NOT_FOUND", "This service knows no such user or room."
        )

    def _refusal(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not given:
            return _error(401, "M_UNAUTHORIZED", "The Authorization header is missing.")
        if not hmac.compare_digest(given, self._expected):
            return _error(403, "M_FORBIDDEN", "The hs_token is not the one of our registration.")
        return None


def _error(status: int, errcode: str, text: str) -> web.Response:
    body: dict[str, Any] = {"errcode": errcode, "error": text}
    return web.json_response(body, status=status)
