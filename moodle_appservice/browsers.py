"""Puts the web part together: pages for browsers, and the registration with Moodle that leads people to them."""

from __future__ import annotations

import aiohttp

from .config import Settings
from .ports import Clock, Facts
from .store.books import Books
from .web.cookies import Cookies
from .web.course_pages import CoursePages
from .web.guard import Guard
from .web.keyring import Keyring
from .web.lti_launch import LtiLaunches
from .web.lti_pages import LtiPages
from .web.lti_registration import LtiRegistrar
from .web.lti_token import Launch
from .web.platform_http import PlatformHttp
from .web.platform_keys import PlatformKeys
from .web.platforms import Platforms
from .web.refusals import Refusals
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
        self.cookies = Cookies(settings.web.public_url, keyring, store.sessions, clock)
        guard = Guard(platforms, Refusals(store.journal, clock))
        launches = LtiLaunches(platforms, store.lti, PlatformKeys(http, clock), keyring, clock)
        self.pages = Pages(
            keyring,
            [
                LtiPages(guard, launches, self.registrar, self.cookies, keyring, self._launched),
                CoursePages(guard, self.cookies, store.courses),
            ],
        )

    async def _launched(self, launch: Launch) -> None:
        """Nothing yet."""

    async def close(self) -> None:
        """Close what connects to Moodle."""
        await self._session.close()
