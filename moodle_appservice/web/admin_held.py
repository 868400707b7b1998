"""`/admin/held`: what safety holds, grouped by cause; a group is approved with one button, as it was shown."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from aiohttp import web

from ..engine.held import HeldPlans
from ..errors import AppError, Refused
from .admin_frame import AdminFrame, back
from .forms import read_query, text
from .guard import Guard
from .refusals import Refusal, Why

PATIENCE = 15.0
"""Seconds that the page waits for the removals; they go on after that."""
log = logging.getLogger(__name__)


class AdminHeld:
    """Shows and approves."""

    def __init__(self, guard: Guard, frame: AdminFrame, held: HeldPlans) -> None:
        self._guard = guard
        self._frame = frame
        self._held = held
        self._running: set[asyncio.Task[object]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [get("/admin/held", guarded(self._show)), web.post("/admin/held", guarded(self._answer))]

    async def _show(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        done = text(read_query(request), "done", longest=20)
        return self._frame.page(
            "admin_held.html", request, session, groups=await self._held.groups(), done=done
        )

    async def _answer(self, request: web.Request) -> web.Response:
        session, said = await self._frame.act(request)
        mark = text(said, "group", longest=64)
        if not mark:
            raise Refusal(Why.MALFORMED)
        task = asyncio.ensure_future(self._held.approve(mark, person=session.user_id))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(task)
        except TimeoutError:
            return back("/admin/held?done=going")
        except Refused:
            return back("/admin/held?done=failed")
        return back("/admin/held?done=confirmed")

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, AppError) and not isinstance(failure, Refused):
            log.warning("Confirmed removals were not all carried out: %s", failure)
