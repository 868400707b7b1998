"""The pages that people open, on the same server that Synapse pushes to; nothing of them exists without
`web.public_url`.

Each part brings its own routes: the way in from Moodle (lti_pages), a course as its members and its teachers see it,
the dashboard. Here they are hung into one application, with the style sheet beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from .keyring import Keyring
from .pages import STATIC, set_up


class Part(Protocol):
    """Something that has routes."""

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        ...


class Pages:
    """Everything for browsers. `start` before the routes are served."""

    def __init__(self, keyring: Keyring, parts: Sequence[Part]) -> None:
        self._keyring = keyring
        self._parts = parts

    async def start(self) -> None:
        """Load the keys."""
        await self._keyring.load()

    def hang_into(self, app: web.Application) -> None:
        """Add the routes and the templates to an application."""
        set_up(app)
        for part in self._parts:
            app.add_routes(part.routes())
        app.add_routes([web.static("/static", STATIC)])
