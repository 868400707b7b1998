"""Puts the web part together: pages for browsers, and the registration with Moodle that leads people to them.

All of it is built in any case, because the command line asks the registrar, and the source `lti` signs its
requests with the key of `Keyring`. It is served only where `web.public_url` is set. `Parts` are the engine's own
objects, so a page does what the bot and the command line do. Nothing is decided here; what the person of a
session may do is in `web.rights`. What programs use is in `machines`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from .config import Settings
from .domain.permissions import Permissions
from .domain.rules import Rules
from .engine.choosing import Choosing
from .engine.explain import Explainer
from .engine.figures import FigureReader
from .engine.held import HeldPlans
from .engine.linking import Linking
from .engine.operations import Operations
from .engine.pauses import Pauses
from .engine.planning import CoursePlanner
from .engine.readers import Reader, Readers
from .engine.rejections import Rejections
from .engine.roster import Roster
from .engine.sampling import Sampler
from .engine.troubles import Troubles
from .engine.visits import Visits
from .languages import ENGLISH
from .lists import ListSource
from .masked import masked
from .ports import Clock, Facts, Platform, Queue
from .show import plan_json
from .store.books import Books
from .web.admin_door import AdminDoor, DashboardLinks
from .web.admin_frame import AdminFrame
from .web.admin_held import AdminHeld
from .web.admin_inside import AdminInside, Finding
from .web.admin_pages import AdminPages
from .web.admin_people import AdminPeople
from .web.cookies import Cookies
from .web.course_pages import ARRIVED, CoursePages
from .web.guard import Guard
from .web.inside import Inside
from .web.keyring import Keyring
from .web.links import Links
from .web.lti_launch import LtiLaunches
from .web.lti_pages import LtiPages
from .web.lti_registration import LtiRegistrar
from .web.lti_token import Launch
from .web.platform_http import PlatformHttp
from .web.platform_keys import PlatformKeys
from .web.platforms import Platforms
from .web.refusals import Refusals
from .web.rights import Rights
from .web.server import Pages, Part
from .web.teacher_pages import TeacherPages


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the house the pages are built on."""

    store: Books
    facts: Facts
    queue: Queue
    rules: Rules
    clock: Clock
    planner: CoursePlanner
    troubles: Troubles
    operations: Operations
    choosing: Choosing
    linking: Linking
    explainer: Explainer
    pauses: Pauses
    figures: FigureReader
    sampler: Sampler
    doctor: Callable[[], Awaitable[Sequence[Finding]]]


class Browsers:
    """`registrar` refuses to make links, and `pages` are not to be served, where `web.public_url` is not set.

    `counted` is told of launches: `signed in` or `refused`.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        lists: ListSource | None = None,
        counted: Callable[[str], None],
    ) -> None:
        self._lists = lists
        store, clock, web = parts.store, parts.clock, settings.web
        inside = _inside(settings, parts)
        # No cookies: what Moodle sets for a service must not come back with what it sees as a browser.
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "moodle-appservice"}, cookie_jar=aiohttp.DummyCookieJar()
        )
        self._inside = inside
        self._keyring_is_loaded = False
        self.are_served = bool(web.public_url)
        http = PlatformHttp(self._session)
        self._keyring = keyring = Keyring(store.lti)
        self._platforms = platforms = Platforms(
            web, store.lti, store.settings, inside.facts, fallback=settings.moodle.url
        )
        if lists is not None:
            lists.connect(self)
        self.registrar = LtiRegistrar(platforms, store.lti, http, store.journal, clock)
        readers = Readers(store, Reader(ENGLISH, settings.timezone))
        self.cookies = Cookies(web.public_url, keyring, store.sessions, clock, readers.habits)
        self.dashboard = DashboardLinks(
            web.public_url, inside.permissions, store.sessions, store.journal, clock
        )
        guard = Guard(platforms, Refusals(store.journal, clock))
        launches = LtiLaunches(platforms, store.lti, PlatformKeys(http, clock), keyring, clock)
        self.pages = Pages(
            keyring,
            [
                LtiPages(guard, launches, self.registrar, self.cookies, keyring, self._launched, counted),
                *_pages(settings, parts, inside, guard, self.cookies),
            ],
        )

    async def _launched(self, launch: Launch) -> str:
        """Somebody was signed in by Moodle, and wants to be in the rooms of the course; gives the next page."""
        if launch.course_id is None:
            return "/me"
        if self._lists is not None:
            await self._lists.learn(launch.course_id)
        await self._inside.visits.arrive(launch.user_id, launch.course_id)
        return f"/c/{launch.course_id}?{ARRIVED}=1"

    async def platform(self) -> Platform | None:
        """Where Moodle knows us as a tool."""
        return await self._platforms.platform()

    async def assertion(self, claims: Mapping[str, Any]) -> str:
        """Claims that Moodle can check."""
        if not self._keyring_is_loaded:
            await self._keyring.load()
            self._keyring_is_loaded = True
        return self._keyring.sign_as_tool(claims)

    async def close(self) -> None:
        """Close what connects to Moodle."""
        await self._session.close()


def _pages(settings: Settings, parts: Parts, inside: Inside, guard: Guard, cookies: Cookies) -> list[Part]:
    store, clock = parts.store, parts.clock
    admin, rights = _admin(settings, parts), Rights(inside)
    links = Links(settings.web.client_url, settings.homeserver.domain)
    frame = AdminFrame(cookies, rights, inside)
    held = HeldPlans(store, parts.operations, clock)
    return [
        CoursePages(guard, cookies, inside, rights, links),
        TeacherPages(guard, cookies, inside, rights, links),
        AdminDoor(guard, cookies, inside.permissions, store.sessions, clock),
        AdminPages(guard, frame, inside, admin),
        AdminHeld(guard, frame, held, Rejections(store.settings, store.journal, clock)),
        AdminPeople(guard, frame, inside, admin, links),
    ]


def _inside(settings: Settings, parts: Parts) -> Inside:
    store, clock = parts.store, parts.clock
    return Inside(
        store=store,
        sessions=store.sessions,
        facts=parts.facts,
        rules=parts.rules,
        clock=clock,
        permissions=Permissions(settings.permissions),
        operations=parts.operations,
        visits=Visits(store, parts.queue, parts.planner, parts.operations, clock),
        roster=Roster(parts.planner, store, parts.troubles),
        choosing=parts.choosing,
        linking=parts.linking,
    )


def _admin(settings: Settings, parts: Parts) -> AdminInside:
    return AdminInside(
        explainer=parts.explainer,
        figures=parts.figures,
        pauses=parts.pauses,
        sampler=parts.sampler,
        search=parts.store.search,
        doctor=parts.doctor,
        configuration=lambda: masked(settings),
        plan_json=plan_json,
    )
