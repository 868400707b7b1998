"""Two cookies: who the browser is, for the way through Moodle and back; who the person is, after it.

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
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from ..domain.model import CourseId, MoodleUserId
from ..ports import Clock
from .keyring import Keyring
from .refusals import Advice, Refusal, Why

SIGN_IN_TAKES = 600
SESSION_LASTS = 8 * 3600
FORM_TOKEN = "form_token"
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
_PURPOSE = "session"


@dataclass(frozen=True, slots=True)
class Session:
    """Who Moodle said this is when the link was clicked. Rights do not stand in it: they are looked up each time."""

    user_id: MoodleUserId
    name: str
    course_id: CourseId | None
    administrator: bool
    """Moodle called the person an administrator; `permissions.admins` must agree."""


class NotSignedIn(Exception):
    """Somebody followed a plain link: no refusal, only the question who it is."""


class Cookies:
    """Sets and reads both cookies. `public_url` decides on TLS."""

    def __init__(self, public_url: str, keyring: Keyring, clock: Clock) -> None:
        self._has_tls = public_url.startswith("https:")
        prefix = "__Host-" if self._has_tls else ""
        self.browser_name = f"{prefix}moodle-chat-browser"
        self.session_name = f"{prefix}moodle-chat-session"
        self._keyring = keyring
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

    def open_session(self, response: web.StreamResponse, session: Session) -> None:
        """Sign the person in."""
        now = int(self._clock.now())
        claims = {
            "sub": str(session.user_id),
            "name": session.name,
            "course": session.course_id,
            "administrator": session.administrator,
            "iat": now,
            "exp": now + SESSION_LASTS,
        }
        # Lax: the first page after the launch is still reached from Moodle's.
        self._set(
            response, self.session_name, self._keyring.sign(_PURPOSE, claims), SESSION_LASTS, same_site="Lax"
        )

    def session(self, request: web.Request) -> Session | None:
        """The session, or None where there is none, it has ended, or it was not signed by us."""
        claims = self._keyring.read(_PURPOSE, request.cookies.get(self.session_name, ""))
        if claims is None or claims["exp"] <= self._clock.now():
            return None
        course = claims["course"]
        return Session(
            user_id=MoodleUserId(int(claims["sub"])),
            name=claims["name"],
            course_id=None if course is None else CourseId(course),
            administrator=claims["administrator"],
        )

    def require(self, request: web.Request) -> Session:
        """The session. Raises `NotSignedIn` without a cookie, `Refusal` with one that does not hold."""
        if self.session_name not in request.cookies:
            raise NotSignedIn
        session = self.session(request)
        if session is None:
            raise Refusal(Why.NO_SESSION, Advice.SIGN_IN)
        return session

    def form_token(self, request: web.Request) -> str:
        """What every form of this session carries, so that no other site can send it in the person's name."""
        return self._keyring.mark("form", request.cookies.get(self.session_name, ""))

    def check_form(self, request: web.Request, said: Mapping[str, str]) -> Session:
        """The session of a form that was made in it. Raises as `require`, and `Refusal` for another's form."""
        session = self.require(request)
        if not hmac.compare_digest(said.get(FORM_TOKEN, "").encode(), self.form_token(request).encode()):
            raise Refusal(Why.FORM, Advice.AGAIN)
        return session

    def close_session(self, response: web.StreamResponse) -> None:
        """Sign the person out in this browser."""
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
