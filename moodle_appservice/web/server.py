"""The pages that people open, on the same server that Synapse pushes to; nothing of it exists without
`web.public_url`.

    /lti/register/<secret>   Moodle's registration, see lti_registration
    /lti/login, /lti/launch  the two halves of a click in Moodle, see lti_launch
    /lti/jwks.json           our public key
    /me, /c/<course id>      inside a session: who was recognised
    /sign-out                ends the session in this browser
    /static/…                the style sheet

Every handler either answers or raises `Refusal`, which becomes a page with a reference number and a line in the
audit log.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from ..domain.model import CourseId
from ..errors import AppError
from ..ports import Clock, CourseBook, Journal
from .cookies import Cookies, NotSignedIn, Session
from .forms import read_form, read_query, text
from .keyring import Keyring
from .lti_choice import Question
from .lti_launch import LAUNCH, LtiLaunches
from .lti_registration import LtiRegistrar
from .origins import origin
from .pages import STATIC, harmless, render, set_up
from .platforms import Platforms
from .refusals import Advice, Refusal, Refusals

log = logging.getLogger(__name__)
_LONGEST_TOKEN = 8192
_CHECKED = "with_cookie"
_FRAMES = ("iframe", "frame", "embed", "object")
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Pages:
    """Everything for browsers. `start` before the routes are served."""

    def __init__(
        self,
        platforms: Platforms,
        launches: LtiLaunches,
        registrar: LtiRegistrar,
        cookies: Cookies,
        keyring: Keyring,
        *,
        courses: CourseBook,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._platforms = platforms
        self._launches = launches
        self._registrar = registrar
        self._cookies = cookies
        self._keyring = keyring
        self._courses = courses
        self._refusals = Refusals(journal, clock)

    async def start(self) -> None:
        """Load the keys."""
        await self._keyring.load()

    def hang_into(self, app: web.Application) -> None:
        """Add the routes and the templates to an application."""
        set_up(app)
        get = partial(web.get, allow_head=False)
        app.add_routes(
            [
                get("/lti/register/{secret}", self._guarded(self._register)),
                get("/lti/login", self._guarded(self._login)),
                web.post("/lti/login", self._guarded(self._login)),
                web.post(LAUNCH, self._guarded(self._launch)),
                web.get("/lti/jwks.json", self._key_set),
                web.post("/sign-out", self._guarded(self._sign_out)),
                get("/me", self._guarded(self._me)),
                get(r"/c/{course:[1-9]\d{0,17}}", self._guarded(self._course)),
                web.static("/static", STATIC),
            ]
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.Response:
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
            context = {"advice": Advice.NOT_NOW, "detail": "", "reference": reference}
            return render("refused.html", request, context, status=Advice.NOT_NOW.status)

        return answer

    async def _refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        reference = await self._refusals.book(refusal)
        context = {"advice": refusal.advice, "detail": refusal.detail, "reference": reference}
        return await self._framed("refused.html", request, context, status=refusal.advice.status)

    async def _framed(
        self, template: str, request: web.Request, context: Mapping[str, object], **given: Any
    ) -> web.Response:
        """A page without anything to click on that acts: Moodle may show it inside its own."""
        return render(template, request, context, framer=origin(await self._platforms.framer()), **given)

    async def _register(self, request: web.Request) -> web.Response:
        said = read_query(request)
        platform = await self._registrar.register(
            request.match_info["secret"],
            text(said, "openid_configuration", longest=1000),
            text(said, "registration_token", longest=_LONGEST_TOKEN),
        )
        context = {"site": platform.issuer, "moodle": origin(platform.issuer)}
        return await self._framed("registered.html", request, context, with_script=True)

    async def _login(self, request: web.Request) -> web.Response:
        said = read_query(request) if request.method == "GET" else await read_form(request)
        sign_in = await self._launches.login(said)
        if sign_in.is_choice:
            to_moodle = self._launches.to_moodle(sign_in, None)
            return harmless(web.Response(status=303, headers={"Location": str(to_moodle)}))
        again = request.rel_url.with_path("/lti/login").with_query(sign_in.back)
        has_cookie = self._cookies.browser(request) is not None
        if request.headers.get("Sec-Fetch-Dest") in _FRAMES or (_CHECKED in said and not has_cookie):
            # Browsers keep no cookies for frames of other sites, and our pages may not be framed at all.
            return await self._framed("new_window.html", request, {"again": str(again)})
        if has_cookie or "Sec-Fetch-Dest" in request.headers:
            response = web.Response(status=303)
            mark = self._cookies.mark_browser(request, response)
            response.headers["Location"] = str(self._launches.to_moodle(sign_in, mark))
            return harmless(response)
        # An old browser that does not say whether this is a frame: see whether a cookie comes back.
        response = web.Response(status=303, headers={"Location": str(again.update_query({_CHECKED: "1"}))})
        self._cookies.mark_browser(request, response)
        return harmless(response)

    async def _launch(self, request: web.Request) -> web.Response:
        launch = await self._launches.launch(await read_form(request), self._cookies.browser(request))
        if isinstance(launch, Question):
            context = {"return_url": launch.return_url, "answer": self._launches.answer(launch)}
            posts_to = origin(launch.platform.issuer)
            return await self._framed("choose.html", request, context, posts_to=posts_to)
        path = "/me" if launch.course_id is None else f"/c/{launch.course_id}"
        response = web.Response(status=303, headers={"Location": path})
        session = Session(launch.user_id, launch.name, launch.course_id, launch.administrator)
        self._cookies.open_session(response, session)
        return harmless(response)

    async def _key_set(self, _request: web.Request) -> web.Response:
        response = web.json_response(self._keyring.public_keys())
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    async def _me(self, request: web.Request) -> web.Response:
        return await self._recognised(request, None)

    async def _course(self, request: web.Request) -> web.Response:
        return await self._recognised(request, CourseId(int(request.match_info["course"])))

    async def _recognised(self, request: web.Request, course_id: CourseId | None) -> web.Response:
        session = self._cookies.require(request)
        row = None
        if course_id is not None and await self._courses.roles(course_id, session.user_id) is not None:
            row = await self._courses.get(course_id)
        context = {
            "form_token": self._cookies.form_token(request),
            "name": session.name,
            "user_id": session.user_id,
            "asked_for_course": course_id is not None,
            "course": row.shortname if row is not None else None,
        }
        return render("recognised.html", request, context)

    async def _sign_out(self, request: web.Request) -> web.Response:
        self._cookies.check_form(request, await read_form(request))
        response = render("sign_in.html", request, {})
        self._cookies.close_session(response)
        return response
