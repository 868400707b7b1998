"""From an id_token to a launch: the signature first, then every claim that we rely on, in Moodle's terms.

RS256 only, with a key that Moodle publishes at the address of its registration; whatever the token says about where
its key might be found is ignored. Nothing of the token is believed, shown or stored before all of it was checked.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError

from ..domain.model import CourseId, MoodleUserId
from ..errors import TemporaryFailure
from ..ports import Platform
from .platform_keys import PlatformKeys
from .refusals import Advice, Refusal, Why

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
ADMINISTRATOR = "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"
MESSAGE = "LtiResourceLinkRequest"
ALGORITHM = "RS256"
LONGEST = 16 * 1024
LEEWAY = 30.0
"""Seconds that Moodle's clock may differ from ours."""
OLDEST = 600.0
"""Seconds that a token may be valid for. Moodle's are for 60."""
_LONGEST_NAME = 200
_LOCALE = re.compile(r"[A-Za-z0-9_-]{1,30}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Launch:
    """Who clicked which link, as Moodle has signed it. `course_id` None: none was named."""

    user_id: MoodleUserId
    name: str
    course_id: CourseId | None
    administrator: bool
    language: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must say: the sign-in that it answers, its kind, and where it leads."""

    platform: Platform
    nonce: str
    login_hint: str
    target: str
    message: str


async def read_claims(text: str, expected: Expected, keys: PlatformKeys, *, now: float) -> Mapping[str, Any]:
    """The claims of a token that says all that it must. Raises `Refusal`."""
    claims = await _verified(text, expected.platform, keys)
    _check_addressee(claims, expected.platform)
    _check_time(claims, now)
    if not hmac.compare_digest(_text(claims, "nonce").encode(), expected.nonce.encode()):
        raise Refusal(Why.NONCE)
    if _text(claims, f"{CLAIM}message_type") != expected.message:
        raise Refusal(Why.MESSAGE)
    if _text(claims, f"{CLAIM}version") != "1.3.0":
        raise Refusal(Why.MESSAGE)
    if _text(claims, f"{CLAIM}target_link_uri") != expected.target:
        raise Refusal(Why.TARGET)
    subject = _text(claims, "sub")
    if not _NUMBER.fullmatch(subject) or subject != expected.login_hint:
        raise Refusal(Why.SUBJECT)
    return claims


def launch_of(claims: Mapping[str, Any]) -> Launch:
    """What checked claims say about a click."""
    return Launch(
        user_id=MoodleUserId(int(claims["sub"])),
        name=_name(claims),
        course_id=_course(claims),
        administrator=ADMINISTRATOR in _roles(claims),
        language=_language(claims),
    )


async def _verified(text: str, platform: Platform, keys: PlatformKeys) -> Mapping[str, Any]:
    if not text or len(text) > LONGEST or not text.isascii():
        raise Refusal(Why.TOKEN)
    header = _header(text)
    if header.get("alg") != ALGORITHM:
        raise Refusal(Why.ALGORITHM)
    kid = header.get("kid")
    if not isinstance(kid, str) or "crit" in header:
        raise Refusal(Why.KEY)
    try:
        key = await keys.find(platform.keys_url, kid)
    except TemporaryFailure:
        raise Refusal(Why.KEYS_UNREAD, Advice.LATER) from None
    if key is None:
        raise Refusal(Why.KEY)
    try:
        return jwt.decode(text, key, algorithms=[ALGORITHM]).claims
    except BadSignatureError:
        raise Refusal(Why.SIGNATURE) from None
    except (JoseError, ValueError, RecursionError):
        raise Refusal(Why.TOKEN) from None


def _header(text: str) -> Mapping[str, Any]:
    """What the token says about itself, not verified: only good for choosing among the keys that we trust."""
    try:
        header = jws.extract_compact(text.encode()).protected
    except (JoseError, ValueError, TypeError, RecursionError):
        raise Refusal(Why.TOKEN) from None
    if not isinstance(header, dict):
        raise Refusal(Why.TOKEN)
    return header


def _check_addressee(claims: Mapping[str, Any], platform: Platform) -> None:
    if _text(claims, "iss") != platform.issuer:
        raise Refusal(Why.ISSUER)
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or platform.client_id not in named:
        raise Refusal(Why.AUDIENCE)
    if (len(named) > 1 or "azp" in claims) and claims.get("azp") != platform.client_id:
        raise Refusal(Why.AUDIENCE)
    if _text(claims, f"{CLAIM}deployment_id") != platform.deployment_id:
        raise Refusal(Why.DEPLOYMENT)


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    issued, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    if ends + LEEWAY <= now:
        raise Refusal(Why.TIME, Advice.AGAIN)
    starts = max(issued, _seconds(claims, "nbf")) if "nbf" in claims else issued
    if starts - LEEWAY > now or ends - issued > OLDEST:
        raise Refusal(Why.TIME)


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise Refusal(Why.TIME)
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _name(claims: Mapping[str, Any]) -> str:
    """The full name if Moodle shares names, for showing only."""
    name = "".join(letter if letter.isprintable() else " " for letter in _text(claims, "name"))
    return " ".join(name.split())[:_LONGEST_NAME]


def _course(claims: Mapping[str, Any]) -> CourseId | None:
    context = claims.get(f"{CLAIM}context")
    number = context.get("id") if isinstance(context, dict) else None
    return CourseId(int(number)) if isinstance(number, str) and _NUMBER.fullmatch(number) else None


def _language(claims: Mapping[str, Any]) -> str:
    """The language in which Moodle shows itself to the person."""
    presentation = claims.get(f"{CLAIM}launch_presentation")
    locale = presentation.get("locale") if isinstance(presentation, dict) else None
    return locale if isinstance(locale, str) and _LOCALE.fullmatch(locale) else ""


def _roles(claims: Mapping[str, Any]) -> list[object]:
    roles = claims.get(f"{CLAIM}roles")
    return roles if isinstance(roles, list) else []
