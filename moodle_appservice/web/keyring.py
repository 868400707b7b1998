"""Our own keys: one secret for what only we read (cookies, states), one RSA key for what Moodle checks.

Both are made at the first start and stay in the database, so a restart signs nobody out. Each purpose gets a key of
its own from the one secret: a state can't pass for a session.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey

from ..ports import LtiBook

_BITS = 2048
_LONGEST = 8192
_ALGORITHM = "HS256"


class Keyring:
    """Empty until `load`."""

    def __init__(self, book: LtiBook) -> None:
        self._book = book
        self._secret = b""
        self._tool: RSAKey | None = None

    async def load(self) -> None:
        """Read the keys, and make them at the first start."""
        self._secret = bytes.fromhex(await self._book.secret("pages", secrets.token_hex(32)))
        stored = await self._book.secret("tool key", await asyncio.to_thread(_new_key))
        self._tool = RSAKey.import_key(json.loads(stored))

    def public_keys(self) -> Mapping[str, Any]:
        """The JSON Web Key Set that Moodle reads."""
        assert self._tool is not None, "the keys are loaded before anything is served"
        return {"keys": [self._tool.as_dict(private=False)]}

    def sign_as_tool(self, claims: Mapping[str, Any]) -> str:
        """Claims that Moodle can check with `public_keys`."""
        assert self._tool is not None, "the keys are loaded before anything is served"
        return jwt.encode({"alg": "RS256", "kid": self._tool.kid}, dict(claims), self._tool)

    def sign(self, purpose: str, claims: Mapping[str, Any]) -> str:
        """Claims that only we can have written."""
        return jwt.encode({"alg": _ALGORITHM}, dict(claims), self._key(purpose))

    def read(self, purpose: str, text: str) -> Mapping[str, Any] | None:
        """What `sign` wrote for the same purpose, or None. The caller looks at the time."""
        if len(text) > _LONGEST or not text.isascii():
            return None
        try:
            return jwt.decode(text, self._key(purpose), algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError, RecursionError):
            return None

    def mark(self, purpose: str, text: str) -> str:
        """A mark of the text that only we can make."""
        return hmac.new(self._secret_for(purpose), text.encode(), "sha256").hexdigest()

    def _key(self, purpose: str) -> OctKey:
        return OctKey.import_key(self._secret_for(purpose))

    def _secret_for(self, purpose: str) -> bytes:
        return hmac.digest(self._secret, purpose.encode(), "sha256")


def _new_key() -> str:
    key = RSAKey.generate_key(_BITS, {"use": "sig", "alg": "RS256"})
    key.ensure_kid()
    return json.dumps(key.as_dict(private=True))
