"""`/admin/held`: what safety holds, grouped by cause; a group is approved or rejected as it was shown."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from aiohttp import web

from ..engine.held import HeldPlans
from ..engine.rejections import Rejections
from ..errors import AppError, Refused
from .admin_frame import AdminFrame, back
from .cookies import Session
from .forms import read_query, text
from .guard import Guard
from .refusals import Refusal, Why

PATIENCE = 15.0
"""Seconds that the page waits for the removals; they go on after that."""
log = logging.getLogger(__name__)


class AdminHeld:
    """Shows, approves and rejects."""

    def __init__(self, guard: Guard, frame: AdminFrame, held: HeldPlans, rejections: Rejections) -> None:
        self._rejections = rejections
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
        groups, rejected = await self._held.groups(), await self._rejections.marks()
        return self._frame.page(
            "admin_held.html",
            request,
            session,
            groups=[group for group in groups if group.mark not in rejected],
            rejected=[group for group in groups if group.mark in rejected],
            done=done,
        )

    async def _answer(self, request: web.Request) -> web.Response:
        session, said = await self._frame.act(request)
        mark, answer = text(said, "group", longest=64), text(said, "answer", longest=10)
        if not mark or answer not in ("approve", "reject"):
            raise Refusal(Why.MALFORMED)
        if answer == "reject":
            return await self._reject(mark, session)
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

    async def _reject(self, mark: str, session: Session) -> web.Response:
        waiting = [group.mark for group in await self._held.groups()]
        try:
            await self._rejections.reject(mark, waiting=waiting, person=session.user_id, by="page")
        except Refused:
            return back("/admin/held?done=failed")
        return back("/admin/held?done=rejected")

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, AppError) and not isinstance(failure, Refused):
            log.warning("Confirmed removals were not all carried out: %s", failure)
