"""The way into the dashboard from Matrix: the bot hands an administrator a link, good once and for five minutes.

A link in a chat is looked at by programs (previews, scanners), so opening it only shows a button; the button uses it
up. From Moodle the way is the launch: Moodle must call the person an administrator, and `permissions` must name them.
"""

from __future__ import annotations

import re
import secrets
from functools import partial

from aiohttp import web

from ..domain.model import MoodleUserId, UserId
from ..domain.permissions import Permissions
from ..errors import Refused
from ..ports import Clock, Journal, SessionBook, SignedIn
from .cookies import Cookies, Session, hashed
from .forms import read_form, text
from .guard import Guard
from .pages import harmless, render
from .refusals import Advice, Refusal, Why

LINK_LASTS = 300
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
ENTER = "/admin/enter/{secret}"


class DashboardLinks:
    """Makes links. The bot has recognised whom it talks to."""

    def __init__(
        self, public_url: str, permissions: Permissions, book: SessionBook, journal: Journal, clock: Clock
    ) -> None:
        self._public_url = public_url
        self._permissions = permissions
        self._book = book
        self._journal = journal
        self._clock = clock

    async def invite(self, account: UserId, person: MoodleUserId | None) -> str:
        """A link for the owner of this account. Raises `Refused` for who is no administrator, or without pages."""
        if not self._permissions.has(person=person, account=account):
            raise Refused("The dashboard is for administrators of the site. No link was made.")
        if not self._public_url:
            raise Refused("There are no pages: web.public_url is empty. No link was made.")
        secret, now = secrets.token_urlsafe(32), self._clock.now()
        await self._book.invite(
            hashed(secret), SignedIn(person, account), now=now, expires_at=now + LINK_LASTS
        )
        await self._journal.note(
            "DashboardLink", at=now, why="An administrator asked the bot for the dashboard.", person=person
        )
        return f"{self._public_url}{ENTER.format(secret=secret)}"


class AdminDoor:
    """`/admin/enter/<secret>`: GET shows the button, POST uses the link up."""

    def __init__(
        self, guard: Guard, cookies: Cookies, permissions: Permissions, book: SessionBook, clock: Clock
    ) -> None:
        self._guard = guard
        self._cookies = cookies
        self._permissions = permissions
        self._book = book
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [get(ENTER, guarded(self._show)), web.post(ENTER, guarded(self._enter))]

    async def _show(self, request: web.Request) -> web.Response:
        _secret(request)
        return render("enter.html", request, {"where": request.path})

    async def _enter(self, request: web.Request) -> web.Response:
        secret = _secret(request)
        # Nobody can send the form in somebody else's name: whoever could has the link.
        text(await read_form(request), "none")
        who = await self._book.accept(hashed(secret), now=self._clock.now())
        if who is None or who.account is None:
            raise Refusal(Why.ENTRY, Advice.ENTRY)
        if not self._permissions.has(person=who.user_id, account=who.account):
            raise Refusal(Why.NO_RIGHT, Advice.NO_RIGHT)
        response = harmless(web.Response(status=303, headers={"Location": "/admin"}))
        await self._cookies.close_session(request, response)
        session = Session(who.user_id, "", None, administrator=False, account=who.account)
        await self._cookies.open_session(response, session)
        return response


def _secret(request: web.Request) -> str:
    secret = request.match_info["secret"]
    if not _SECRET.fullmatch(secret):
        raise Refusal(Why.ENTRY, Advice.ENTRY)
    return secret
