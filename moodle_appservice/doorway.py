"""The port on which the homeserver, browsers and machines reach us."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web

from .config import Settings
from .errors import Unreachable
from .ports import Clock
from .web.throttle import Limiter

LAST_ANSWERS = 3.0
"""Seconds that requests to us have to end when the service stops."""


class Doorway:
    """Open between `open` and `close`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._appservice = settings.appservice
        self._clock = clock
        self._runner: web.AppRunner | None = None

    async def open(
        self, routes: Iterable[web.AbstractRouteDef], hang: Callable[[web.Application], None] | None = None
    ) -> None:
        """Listen with these routes, and with the pages that `hang` hangs into the application.

        Raises `Unreachable` where the address is taken.
        """
        limits = Limiter(self._clock).middleware(with_pages=hang is not None)
        app = web.Application(client_max_size=self._appservice.max_body, middlewares=[limits])
        app.add_routes(routes)
        if hang is not None:
            hang(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWERS)
        await self._runner.setup()
        where = (self._appservice.hostname, self._appservice.port)
        try:
            await web.TCPSite(self._runner, *where).start()
        except OSError as error:
            raise Unreachable(
                f"The address {where[0]}:{where[1]} can't be listened on ({error.strerror}). Nothing was started. "
                "Is another service there? Change `appservice.port`, and `url` in the registration."
            ) from None

    async def close(self) -> None:
        """Let the last answers go out and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
