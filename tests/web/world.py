"""The pages with a fake Moodle beside them, and browsers that keep cookies as theirs would be kept over TLS."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from yarl import URL

from moodle_appservice.browsers import Browsers
from moodle_appservice.config import Settings
from moodle_appservice.engine.site import SITE_URL
from moodle_appservice.ports import AuditRow, Platform
from moodle_appservice.store.books import Books
from moodle_appservice.web.cookies import Session
from tests.fakes import FakeClock, FakeFacts
from tests.web.campus import Campus
from tests.web.platform import CLIENT_ID, FakePlatform, fake_platform, key, recorded

TOOL = "https://chat.example.org"
SOME_DAY = 1_795_195_400.0
"""Half a minute after the recorded launches."""
BROWSER_COOKIE = "__Host-moodle-chat-browser"
SESSION_COOKIE = "__Host-moodle-chat-session"
CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"


@dataclass
class Reply:
    """What a browser got. `cookies`: the Set-Cookie headers of this answer, by name."""

    status: int
    text: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass
class Way:
    """Where a browser is after the first half of a click: what it must bring back."""

    recording: Mapping[str, Any]
    state: str
    nonce: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class Browser:
    """One person's browser."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.cookies: dict[str, str] = {}

    async def get(self, path: str | URL, **arguments: Any) -> Reply:
        return await self._request("GET", path, **arguments)

    async def post(self, path: str, data: Any, **arguments: Any) -> Reply:
        return await self._request("POST", path, data=data, **arguments)

    async def _request(
        self, method: str, path: str | URL, *, headers: Mapping[str, str] | None = None, **rest: Any
    ) -> Reply:
        sent = {"Sec-Fetch-Dest": "document", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {name: value for name, value in sent.items() if value}
        async with self._world.client.request(
            method, path, headers=sent, allow_redirects=False, **rest
        ) as response:
            given = response.headers.getall("Set-Cookie", [])
            reply = Reply(
                response.status,
                await response.text(),
                response.headers,
                {one.partition("=")[0]: one for one in given},
            )
        for line in given:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return reply

    async def begin(self, name: str = "student", **arguments: Any) -> Way:
        """Click the link in Moodle and follow it to Moodle's sign-in."""
        recording = self._world.recording(name)
        reply = await self.post("/lti/login", recording["login_initiation"]["form"], **arguments)
        assert reply.status == 303, reply.text
        parameters = dict(parse_qsl(urlsplit(reply.location).query))
        return Way(recording, parameters["state"], parameters["nonce"], parameters)

    async def session(self) -> Session | None:
        """What this browser's cookies say."""
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return await self._world.browsers.cookies.session(
            make_mocked_request("GET", "/", headers={"Cookie": sent})
        )

    async def bring(self, way: Way, token: str, **changed: str) -> Reply:
        """Moodle's page posts its answer to us."""
        return await self.post("/lti/launch", {"id_token": token, "state": way.state, **changed})

    async def click(self, who: str = "student", /, **changed: Any) -> Reply:
        """The whole way; `changed` are claims by their short names."""
        way = await self.begin(who)
        return await self.bring(way, self._world.platform.sign(self._world.claims(way, **changed)))


@dataclass
class World:
    """Everything that a test of the pages touches."""

    platform: FakePlatform
    books: Books
    clock: FakeClock
    facts: FakeFacts
    browsers: Browsers
    client: TestClient[web.Request, web.Application]
    tool: str
    campus: Campus

    def browser(self) -> Browser:
        return Browser(self)

    def recording(self, name: str) -> dict[str, Any]:
        return recorded(f"launch--{name}", site=self.platform.url, tool=self.tool)

    def claims(self, way: Way, **changed: Any) -> dict[str, Any]:
        """The recorded claims as an answer to this sign-in. A short name such as `roles` means LTI's; None drops it."""
        claims = dict(way.recording["claims"])
        now = int(self.clock.now())
        claims |= {"nonce": way.nonce, "iat": now, "exp": now + 60}
        for name, value in changed.items():
            full = name if f"{CLAIM}{name}" not in claims else f"{CLAIM}{name}"
            claims.pop(full, None)
            if value is not None:
                claims[full] = value
        return claims

    async def register(self, **changed: str) -> Platform:
        """The registration as the recorded Moodle made it."""
        moodle = self.platform.url
        given = {
            "issuer": moodle,
            "client_id": CLIENT_ID,
            "deployment_id": "1",
            "login_url": f"{moodle}/mod/lti/auth.php",
            "token_url": f"{moodle}/mod/lti/token.php",
            "keys_url": f"{moodle}/mod/lti/certs.php",
        }
        platform = Platform(**{**given, **changed})
        assert await self.books.lti.register(platform, at=self.clock.now(), replace=True)
        return platform

    async def audit(self) -> list[AuditRow]:
        return list(await self.books.journal.audit())


def settings_of(moodle: str, *, permissions: Mapping[str, str] | None = None, **pages: Any) -> Settings:
    return Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": moodle, "token": "0123456789abcdef0123456789abcdef"},
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "example.org"},
            "web": {"public_url": TOOL, **pages},
            "permissions": permissions or {},
        }
    )


@asynccontextmanager
async def open_world(campus: Campus, *, port: int | None = None, **pages: Any) -> AsyncIterator[World]:
    """A world whose Moodle is known and not registered yet; `pages` are settings of the section `web`.

    `permissions` among them is the map of that name.
    """
    permissions = pages.pop("permissions", {})
    books, clock, facts = campus.store, campus.clock, campus.facts
    clock.time = SOME_DAY
    async with fake_platform() as platform:
        facts.url = platform.url
        await books.settings.set(SITE_URL, platform.url)
        # Finding primes takes longer than most of these tests.
        await books.lti.secret("tool key", json.dumps(key("tool").as_dict(private=True)))
        browsers = campus.browsers(settings_of(platform.url, permissions=permissions, **pages))
        await browsers.pages.start()
        app = web.Application()
        browsers.pages.hang_into(app)
        client = TestClient(TestServer(app, port=port), cookie_jar=aiohttp.DummyCookieJar())
        async with client:
            public_url = pages.get("public_url", TOOL)
            yield World(platform, books, clock, facts, browsers, client, public_url, campus)
        await browsers.close()


@asynccontextmanager
async def replica_of(world: World) -> AsyncIterator[World]:
    """Another process of the installation: they share a database, and the address that people use, and nothing else."""
    browsers = world.campus.browsers(settings_of(world.platform.url))
    await browsers.pages.start()
    app = web.Application()
    browsers.pages.hang_into(app)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield replace(world, browsers=browsers, client=client)
    await browsers.close()
