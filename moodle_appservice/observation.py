"""Watches the requests to the homeserver, for the numbers: aiohttp tells of each that our session sends.

Which endpoint it was is told without ids, so that there are few of them: `PUT rooms/state/m.room.name`.
"""

from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import Any

import aiohttp
from yarl import URL

from .ports import Observer

_VERSION = re.compile(r"^/(_matrix|_synapse)/(client|admin|media|app|federation)/(v\d+|r0|unstable)/")
_TYPE = re.compile(r"(m|org|im)\.[a-z_.]{1,60}")
_WORDS = frozenset(
    {
        *(
            "account",
            "appservice",
            "avatar_url",
            "ban",
            "createRoom",
            "deactivate",
            "directory",
            "displayname",
        ),
        *(
            "event",
            "invite",
            "join",
            "joined_rooms",
            "kick",
            "leave",
            "members",
            "messages",
            "ping",
            "profile",
        ),
        *("register", "room", "rooms", "send", "state", "unban", "upload", "users", "whoami"),
    }
)
"""The only words of an address that are told; a number of ids would be a number of metrics."""


def watched(observer: Observer, homeserver: str) -> aiohttp.TraceConfig:
    """To be given to a session: tells the observer of every request to this homeserver."""
    origin = URL(homeserver).origin()
    config = aiohttp.TraceConfig()

    async def start(_session: Any, context: SimpleNamespace, _parameters: Any) -> None:
        context.began = time.monotonic()

    def tell(context: SimpleNamespace, method: str, url: URL, outcome: str) -> None:
        if url.origin() == origin:
            observer.asked_matrix(endpoint(method, url), outcome, time.monotonic() - context.began)

    async def end(_session: Any, context: SimpleNamespace, ended: aiohttp.TraceRequestEndParams) -> None:
        tell(context, ended.method, ended.url, str(ended.response.status))

    async def fail(
        _session: Any, context: SimpleNamespace, failed: aiohttp.TraceRequestExceptionParams
    ) -> None:
        tell(context, failed.method, failed.url, "unreachable")

    config.on_request_start.append(start)
    config.on_request_end.append(end)
    config.on_request_exception.append(fail)
    return config


def endpoint(method: str, url: URL) -> str:
    """The endpoint without ids: `PUT rooms/send/m.room.message`."""
    parts = _VERSION.sub("", url.path).strip("/").split("/")
    told = [part for part in parts if part in _WORDS or _TYPE.fullmatch(part)]
    return f"{method} {'/'.join(told) or 'other'}"
