"""What every page of the dashboard shares: only administrators, one navigation, pages of lists, no open addresses."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from ..domain.model import CourseId, MoodleUserId
from .cookies import Cookies, Session
from .forms import read_form, text
from .inside import Inside
from .pages import render
from .refusals import Refusal, Why
from .rights import Rights

PAGE = 50
"""Rows on one page of a list."""


class AdminFrame:
    """Checks who asks, and renders."""

    def __init__(self, cookies: Cookies, rights: Rights, inside: Inside) -> None:
        self._cookies = cookies
        self._rights = rights
        self._inside = inside

    async def see(self, request: web.Request) -> Session:
        """The session of an administrator. Raises `Refusal` or `NotSignedIn`."""
        session = await self._cookies.require(request)
        self._rights.must_be_admin(session)
        return session

    async def act(self, request: web.Request) -> tuple[Session, Mapping[str, str]]:
        """The same for a form that was made in this session, and what it says."""
        said = await read_form(request)
        session = await self._cookies.check_form(request, said)
        self._rights.must_be_admin(session)
        return session, said

    def page(self, template: str, request: web.Request, session: Session, **context: object) -> web.Response:
        """A page of the dashboard."""
        common = {
            "session": session,
            "form_token": self._cookies.form_token(request),
            "is_admin": True,
            "now": self._inside.clock.now(),
        }
        return render(template, request, {**common, **context})


def page_of(asked: Mapping[str, str]) -> int:
    """The number of the page of a list, from 1. Raises `Refusal`."""
    number = _number(asked, "page")
    return 1 if number is None else number


def course_in(asked: Mapping[str, str]) -> CourseId | None:
    """The course that a filter names."""
    number = _number(asked, "course")
    return None if number is None else CourseId(number)


def person_in(asked: Mapping[str, str]) -> MoodleUserId | None:
    """The person whom a filter names."""
    number = _number(asked, "person")
    return None if number is None else MoodleUserId(number)


def _number(asked: Mapping[str, str], name: str) -> int | None:
    value = text(asked, name, longest=17).strip()
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise Refusal(Why.MALFORMED)
    return int(value)


def back(where: str) -> web.Response:
    """To a page of ours after something was done."""
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
