"""One request to the homeserver, with the patience that belongs inside a request and the errors of this product.

mautrix carries the request; on top of it this module reads the whole error body (mautrix drops `retry_after_ms`),
waits where the homeserver asks to, and tries again after lost connections and 5xx. What lasts longer than a request
should is a `TemporaryFailure`: the queue tries the key again later.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import stamina
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from mautrix.api import HTTPAPI, Method, PathBuilder
from mautrix.errors import MatrixConnectionError, MatrixRequestError
from mautrix.util.logging import TraceLogger
from yarl import URL

from ..domain.model import UserId
from ..errors import PermanentFailure, TemporaryFailure, Unreachable

LONGEST_WAIT = 30.0
"""Seconds to wait inside a request when the homeserver asks for it; more than that goes back to the queue."""
LONGEST_ASKED = 3600.0
"""Seconds; whatever asks for more is not meant."""
GATEWAY = frozenset({502, 503, 504})
log = logging.getLogger(__name__)


class HomeserverRefused(PermanentFailure):
    """The homeserver answered no. `status` is HTTP's, `errcode` Matrix's."""

    def __init__(self, message: str, *, status: int, errcode: str, text: str) -> None:
        super().__init__(message)
        self.status = status
        self.errcode = errcode
        self.text = text


class HomeserverBusy(TemporaryFailure):
    """429, 5xx: the homeserver asks for patience. `again` tells whether to try again inside the same call."""

    def __init__(self, message: str, *, retry_after: float | None, again: bool) -> None:
        super().__init__(message, retry_after=retry_after)
        self.again = again


class HomeserverDown(HomeserverBusy, Unreachable):
    """The gateway before it says that there is no homeserver behind it: whatever else we ask for would fail as well."""


class _Answer(MatrixRequestError):
    """An error answer with its whole body, as mautrix's request loop may pass it on."""

    def __init__(self, status: int, body: Mapping[str, Any], retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}")
        self.http_status = status
        self.errcode = str(body.get("errcode", ""))
        self.message = str(body.get("error", ""))
        wait = body.get("retry_after_ms")
        self.retry_after = _bounded(wait / 1000) if isinstance(wait, int) else _seconds(retry_after)


@dataclass(frozen=True, slots=True)
class Reply:
    """A yes of the homeserver: HTTP's status tells 200 from 201. A body that is no object is its `value`."""

    status: int
    body: Mapping[str, Any]


class HomeserverApi(HTTPAPI):
    """mautrix's request sender with complete errors. Use `call`, or `ask` where the status matters."""

    def __init__(self, address: str, token: str, *, session: ClientSession, timeout: float) -> None:
        # mautrix expects a logger that knows its own level TRACE.
        super().__init__(
            URL(address), token, client_session=session, log=cast(TraceLogger, log.getChild("request"))
        )
        self._timeout = ClientTimeout(total=timeout)
        # aiohttp sends a PUT again by itself after a cut connection; how often something is sent is for `ask` to say.
        session._retry_connection = False

    async def call(
        self,
        method: Method,
        path: PathBuilder,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        as_user: UserId | None = None,
        attempts: int = 5,
    ) -> Mapping[str, Any]:
        """One request. `as_user` masquerades; `attempts` 1 for what must not be sent twice.

        Raises `Unreachable`, `HomeserverBusy` (429, 5xx) or `HomeserverRefused` (every other error answer).
        """
        reply = await self.ask(method, path, content, query=query, as_user=as_user, attempts=attempts)
        return reply.body

    async def ask(
        self,
        method: Method,
        path: PathBuilder,
        content: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        as_user: UserId | None = None,
        attempts: int = 5,
        content_type: str = "application/json",
        sensitive: bool = False,
    ) -> Reply:
        """One request with all there is to say about it. `sensitive`: the content is not even logged for debugging.

        Raises what `call` raises.
        """
        parameters = dict(query or {})
        if as_user is not None:
            parameters["user_id"] = as_user
        body = content if isinstance(content, bytes) else dict(content or {})
        try:
            return await self._once(method, path, body, parameters, content_type, sensitive)
        except (HomeserverBusy, Unreachable) as error:
            # What is tried again is rare, and putting up for it costs as much as a request: only now.
            first = error
        reply = Reply(0, {})
        async for attempt in stamina.retry_context(
            on=_wait_before_next, attempts=attempts, timeout=None, wait_initial=0.3, wait_max=5.0
        ):
            with attempt:
                if attempt.num == 1:
                    raise first
                reply = await self._once(method, path, body, parameters, content_type, sensitive)
        return reply

    async def _once(
        self,
        method: Method,
        path: PathBuilder,
        content: dict[str, Any] | bytes,
        parameters: dict[str, str],
        content_type: str,
        sensitive: bool,
    ) -> Reply:
        where = f"{method} /{path}"
        headers = {"Content-Type": content_type} if isinstance(content, bytes) else {}
        try:
            reply: Any = await self.request(
                method, path, content=content, headers=headers, query_params=parameters, sensitive=sensitive
            )
        except _Answer as answer:
            raise _as_error(answer, where) from None
        except (MatrixConnectionError, ClientError, TimeoutError, OSError) as error:
            raise Unreachable(
                f"The homeserver at {self.base_url} did not answer {where} ({type(error).__name__}). "
                "What was asked for may or may not have been done; it is looked at again."
            ) from None
        assert isinstance(reply, Reply)
        return reply

    def _log_request(self, *given: Any, **named: Any) -> None:
        # The line is put together whether it is wanted or not.
        if self.log.isEnabledFor(logging.DEBUG):
            super()._log_request(*given, **named)

    def _log_request_done(self, *given: Any, **named: Any) -> None:
        if self.log.isEnabledFor(logging.DEBUG):
            super()._log_request_done(*given, **named)

    async def _send(
        self,
        method: Method,
        url: URL,
        content: Any,
        query_params: dict[str, str],
        headers: dict[str, str],
    ) -> tuple[Any, ClientResponse]:
        async with self.session.request(
            str(method), url, data=content, params=query_params, headers=headers, timeout=self._timeout
        ) as response:
            text = await response.text(errors="replace")
            if 200 <= response.status < 300:
                told = _parse(text, response.status)
                body = told if isinstance(told, Mapping) else {"value": told}
                return Reply(response.status, body), response
            raise _Answer(response.status, _body(text), response.headers.get("Retry-After"))


def _wait_before_next(error: Exception) -> bool | float:
    if isinstance(error, HomeserverBusy):
        if not error.again or (error.retry_after or 0) > LONGEST_WAIT:
            return False
        return error.retry_after if error.retry_after is not None else True
    return isinstance(error, Unreachable)


def _as_error(answer: _Answer, where: str) -> Exception:
    status, errcode, text = answer.http_status, answer.errcode, answer.message or ""
    if status == 429:
        return HomeserverBusy(
            f"The homeserver limits our rate ({where}). Set rate_limited: false in the registration and restart it.",
            retry_after=answer.retry_after,
            again=True,
        )
    if status >= 500:
        # A 502 with a Matrix error is about a remote server: asking again at once is of no use.
        remote = status in GATEWAY and errcode == "M_UNKNOWN"
        kind = HomeserverDown if status in GATEWAY and not remote else HomeserverBusy
        return kind(
            f"The homeserver failed with HTTP {status} {errcode} on {where}: {text[:200]}. It is tried again.",
            retry_after=answer.retry_after,
            again=not remote,
        )
    if errcode in {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"}:
        return HomeserverRefused(
            "The homeserver does not accept our as_token. Nothing was changed. Check that homeserver.yaml lists this "
            "very registration file and that the homeserver was restarted since.",
            status=status,
            errcode=errcode,
            text=text,
        )
    return HomeserverRefused(
        f"The homeserver refused {where} with HTTP {status} {errcode}: {text[:300]}",
        status=status,
        errcode=errcode,
        text=text,
    )


def _parse(text: str, status: int) -> Any:
    try:
        return json.loads(text) if text else {}
    except ValueError:
        raise _Answer(502 if status == 200 else status, {"error": "the answer is not JSON"}, None) from None


def _body(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {"error": "the answer is not JSON: is there another server at this address?"}
    return body if isinstance(body, Mapping) else {}


def _seconds(header: str | None) -> float | None:
    try:
        return _bounded(float(header)) if header else None
    except ValueError:
        return None


def _bounded(wait: float) -> float | None:
    """A wait that can be kept: a key that waits for ever would never be looked at again."""
    return min(wait, LONGEST_ASKED) if wait >= 0 else None
