"""Whether the service lives and is ready, for supervisors: `/health`, `/_matrix/mau/live`, `/_matrix/mau/ready`."""

from __future__ import annotations

from aiohttp import web


class Health:
    """`ready` is set when the start is complete and taken away first when the service stops."""

    def __init__(self) -> None:
        self.ready = False

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        return [
            web.get("/health", self._ready),
            web.get("/_matrix/mau/live", self._live),
            web.get("/_matrix/mau/ready", self._ready),
        ]

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="live")

    async def _ready(self, _request: web.Request) -> web.Response:
        return web.Response(text="ready") if self.ready else web.Response(status=503, text="not ready")
