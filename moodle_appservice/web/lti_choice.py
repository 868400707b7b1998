"""Deep linking: a teacher picks “Matrix chat” in Moodle's dialog, and we answer with the one link that there is.

The dialog is a frame, where browsers keep no cookie of ours, so this sign-in is not tied to a browser. It need not be:
nobody is signed in here by it, and the answer says the same to everybody; Moodle itself checks who may add it. The
answer is signed with our own key, and goes only to an address below Moodle's own.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..languages import ENGLISH, Language
from ..ports import Platform
from .keyring import Keyring
from .lti_token import CLAIM
from .origins import is_below
from .refusals import Refusal, Why

CHOOSE = "/lti/choose"
MESSAGE = "LtiDeepLinkingRequest"
ANSWER_LASTS = 300
_CLAIM = "https://purl.imsglobal.org/spec/lti-dl/claim/"
_QUERY = re.compile(r"[A-Za-z0-9._~%&=-]*")
_LONGEST_DATA = 4096


@dataclass(frozen=True, slots=True)
class Question:
    """Moodle asks what to link to. `data` comes back to it as it was; None: there was none."""

    platform: Platform
    return_url: str
    data: str | None


def read_question(claims: Mapping[str, Any], platform: Platform) -> Question:
    """From the claims of a checked token. Raises `Refusal`."""
    settings = claims.get(f"{_CLAIM}deep_linking_settings")
    settings = settings if isinstance(settings, dict) else {}
    url, data = settings.get("deep_link_return_url"), settings.get("data")
    if not isinstance(url, str) or (data is not None and not isinstance(data, str)):
        raise Refusal(Why.MESSAGE)
    address, _mark, query = url.partition("?")
    if not is_below(platform.issuer, address) or not _QUERY.fullmatch(query):
        raise Refusal(Why.FOREIGN_ADDRESS)
    if len(query) > _LONGEST_DATA or len(data or "") > _LONGEST_DATA:
        raise Refusal(Why.MALFORMED)
    return Question(platform, url, data)


def answer(question: Question, keyring: Keyring, *, now: float, language: Language = ENGLISH) -> str:
    """The signed answer: one link. Without an address, so that Moodle ties it to the tool that it knows."""
    claims = {
        "iss": question.platform.client_id,
        "aud": question.platform.issuer,
        "iat": int(now),
        "exp": int(now) + ANSWER_LASTS,
        "nonce": secrets.token_urlsafe(32),
        f"{CLAIM}deployment_id": question.platform.deployment_id,
        f"{CLAIM}message_type": "LtiDeepLinkingResponse",
        f"{CLAIM}version": "1.3.0",
        f"{_CLAIM}content_items": [{"type": "ltiResourceLink", "title": language.gettext("Chat")}],
    }
    if question.data is not None:
        claims[f"{_CLAIM}data"] = question.data
    return keyring.sign_as_tool(claims)
