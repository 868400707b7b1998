"""What a signed-in person finds: `/me`, and `/c/<course id>` for one course.

/me              the person's courses
/me/code         a code with which another Matrix account is proven
/c/<course id>   the rooms of a course, with their state and a way in; to somebody who is not in the course it says
                 the same as of one that does not exist
/sign-out        ends the session
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from ..domain.members import level_of
from ..domain.model import CourseId, MoodleUserId
from ..domain.rooms import RoomKind
from ..engine.visits import Place, Visit
from .cookies import Cookies, Session
from .forms import read_form, read_query
from .guard import Guard
from .inside import Inside
from .links import Links
from .pages import render
from .refusals import Advice, Refusal, Why
from .rights import STAFF, Rights

COURSE = r"/c/{course:[1-9]\d{0,17}}"
ARRIVED = "arrived"
"""The parameter of a page that a launch leads to: an invite may be on its way."""
_MOST_COURSES = 200


def course_of(request: web.Request) -> CourseId:
    """The course of the address."""
    return CourseId(int(request.match_info["course"]))


class CoursePages:
    """Pages for everybody who is signed in."""

    def __init__(self, guard: Guard, cookies: Cookies, inside: Inside, rights: Rights, links: Links) -> None:
        self._guard = guard
        self._cookies = cookies
        self._inside = inside
        self._rights = rights
        self._links = links

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [
            get("/me", guarded(self._me)),
            web.post("/me/code", guarded(self._code)),
            get(COURSE, guarded(self._course)),
            web.post("/sign-out", guarded(self._sign_out)),
        ]

    async def _me(self, request: web.Request) -> web.Response:
        session = await self._cookies.require(request)
        mine = {} if session.user_id is None else await self._inside.store.courses.courses_of(session.user_id)
        rows = [await self._inside.store.courses.get(one) for one in sorted(mine)[:_MOST_COURSES]]
        courses = [row for row in rows if row is not None and row.on and not row.gone]
        return self._page("me.html", request, session, courses=courses)

    async def _course(self, request: web.Request) -> web.Response:
        session = await self._cookies.require(request)
        course_id = course_of(request)
        if session.user_id is None:
            return self._page("course.html", request, session, visit=None, staff=False)
        arrived = ARRIVED in read_query(request) and session.course_id == course_id
        visit = await self._visit(session.user_id, course_id, arrived=arrived)
        return self._page(
            "course.html",
            request,
            session,
            status=200 if visit is not None else 404,
            visit=visit,
            arrived=arrived,
            staff=visit is not None and level_of(visit.roles, self._inside.rules) >= STAFF,
            links=self._links,
            bot=self._inside.rules.bot,
            mode=self._inside.rules.accounts.mode.value,
            places=Place,
            kinds=RoomKind,
        )

    async def _visit(self, user_id: MoodleUserId, course_id: CourseId, *, arrived: bool) -> Visit | None:
        visits = self._inside.visits
        look = visits.look_after_launch if arrived else visits.look
        visit = await look(user_id, course_id)
        if arrived and (visit is None or not visit.is_settled):
            await visits.wait(course_id)
            visit = await visits.look(user_id, course_id)
        return visit

    async def _code(self, request: web.Request) -> web.Response:
        session = await self._cookies.check_form(request, await read_form(request))
        if session.user_id is None:
            raise Refusal(Why.NO_RIGHT, Advice.NO_RIGHT)
        code = await self._inside.linking.give_code(session.user_id, signal="page")
        return self._page(
            "code.html", request, session, code=code, bot=self._inside.rules.bot, links=self._links
        )

    async def _sign_out(self, request: web.Request) -> web.Response:
        await self._cookies.check_form(request, await read_form(request))
        response = render("sign_in.html", request, {"signed_out": True})
        await self._cookies.close_session(request, response)
        return response

    def _page(
        self, template: str, request: web.Request, session: Session, *, status: int = 200, **context: object
    ) -> web.Response:
        common = {
            "session": session,
            "form_token": self._cookies.form_token(request),
            "is_admin": self._rights.is_admin(session),
        }
        return render(template, request, {**common, **context}, status=status)
