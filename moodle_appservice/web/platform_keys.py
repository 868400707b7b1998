"""Moodle's public keys, read once an hour, and sooner when a token names a key that we have not seen.

A key that Moodle no longer publishes stops counting with the next reading. Tokens with invented key ids can't make
us ask more often than every few seconds. While Moodle can't be asked, what was read within a day still counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from ..errors import AppError, TemporaryFailure
from ..ports import Clock
from .platform_http import PlatformHttp

FRESH = 3600.0
STILL_GOOD = 86400.0
GAP = 10.0
_MOST_KEYS = 20
_FEWEST_BITS = 2048


class PlatformKeys:
    """The keys at one address at a time."""

    def __init__(self, http: PlatformHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._url = ""
        self._keys: Mapping[str, RSAKey] = {}
        self._read_at = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, url: str, kid: str) -> RSAKey | None:
        """The key of this id, None where Moodle publishes none. Raises `TemporaryFailure` where it can't be known."""
        async with self._lock:
            if url != self._url:
                self._url, self._keys = url, {}
                self._read_at = self._asked_at = float("-inf")
            now = self._clock.now()
            is_fresh = now - self._read_at < FRESH
            if not (is_fresh and kid in self._keys) and now - self._asked_at >= GAP:
                await self._read(now)
            if now - self._read_at >= STILL_GOOD:
                raise TemporaryFailure(
                    "Moodle's keys can't be read now. Nobody was signed in.", retry_after=GAP
                )
            return self._keys.get(kid)

    async def _read(self, now: float) -> None:
        self._asked_at = now
        try:
            self._keys = _usable(await self._http.get(self._url))
        except AppError:
            # What was read before decides; `find` raises where that is too old.
            return
        self._read_at = now


def _usable(said: Mapping[str, Any]) -> Mapping[str, RSAKey]:
    listed = said.get("keys")
    keys = [_rsa(one) for one in listed[:_MOST_KEYS]] if isinstance(listed, list) else []
    return {key.kid: key for key in keys if key is not None and key.kid}


def _rsa(one: object) -> RSAKey | None:
    if not isinstance(one, dict) or one.get("kty") != "RSA" or not isinstance(one.get("kid"), str):
        return None
    if one.get("use", "sig") != "sig" or one.get("alg", "RS256") != "RS256":
        return None
    try:
        key = RSAKey.import_key({name: one[name] for name in ("kty", "kid", "n", "e")})
        return key if key.public_key.key_size >= _FEWEST_BITS else None
    except (JoseError, KeyError, TypeError, ValueError):
        return None
