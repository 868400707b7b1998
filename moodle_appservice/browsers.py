"""Puts the web part together: pages for browsers, and the registration with Moodle that leads people to them."""

from __future__ import annotations

import aiohttp

from .config import Settings
from .ports import Clock, Facts
from .store.books import Books
from .web.cookies import Cookies
from .web.keyring import Keyring
from .web.lti_launch import LtiLaunches
from .web.lti_registration import LtiRegistrar
from .web.platform_http import PlatformHttp
from .web.platform_keys import PlatformKeys
from .web.platforms import Platforms
from .web.server import Pages


class Browsers:
    """`registrar` makes links in any case; `pages` are to be served only where `web.public_url` is set."""

    def __init__(self, settings: Settings, store: Books, facts: Facts, clock: Clock) -> None:
        # No cookies: what Moodle sets for a service must not come back with what it sees as a browser.
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "moodle-appservice"}, cookie_jar=aiohttp.DummyCookieJar()
        )
        self.are_served = bool(settings.web.public_url)
        http = PlatformHttp(self._session)
        keyring = Keyring(store.lti)
        platforms = Platforms(settings.web, store.lti, store.settings, facts, fallback=settings.moodle.url)
        self.registrar = LtiRegistrar(platforms, store.lti, http, store.journal, clock)
        self.cookies = Cookies(settings.web.public_url, keyring, clock)
        self.pages = Pages(
            platforms,
            LtiLaunches(platforms, store.lti, PlatformKeys(http, clock), keyring, clock),
            self.registrar,
            self.cookies,
            keyring,
            courses=store.courses,
            journal=store.journal,
            clock=clock,
        )

    async def close(self) -> None:
        """Close what connects to Moodle."""
        await self._session.close()
