"""What a signed-in person finds: `/me`, and `/c/<course id>` for one course; `/sign-out` ends the session."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from ..domain.model import CourseId, MoodleUserId
from ..ports import CourseBook
from .cookies import Cookies
from .forms import read_form
from .guard import Guard
from .pages import render

COURSE = r"/c/{course:[1-9]\d{0,17}}"


class CoursePages:
    """Pages inside a session."""

    def __init__(self, guard: Guard, cookies: Cookies, courses: CourseBook) -> None:
        self._guard = guard
        self._cookies = cookies
        self._courses = courses

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [
            get("/me", guarded(self._me)),
            get(COURSE, guarded(self._course)),
            web.post("/sign-out", guarded(self._sign_out)),
        ]

    async def _me(self, request: web.Request) -> web.Response:
        return await self._recognised(request, None)

    async def _course(self, request: web.Request) -> web.Response:
        return await self._recognised(request, CourseId(int(request.match_info["course"])))

    async def _recognised(self, request: web.Request, course_id: CourseId | None) -> web.Response:
        session = await self._cookies.require(request)
        row = None
        user_id = session.user_id
        if course_id is not None and user_id is not None and await self._is_member(course_id, user_id):
            row = await self._courses.get(course_id)
        context = {
            "form_token": self._cookies.form_token(request),
            "name": session.name,
            "user_id": session.user_id,
            "asked_for_course": course_id is not None,
            "course": row.shortname if row is not None else None,
        }
        return render("recognised.html", request, context)

    async def _is_member(self, course_id: CourseId, user_id: MoodleUserId) -> bool:
        return await self._courses.roles(course_id, user_id) is not None

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self._cookies.check_form(request, await read_form(request))
        response = render("sign_in.html", request, {})
        await self._cookies.close_session(request, response)
        return response
