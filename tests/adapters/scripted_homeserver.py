"""A homeserver that answers by a script: one answer per request, the last one for ever; and remembers what came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True)
class Answer:
    """What is answered. `body`: JSON, or text as it is. `cut`: the connection ends instead; `silent`: nothing comes."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False


CUT = Answer(cut=True)
SILENT = Answer(silent=True)


def refusal(status: int, errcode: str, error: str = "", **more: Any) -> Answer:
    """A Matrix error."""
    return Answer(status, {"errcode": errcode, "error": error, **more})


@dataclass(frozen=True)
class Seen:
    """One request as it came. `path` is unquoted, part by part."""

    method: str
    path: str
    query: Mapping[str, str]
    token: str
    body: Any
    at: float


class ScriptedHomeserver:
    """`answers` may be set anew at any time."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer()]
        self.seen: list[Seen] = []
        self._over = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self.server = TestServer(app)

    async def start(self) -> str:
        """Its address."""
        await self.server.start_server()
        return str(self.server.make_url("/"))

    async def stop(self) -> None:
        self._over.set()
        await self.server.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.seen.append(
            Seen(
                request.method,
                unquote(request.raw_path.partition("?")[0]),
                dict(request.query),
                request.headers.get("Authorization", ""),
                json.loads(text) if text else None,
                asyncio.get_running_loop().time(),
            )
        )
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.silent:
            await self._over.wait()
        if answer.cut or answer.silent:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return web.Response(
            status=answer.status, text=body, headers=answer.headers, content_type="application/json"
        )
