"""How much one person may ask: so many commands at once, and so many more each minute. Pure.

Who asks more is told so once, then nothing, until some of it has come back. So a flood costs one answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..domain.model import UserId

MOST_REMEMBERED = 10_000


class Verdict(Enum):
    """What becomes of a command."""

    ANSWER = "answer"
    SAY_SO = "say so"
    """Too many: it is not carried out, and the person is told, once."""
    SILENT = "silent"


@dataclass(slots=True)
class _Purse:
    left: float
    at: float
    told: bool = False


@dataclass(slots=True)
class Limits:
    """`at_once`: commands that may follow each other; `per_minute`: how many come back. Kept in memory."""

    at_once: int = 12
    per_minute: float = 12.0
    _purses: dict[UserId, _Purse] = field(default_factory=dict)

    def ask(self, sender: UserId, now: float) -> Verdict:
        """One more command of this account. `now`: Unix seconds."""
        purse = self._purses.pop(sender, None) or _Purse(self.at_once, now)
        self._purses[sender] = purse
        if len(self._purses) > MOST_REMEMBERED:
            # The one who was heard longest ago has his purse full again.
            del self._purses[next(iter(self._purses))]
        purse.left = min(self.at_once, purse.left + (now - purse.at) * self.per_minute / 60)
        purse.at = now
        if purse.told and purse.left < self.at_once / 2:
            return Verdict.SILENT
        if purse.left >= 1:
            purse.left -= 1
            purse.told = False
            return Verdict.ANSWER
        purse.told = True
        return Verdict.SAY_SO
