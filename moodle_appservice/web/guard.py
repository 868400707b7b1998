"""Around every handler: it answers or raises, and whatever it raises becomes a page that helps.

A `Refusal` becomes a page with a reference number and a line in the audit log; a plain visit without a session becomes
the question who it is; a failure of ours becomes a page whose number stands in the log.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from ..errors import AppError
from .cookies import NotSignedIn
from .origins import origin
from .pages import render
from .platforms import Platforms
from .refusals import Advice, Refusal, Refusals

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Wraps handlers."""

    def __init__(self, platforms: Platforms, refusals: Refusals) -> None:
        self._platforms = platforms
        self._refusals = refusals

    def guarded(self, handler: Handler) -> Handler:
        """The handler, with an answer for everything that it raises."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                try:
                    return await handler(request)
                except Refusal as refusal:
                    return await self._refused(request, refusal)
                except NotSignedIn:
                    return render("sign_in.html", request, {}, status=401)
            except AppError as failure:
                reference = secrets.token_hex(4)
                log.warning("A page could not be made [%s]: %s", reference, failure)
            except Exception:
                reference = secrets.token_hex(4)
                log.exception("A page ended in a bug of ours [%s].", reference)
            context = {"advice": Advice.NOT_NOW, "detail": "", "values": {}, "reference": reference}
            return render("refused.html", request, context, status=Advice.NOT_NOW.status)

        return answer

    async def framed(
        self, template: str, request: web.Request, context: Mapping[str, object], **given: Any
    ) -> web.Response:
        """A page without anything to click on that acts: Moodle may show it inside its own."""
        return render(template, request, context, framer=origin(await self._platforms.framer()), **given)

    async def _refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        reference = await self._refusals.book(refusal)
        context = {
            "advice": refusal.advice,
            "detail": refusal.detail,
            "values": refusal.values,
            "reference": reference,
        }
        return await self.framed("refused.html", request, context, status=refusal.advice.status)
