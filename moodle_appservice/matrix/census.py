"""Who is not there, known for many at once.

To look for an account that does not exist costs a request and tells little; a whole faculty of people without accounts
would cost one each. So after a few such looks in a row all accounts are listed, a page of a thousand at a time, and for
two minutes whoever is not in the list is taken for missing without another request. That somebody may have come since
is harmless: who looks for accounts that have appeared reads the newest ones after every pass, and to make an account
that is there changes nothing. Accounts are never taken out of Synapse's list, so pages can't lose any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ..domain.model import UserId
from ..errors import TemporaryFailure
from ..ports import Clock

FEW = 5
"""Looks that found nobody, within `FRESH` seconds, before all accounts are listed."""
FRESH = 120.0
PAGE = 1000
MOST = 50_000
"""With more accounts than these the list is not read: each look asks for itself."""
ReadPage = Callable[[int, int], Awaitable[Any]]
"""From an offset and a limit to Synapse's answer: `{"users": [{"name"}], "total"}`."""


class Census:
    """The list, for as long as it is fresh."""

    def __init__(self, read: ReadPage, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._names: set[str] | None = None
        self._came: set[str] = set()
        self._read_at = 0.0
        self._misses: list[float] = []
        self._one_at_a_time = asyncio.Lock()

    async def lacks(self, user_id: UserId) -> bool:
        """Whether it is known that there is no such account; False also where nothing is known."""
        if self._is_due():
            async with self._one_at_a_time:
                if self._is_due():
                    await self._list()
        if self._names is None or not self._is_fresh() or user_id in self._came:
            return False
        return user_id not in self._names

    def missed(self) -> None:
        """A look has found nobody."""
        now = self._clock.now()
        self._misses = [at for at in self._misses if now - at < FRESH]
        self._misses.append(now)

    def came(self, user_id: UserId) -> None:
        """This account exists now, or may do so: it is always looked for."""
        self._came.add(user_id)

    def _is_due(self) -> bool:
        return len(self._misses) >= FEW and not self._is_fresh()

    def _is_fresh(self) -> bool:
        return self._clock.now() - self._read_at < FRESH

    async def _list(self) -> None:
        began = self._clock.now()
        names: set[str] = set()
        total = PAGE
        offset = 0
        while offset < total:
            page = await self._read(offset, PAGE)
            listed, total = page.get("users"), page.get("total")
            if not isinstance(listed, list) or not isinstance(total, int):
                raise TemporaryFailure(
                    "The homeserver's list of accounts is not a list. Nothing was changed; it is tried again."
                )
            if total > MOST or not listed:
                break
            names |= {str(one["name"]) for one in listed if isinstance(one, dict) and "name" in one}
            offset += PAGE
        self._names = names if total <= MOST and offset >= total else None
        self._read_at = began
        self._misses = []
