"""Limits for whoever sends us requests: how long a body may be, and how many requests an address may send.

Each kind of request has limits of its own, by the beginning of its path. The homeserver's pushes may be long and many,
and whoever does not hold its token is slowed down like everybody else. Behind a proxy on this machine the address is
the one that the proxy names last. A lecture hall, or everybody behind a proxy on another machine, is one address: the
limits for people's pages are what one core can serve, and stop floods only; guessing has limits where it is refused.

A browser is told by a page, in its language, and a program by JSON. Neither costs a look into the database. There is
nothing on that page to click on: any site may show it inside its own, as Moodle does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..ports import Clock
from .pages import render
from .refusals import Advice

MINUTE = 60.0
MOST_ADDRESSES = 10_000
KIB = 1024
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Limit:
    """For paths that begin so: bytes in a body (None: the server's own limit), and requests of one address a minute."""

    path: str
    body: int | None
    per_minute: int


LIMITS = (
    Limit("/_matrix/app/", None, 100_000),
    Limit("/_matrix/mau/", KIB, 600),
    Limit("/health", KIB, 600),
    Limit("/lti/", 256 * KIB, 6_000),
    Limit("/static/", KIB, 24_000),
    Limit("/", 256 * KIB, 12_000),
)
"""The first that fits counts."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Limiter:
    """Counts by address and kind, a minute at a time."""

    def __init__(self, clock: Clock, limits: tuple[Limit, ...] = LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._minute = 0
        self._seen: dict[tuple[str, str], int] = {}

    def refusal(self, path: str, address: str, length: int | None) -> tuple[int, str] | None:
        """Status and sentence where a request is not taken. `length`: of its body, None where it does not say."""
        limit = next(one for one in self._limits if path.startswith(one.path))
        if limit.body is not None and length is not None and length > limit.body:
            return 413, f"At most {limit.body} bytes are read here. Nothing was done."
        minute = int(self._clock.now() // MINUTE)
        if minute != self._minute or len(self._seen) >= MOST_ADDRESSES:
            self._minute, self._seen = minute, {}
        key = (limit.path, address)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] > limit.per_minute:
            return 429, "Too many requests. Nothing was done; wait a minute."
        return None

    def middleware(self, *, with_pages: bool = False) -> Middleware:
        """To be hung into an aiohttp application. `with_pages`: it has our templates, and browsers get a page."""

        @web.middleware
        async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
            refused = self.refusal(request.path, address_of(request), request.content_length)
            if refused is None:
                return await handler(request)
            status, sentence = refused
            if with_pages and is_browser(request):
                advice = Advice.SLOWER if status == 429 else Advice.SHORTER
                context = {"advice": advice, "detail": "", "values": {}, "reference": ""}
                response = render("refused.html", request, context, status=status, framer="*")
            else:
                name = "M_LIMIT_EXCEEDED" if status == 429 else "M_TOO_LARGE"
                response = web.json_response({"errcode": name, "error": sentence}, status=status)
            if status == 429:
                response.headers["Retry-After"] = "60"
            return response

        return limited


def is_browser(request: web.Request) -> bool:
    """Whether a person is to read the answer. Browsers name HTML where they open a page; programs take anything."""
    return "text/html" in request.headers.get("Accept", "")


def address_of(request: web.Request) -> str:
    """Who sends a request."""
    remote = request.remote or ""
    if remote not in _LOOPBACK:
        return remote
    named = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return named or remote
