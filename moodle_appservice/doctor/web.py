"""Checks of the pages for browsers and of the registration with Moodle that leads people there."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from ..errors import PermanentFailure, Unreachable
from .examined import Examined
from .frame import Caution, Check

CHECK_PAGES = "Our pages"
PATIENCE = 15.0
MOST_BYTES = 200_000


def _has_pages(at: Examined) -> bool:
    return bool(at.settings.web.public_url)


async def _keys_at(url: str) -> list[Any]:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise PermanentFailure(f"{url} answers with HTTP {answer.status}.")
            text = await answer.content.read(MOST_BYTES)
            said = _json(text, url)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"{url} did not answer ({type(error).__name__}).") from None
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(keys, list) or not keys:
        raise PermanentFailure(f"{url} holds no keys: something else answers there.")
    return keys


def _json(text: bytes, url: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise PermanentFailure(f"{url} does not answer with JSON: something else answers there.") from None


async def _pages(at: Examined) -> str:
    if not at.running:
        await at.service.listen()
    base = at.settings.web.public_url.rstrip("/")
    await _keys_at(f"{base}/lti/jwks.json")
    return f"{base} leads to {'the running service' if at.running else 'this program'}."


async def _registered(at: Examined) -> str:
    if at.settings.web.lti.client_id:
        return "By hand, in web.lti of the configuration."
    if not (await at.survey())["lti"]["registered"]:
        raise Caution("Moodle does not know this service as a tool yet, so no link in a course leads here.")
    return "Moodle knows this service as a tool."


async def _keys(at: Examined) -> str:
    url = (await at.survey())["lti"]["keys"]
    if at.settings.web.lti.client_id:
        url = f"{str(at.settings.moodle.url).rstrip('/')}/mod/lti/certs.php"
    if not url:
        return "There is no registration yet."
    keys = await _keys_at(url)
    return f"Moodle's {len(keys)} keys can be read at {url}."


CHECKS = (
    Check(
        CHECK_PAGES,
        "web.public_url leads browsers to this service.",
        _pages,
        "Let the proxy before it pass everything on to this service's port, see the page on LTI.",
        unreachable="Does the name resolve, and does the proxy run?",
        when=_has_pages,
    ),
    Check(
        "Registration with Moodle",
        "Moodle knows this service as an LTI tool.",
        _registered,
        "`moodle-appservice lti invite` makes a link to paste into Moodle.",
        when=_has_pages,
    ),
    Check(
        "Keys of Moodle",
        "The keys with which Moodle signs can be read.",
        _keys,
        "mod/lti/certs.php of Moodle must be reachable from here.",
        when=_has_pages,
    ),
)
