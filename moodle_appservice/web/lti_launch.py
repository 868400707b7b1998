"""The way of a click: Moodle sends the browser to `login`, we send it back to Moodle to sign in, Moodle posts to
`launch`.

What ties the three together is the state: signed by us, good for ten minutes, bound to this browser's cookie and to
the nonce that Moodle must put into its token. `login` writes nothing into the database, so a stranger can't fill
it; `launch` books the nonce there, after every other check, so a token is good once.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from ..languages import Language
from ..ports import Clock, LtiBook, Platform
from .cookies import SIGN_IN_TAKES, hashed
from .forms import text
from .keyring import Keyring
from .lti_choice import CHOOSE, Question, answer, read_question
from .lti_choice import MESSAGE as CHOICE
from .lti_token import LEEWAY, LONGEST, MESSAGE, OLDEST, Expected, Launch, launch_of, read_claims
from .origins import is_safe_site
from .platform_keys import PlatformKeys
from .platforms import Platforms
from .refusals import Advice, Refusal, Why

LAUNCH = "/lti/launch"
_PURPOSE = "state"
_LONGEST_HINT = 4096


@dataclass(frozen=True, slots=True)
class SignIn:
    """A checked request to sign somebody in; `back` are the parameters with which it can be made again."""

    platform: Platform
    login_hint: str
    message_hint: str
    target: str
    back: Mapping[str, str]
    is_choice: bool
    """It comes from Moodle's dialog for choosing content, which is a frame; see lti_choice."""


class LtiLaunches:
    """Both steps; each raises `Refusal`."""

    def __init__(
        self, platforms: Platforms, book: LtiBook, keys: PlatformKeys, keyring: Keyring, clock: Clock
    ) -> None:
        self._platforms = platforms
        self._book = book
        self._keys = keys
        self._keyring = keyring
        self._clock = clock
        self._launch_url = f"{platforms.public_url}{LAUNCH}"
        self._choose_url = f"{platforms.public_url}{CHOOSE}"

    async def login(self, said: Mapping[str, str]) -> SignIn:
        """Check what Moodle's link says before anybody is sent anywhere. Raises `Refusal` for what does not fit."""
        platform = await self._platform()
        if text(said, "iss") != platform.issuer:
            raise Refusal(Why.ISSUER)
        if text(said, "client_id") not in ("", platform.client_id):
            raise Refusal(Why.CLIENT)
        if text(said, "lti_deployment_id") not in ("", platform.deployment_id):
            raise Refusal(Why.DEPLOYMENT)
        target = text(said, "target_link_uri", longest=1000)
        if target not in (self._launch_url, self._choose_url):
            raise Refusal(Why.TARGET)
        login_hint = text(said, "login_hint")
        if not login_hint:
            raise Refusal(Why.MALFORMED)
        message_hint = text(said, "lti_message_hint", longest=_LONGEST_HINT)
        back = {
            "iss": platform.issuer,
            "client_id": platform.client_id,
            "target_link_uri": target,
            "login_hint": login_hint,
            "lti_message_hint": message_hint,
        }
        return SignIn(platform, login_hint, message_hint, target, back, target == self._choose_url)

    def to_moodle(self, sign_in: SignIn, browser: str | None) -> URL:
        """Where the browser with this mark goes to sign in: always Moodle's own address."""
        assert browser is not None or sign_in.is_choice, "only a choice needs no browser"
        nonce = secrets.token_urlsafe(32)
        state = {
            "nonce": nonce,
            "browser": None if browser is None else hashed(browser),
            "hint": sign_in.login_hint,
            "target": sign_in.target,
            "exp": int(self._clock.now()) + SIGN_IN_TAKES,
        }
        parameters = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": sign_in.platform.client_id,
            "redirect_uri": self._launch_url,
            "login_hint": sign_in.login_hint,
            "state": self._keyring.sign(_PURPOSE, state),
            "nonce": nonce,
        }
        if sign_in.message_hint:
            parameters["lti_message_hint"] = sign_in.message_hint
        return URL(sign_in.platform.login_url).with_query(parameters)

    async def launch(self, said: Mapping[str, str], browser: str | None) -> Launch | Question:
        """Check Moodle's answer. The nonce is used up last, by a token that is good in every other way.

        Raises `Refusal` for an answer that does not hold.
        """
        platform = await self._platform()
        state, now = self._state(said, browser), self._clock.now()
        if said.get("error"):
            raise Refusal(Why.PLATFORM_ERROR, Advice.AGAIN)
        is_choice = state["target"] == self._choose_url
        message = CHOICE if is_choice else MESSAGE
        expected = Expected(platform, state["nonce"], state["hint"], state["target"], message)
        claims = await read_claims(text(said, "id_token", longest=LONGEST), expected, self._keys, now=now)
        found = read_question(claims, platform) if is_choice else launch_of(claims)
        kept_until = now + SIGN_IN_TAKES + OLDEST + LEEWAY
        if not await self._book.use_once(hashed(state["nonce"]), now=now, expires_at=kept_until):
            raise Refusal(Why.REPLAY, Advice.AGAIN)
        return found

    def answer(self, question: Question, language: Language) -> str:
        """What Moodle's dialog is told."""
        return answer(question, self._keyring, now=self._clock.now(), language=language)

    def _state(self, said: Mapping[str, str], browser: str | None) -> Mapping[str, Any]:
        """What we sent along with the sign-in, if it is ours, recent, and this browser's."""
        state = self._keyring.read(_PURPOSE, text(said, "state", longest=_LONGEST_HINT))
        if state is None:
            raise Refusal(Why.STATE)
        if state["exp"] <= self._clock.now():
            raise Refusal(Why.STATE_OLD, Advice.AGAIN)
        if state["target"] == self._choose_url:
            return state
        if browser is None:
            raise Refusal(Why.NO_COOKIE, Advice.COOKIES)
        if not hmac.compare_digest(hashed(browser), state["browser"]):
            raise Refusal(Why.OTHER_BROWSER, Advice.AGAIN)
        return state

    async def _platform(self) -> Platform:
        platform = await self._platforms.platform()
        if platform is None:
            raise Refusal(Why.NOT_REGISTERED, Advice.NOT_READY)
        if not is_safe_site(platform.issuer):
            # Whoever sits in between could hand us keys of their own.
            raise Refusal(Why.UNSAFE_SITE, Advice.NOT_READY)
        return platform
