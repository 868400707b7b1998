"""Two cookies: who the browser is, for the way through Moodle and back; who the person is, after it.

The session's cookie is signed and also names a row in our database: signing out deletes the row, so that no copy of
the cookie holds any longer. What somebody may do stands in neither; it is looked up at each request.

Over TLS both carry the prefix `__Host-`, so no other host and no page without TLS can set them. The browser's
cookie comes back with the form that Moodle's page posts to us, hence SameSite=None; the session's never travels
inside a frame. On a `public_url` without TLS, which may only be this machine, browsers would drop such cookies:
they go without prefix, Secure and SameSite=None there (ports of one host are the same site).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from ..domain.model import CourseId, MoodleUserId, UserId
from ..engine.readers import Habits
from ..ports import Clock, SessionBook, SignedIn
from .keyring import Keyring
from .pages import LANGUAGE, ZONE
from .refusals import Advice, Refusal, Why

SIGN_IN_TAKES = 600
SESSION_LASTS = 8 * 3600
FORM_TOKEN = "form_token"
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_PURPOSE = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """Who this is: whom Moodle named when the link was clicked, or which account asked the bot for a link.

    Rights do not stand in it: they are looked up each time.
    """

    user_id: MoodleUserId | None
    name: str
    course_id: CourseId | None
    administrator: bool
    """Moodle called the person an administrator; `permissions` must agree."""
    account: UserId | None = None
    """The Matrix account to which the bot has given the link; None: the person came from Moodle."""
    language: str = ""
    """As Moodle spells it; empty where it was not told."""


Asked = Callable[[MoodleUserId | None, UserId | None], Awaitable[Habits]]
"""Asks how a person reads."""


class NotSignedIn(Exception):
    """Somebody followed a plain link: no refusal, only the question who it is."""


class Cookies:
    """Sets and reads both cookies. `public_url` decides on TLS.

    A session is in the language that the person has chosen in the chat, else in the one that Moodle came with.
    Its times are those of the person's time zone, else of the site's.
    """

    def __init__(
        self, public_url: str, keyring: Keyring, book: SessionBook, clock: Clock, habits: Asked
    ) -> None:
        self._habits = habits
        self._has_tls = public_url.startswith("https:")
        prefix = "__Host-" if self._has_tls else ""
        self.browser_name = f"{prefix}moodle-chat-browser"
        self.session_name = f"{prefix}moodle-chat-session"
        self._keyring = keyring
        self._book = book
        self._clock = clock

    def browser(self, request: web.Request) -> str | None:
        """The browser's mark, or None."""
        value = request.cookies.get(self.browser_name, "")
        return value if _BROWSER.fullmatch(value) else None

    def mark_browser(self, request: web.Request, response: web.StreamResponse) -> str:
        """Give the browser a mark, or more time with the one it has: several links may be opened at once."""
        mark = self.browser(request) or secrets.token_urlsafe(32)
        self._set(
            response, self.browser_name, mark, SIGN_IN_TAKES, same_site="None" if self._has_tls else "Lax"
        )
        return mark

    async def open_session(self, response: web.StreamResponse, session: Session) -> None:
        """Sign the person in."""
        now, secret = int(self._clock.now()), secrets.token_urlsafe(32)
        claims = {
            "sid": secret,
            "name": session.name,
            "course": session.course_id,
            "administrator": session.administrator,
            "language": session.language,
            "iat": now,
            "exp": now + SESSION_LASTS,
        }
        who = SignedIn(session.user_id, session.account)
        await self._book.open(hashed(secret), who, now=now, expires_at=now + SESSION_LASTS)
        # Lax: the first page after the launch is still reached from Moodle's.
        self._set(
            response, self.session_name, self._keyring.sign(_PURPOSE, claims), SESSION_LASTS, same_site="Lax"
        )

    async def session(self, request: web.Request) -> Session | None:
        """The session, or None where there is none, it has ended or was closed, or it was not signed by us."""
        claims = self._keyring.read(_PURPOSE, request.cookies.get(self.session_name, ""))
        if claims is None or claims["exp"] <= self._clock.now() or "sid" not in claims:
            return None
        who = await self._book.find(hashed(claims["sid"]), now=self._clock.now())
        if who is None:
            return None
        course = claims["course"]
        habits = await self._habits(who.user_id, who.account)
        request[LANGUAGE], request[ZONE] = habits.chosen or claims["language"], habits.zone
        return Session(
            user_id=who.user_id,
            name=claims["name"],
            course_id=None if course is None else CourseId(course),
            administrator=claims["administrator"],
            account=who.account,
            language=claims["language"],
        )

    async def require(self, request: web.Request) -> Session:
        """The session. Raises `NotSignedIn` without a cookie, `Refusal` with one that does not hold."""
        if self.session_name not in request.cookies:
            raise NotSignedIn
        session = await self.session(request)
        if session is None:
            raise Refusal(Why.NO_SESSION, Advice.SIGN_IN)
        return session

    def form_token(self, request: web.Request) -> str:
        """What every form of this session carries, so that no other site can send it in the person's name."""
        return self._keyring.mark("form", request.cookies.get(self.session_name, ""))

    async def check_form(self, request: web.Request, said: Mapping[str, str]) -> Session:
        """The session of a form that was made in it. Raises as `require`, and `Refusal` for another's form."""
        session = await self.require(request)
        if not hmac.compare_digest(said.get(FORM_TOKEN, "").encode(), self.form_token(request).encode()):
            raise Refusal(Why.FORM, Advice.AGAIN)
        return session

    async def close_session(self, request: web.Request, response: web.StreamResponse) -> None:
        """Sign the person out: here, and for every copy of the cookie."""
        claims = self._keyring.read(_PURPOSE, request.cookies.get(self.session_name, ""))
        if claims is not None and "sid" in claims:
            await self._book.close(hashed(claims["sid"]))
        self._set(response, self.session_name, "", 0, same_site="Lax")

    def _set(
        self, response: web.StreamResponse, name: str, value: str, seconds: int, *, same_site: str
    ) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self._has_tls, httponly=True, samesite=same_site
        )


def hashed(mark: str) -> str:
    """What we keep of a secret that we must only recognise."""
    return hashlib.sha256(mark.encode()).hexdigest()
