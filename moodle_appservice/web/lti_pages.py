"""The addresses that Moodle and its visitors use on the way in; see lti_registration, lti_launch and lti_choice.

/lti/register/<secret>   Moodle's registration
/lti/login, /lti/launch  the two halves of a click in Moodle
/lti/jwks.json           our public key
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from .cookies import Cookies, Session
from .forms import read_form, read_query, text
from .guard import Guard
from .keyring import Keyring
from .lti_choice import Question
from .lti_launch import LAUNCH, LtiLaunches
from .lti_registration import LtiRegistrar
from .lti_token import Launch
from .origins import origin
from .pages import harmless, language_of
from .refusals import Refusal

_LONGEST_TOKEN = 8192
_CHECKED = "with_cookie"
_FRAMES = ("iframe", "frame", "embed", "object")
OnLaunch = Callable[[Launch], Awaitable[str]]


class LtiPages:
    """`on_launch` is told of every person whom Moodle has signed in here, and says which page comes next.

    `counted` is told of each launch: `signed in` or `refused`.
    """

    def __init__(
        self,
        guard: Guard,
        launches: LtiLaunches,
        registrar: LtiRegistrar,
        cookies: Cookies,
        keyring: Keyring,
        on_launch: OnLaunch,
        counted: Callable[[str], None],
    ) -> None:
        self._counted = counted
        self._guard = guard
        self._launches = launches
        self._registrar = registrar
        self._cookies = cookies
        self._keyring = keyring
        self._on_launch = on_launch

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [
            get("/lti/register/{secret}", guarded(self._register)),
            get("/lti/login", guarded(self._login)),
            web.post("/lti/login", guarded(self._login)),
            web.post(LAUNCH, guarded(self._launch)),
            web.get("/lti/jwks.json", self._key_set),
        ]

    async def _register(self, request: web.Request) -> web.Response:
        said = read_query(request)
        platform = await self._registrar.register(
            request.match_info["secret"],
            text(said, "openid_configuration", longest=1000),
            text(said, "registration_token", longest=_LONGEST_TOKEN),
        )
        context = {"site": platform.issuer, "moodle": origin(platform.issuer)}
        return await self._guard.framed("registered.html", request, context, with_script=True)

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
            return await self._guard.framed("new_window.html", request, {"again": str(again)})
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
        try:
            launch = await self._launches.launch(await read_form(request), self._cookies.browser(request))
        except Refusal:
            self._counted("refused")
            raise
        if isinstance(launch, Question):
            context = {
                "return_url": launch.return_url,
                "answer": self._launches.answer(launch, language_of(request)),
            }
            posts_to = origin(launch.platform.issuer)
            return await self._guard.framed("choose.html", request, context, posts_to=posts_to)
        self._counted("signed in")
        path = await self._on_launch(launch)
        response = web.Response(status=303, headers={"Location": path})
        await self._cookies.close_session(request, response)
        session = Session(
            launch.user_id,
            launch.name,
            launch.course_id,
            launch.administrator,
            language=launch.language,
        )
        await self._cookies.open_session(response, session)
        return harmless(response)

    async def _key_set(self, _request: web.Request) -> web.Response:
        response = web.json_response(self._keyring.public_keys())
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
