"""Whether the service lives and is ready, for supervisors: `/health`, `/_matrix/mau/live`, `/_matrix/mau/ready`.

The first line is for programs; further ones say what keeps a ready service from writing, such as a pause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web


class Health:
    """`ready` is set when the start is complete and taken away first when the service stops.

    `remarks`: sentences about what is not written, for the lines after the first.
    """

    def __init__(self, remarks: Callable[[], Awaitable[Sequence[str]]] | None = None) -> None:
        self.ready = False
        self._remarks = remarks

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
        if not self.ready:
            return web.Response(status=503, text="not ready")
        # What stops the writing is no trouble for a supervisor, who would only restart the service.
        remarks = await self._remarks() if self._remarks is not None else ()
        return web.Response(text="\n".join(("ready", *remarks)))
