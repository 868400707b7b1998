"""Requests that leave only while this process may write, and have ended before it may not any more.

`remaining` says for how many seconds we may still write, and raises where that is over (a lease that others watch).
It is asked twice. When a request is begun, it bounds how long the request may take. And it is asked right before the
request's bytes go to the socket, where one request at a time stands: a process that is stopped for a while, wherever
it is stopped, sends at most the one request that stood there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

Remaining = Callable[[], float]
PATIENCE = 1.0
"""Seconds for which others wait until a large body has gone."""


def fenced_session(remaining: Remaining, **arguments: Any) -> aiohttp.ClientSession:
    """A session whose requests are all fenced; `arguments` as for any session."""
    return aiohttp.ClientSession(
        request_class=fenced_request(remaining), middlewares=(within(remaining),), **arguments
    )


def within(
    remaining: Remaining,
) -> Callable[[ClientRequest, ClientHandlerType], Coroutine[Any, Any, ClientResponse]]:
    """A middleware: an answer that has not come by the time until which we may write counts as lost."""

    async def fence(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        async with asyncio.timeout(remaining()):
            return await handler(request)

    return fence


def fenced_request(remaining: Remaining) -> type[ClientRequest]:
    """The class of a session's requests: each looks once more before its bytes leave, one after the other."""
    turn = asyncio.Lock()

    class FencedRequest(ClientRequest):
        async def send(self, conn: Any) -> ClientResponse:
            async with turn:
                remaining()
                response = await super().send(conn)
                writer = self._writer
                if writer is not None:
                    # Its bytes are not at the socket before this has ended.
                    await asyncio.wait([writer], timeout=PATIENCE)
                return response

    return FencedRequest
