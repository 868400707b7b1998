"""Requests to Moodle's LTI addresses: JSON in both directions, no redirects, no cookies, bounded in time and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from ..errors import PermanentFailure, Unreachable

TIMEOUT = 10.0
LONGEST = 256 * 1024


class PlatformHttp:
    """The caller has checked that the address is below Moodle's own."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout: float = TIMEOUT) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def get(self, url: str) -> Mapping[str, Any]:
        """A JSON object. Raises `Unreachable` or `PermanentFailure`."""
        return await self._ask("GET", url)

    async def post(self, url: str, content: Mapping[str, Any], *, bearer: str) -> Mapping[str, Any]:
        """Send a JSON object and get one. Raises as `get`."""
        return await self._ask("POST", url, json=content, headers={"Authorization": f"Bearer {bearer}"})

    async def _ask(self, method: str, url: str, **arguments: Any) -> Mapping[str, Any]:
        try:
            async with self._session.request(
                method, url, allow_redirects=False, timeout=self._timeout, **arguments
            ) as response:
                status, body = response.status, await _bounded(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(
                f"Moodle did not answer at {url} ({type(error).__name__}). Nothing was changed."
            ) from None
        if status in (502, 503, 504):
            raise Unreachable(f"Moodle answered {status} at {url}. Nothing was changed.")
        if status != 200:
            raise PermanentFailure(f"Moodle answered {status} at {url}. Nothing was changed.")
        try:
            # Moodle calls some of its JSON text/html.
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise PermanentFailure(f"What Moodle answered at {url} is no JSON object. Nothing was changed.")
        return said


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(LONGEST):
        body += chunk
        if len(body) > LONGEST:
            raise PermanentFailure(
                f"What Moodle answered at {response.url} is too long. Nothing was changed."
            )
    return bytes(body)
