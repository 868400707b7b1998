"""Dangerous commands wait for a word: it is made up for one command of one person, once, for ten minutes.

Kept in memory: after a restart the word means nothing, and nothing is done.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..domain.model import UserId

if TYPE_CHECKING:
    from .call import Call

LIFE = 600.0
MOST = 1000
_BEGIN, _MIDDLE = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that waits for its word."""

    word: str
    call: Call
    asked_at: float


@dataclass(slots=True)
class Pending:
    """The last dangerous command of each account."""

    _waiting: dict[UserId, Waiting] = field(default_factory=dict)

    def ask(self, sender: UserId, call: Call, now: float) -> str:
        """Keep a command; returns its word. An earlier one of this account is forgotten."""
        word = "".join(secrets.choice(_BEGIN) + secrets.choice(_MIDDLE) for _ in range(3))
        self._waiting.pop(sender, None)
        self._waiting[sender] = Waiting(word, call, now)
        if len(self._waiting) > MOST:
            del self._waiting[next(iter(self._waiting))]
        return word

    def take(self, sender: UserId, word: str, now: float) -> Waiting | None:
        """The command that this word agrees to, once; a wrong word ends it too."""
        waiting = self._waiting.pop(sender, None)
        if waiting is None or waiting.word != word.strip().lower() or now > waiting.asked_at + LIFE:
            return None
        return waiting

    def drop(self, sender: UserId) -> bool:
        """Forget what waits; whether anything did."""
        return self._waiting.pop(sender, None) is not None
