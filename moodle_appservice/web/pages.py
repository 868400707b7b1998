"""How a page leaves the house: from a template that escapes, with headers that let it do nothing but be read.

No script runs on any page but the one that closes Moodle's registration window, and every page says all that it has
to say without it. A page is in the language that the person has chosen in the chat, else in the one that the session
came with, else in the one that the browser asks for. Its times are those of the person's time zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

from ..engine.readers import Reader
from ..languages import ENGLISH, Language, nearest

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
LANGUAGE = web.RequestKey("language", str)
"""The language of whoever is signed in, as Moodle spells it."""
ZONE = web.RequestKey("zone", str)
"""The time zone of whoever is signed in, an IANA name; empty for UTC."""


def set_up(app: web.Application) -> None:
    """Prepare an application for `render`."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    template: str,
    request: web.Request,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    framer: str = "'none'",
    with_script: bool = False,
    posts_to: str = "'self'",
) -> web.Response:
    """A page. `framer`: the origin that may show it in a frame; `posts_to`: the one that its form goes to."""
    language = language_of(request)
    reader = Reader(language, request.get(ZONE, ""))
    words = {
        "language": language,
        "_": language.gettext,
        "ngettext": language.ngettext,
        "tell": reader.tell,
        "moment": reader.moment,
    }
    response = aiohttp_jinja2.render_template(template, request, {**context, **words}, status=status)
    script = "'self'" if with_script else "'none'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; img-src 'self'; script-src {script}; form-action {posts_to}; "
        f"base-uri 'none'; frame-ancestors {framer}"
    )
    response.headers["Content-Language"] = language.code
    return harmless(response)


def language_of(request: web.Request) -> Language:
    """The language of whoever is signed in, else the first of ours that the browser asks for.

    RFC 9110, `Accept-Language`, in its order.
    """
    told = request.get(LANGUAGE)
    if told:
        return nearest(told)
    for part in request.headers.get("Accept-Language", "").split(","):
        code = part.partition(";")[0]
        if nearest(code).code != ENGLISH.code or code.strip().lower().startswith("en"):
            return nearest(code)
    return ENGLISH


def harmless(response: web.Response) -> web.Response:
    """The headers of everything that we send to a browser: not stored, not guessed at, no address handed on."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
