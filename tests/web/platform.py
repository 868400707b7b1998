"""A Moodle as an LTI platform: it signs with keys of its own and replays what a real Moodle was recorded to say."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

FIXTURES = Path(__file__).parent.parent / "fixtures" / "lti"
RECORDED_SITE = "https://moodle.example.org"
RECORDED_TOOL = "https://chat.example.org"
CLIENT_ID = "a0jfaMXkmunJ48z"
LAUNCHES = ("student", "editingteacher", "nonediting-teacher", "admin")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")


@cache
def key(name: str) -> RSAKey:
    """A key pair; the same name is the same pair."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


def recorded(name: str, site: str = RECORDED_SITE, tool: str = RECORDED_TOOL) -> dict[str, Any]:
    """A recording, as if that Moodle and this tool had been recorded."""
    text = (FIXTURES / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.replace(RECORDED_SITE, site).replace(RECORDED_TOOL, tool))
    return found


class FakePlatform:
    """What Moodle answers can be changed by the tests; `asked` lists the requests."""

    def __init__(self) -> None:
        self.keys = [key("moodle-1")]
        self.asked: list[tuple[str, str]] = []
        self.registration: Mapping[str, Any] | None = None
        self.bearer = ""
        self.answers: dict[str, web.Response] = {}
        """By path: answered instead of what Moodle says."""
        self.configuration: dict[str, Any] = {}
        self.registered: dict[str, Any] = copy.deepcopy(recorded("dynamic-registration")["response"]["json"])
        self.pages: dict[str, Callable[[web.Request], str]] = {}
        """By path: HTML that it shows to browsers."""
        self.url = ""

    @property
    def configuration_url(self) -> str:
        return f"{self.url}/mod/lti/openid-configuration.php"

    def start_at(self, url: str) -> None:
        self.url = url
        self.configuration = recorded("openid-configuration", site=url)["json"]

    def sign(self, claims: Mapping[str, Any], *, by: RSAKey | None = None, **header: Any) -> str:
        """A token as Moodle makes it."""
        signer = by or self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": signer.kid, **header}, dict(claims), signer)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What Moodle answers."""
        self.asked.append((request.method, request.path))
        if request.path in self.answers:
            return self.answers.pop(request.path)
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path](request), content_type="text/html")
        match request.path:
            case "/mod/lti/certs.php":
                return web.json_response({"keys": [one.as_dict(private=False) for one in self.keys]})
            case "/mod/lti/openid-configuration.php":
                return web.json_response(self.configuration)
            case "/mod/lti/openid-registration.php":
                self.registration = await request.json()
                self.bearer = request.headers["Authorization"]
                return web.json_response(self.registered)
        return web.Response(status=404)


@asynccontextmanager
async def fake_platform() -> AsyncIterator[FakePlatform]:
    """One that runs."""
    platform = FakePlatform()
    async with TestServer(platform.application()) as server:
        platform.start_at(str(server.make_url("/")).rstrip("/"))
        yield platform
