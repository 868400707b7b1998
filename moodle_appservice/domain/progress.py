"""How much is left to do and how long it takes at the rate of the last minutes.

What is left follows from books and mirror (places that there should be, less those that are taken), so a restart loses
nothing of it; only the rate is measured anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 180.0
"""Seconds that the rate is measured over."""
FEW = 5
"""With fewer arrivals than that there is no rate yet."""
MOST = 2000
_HOURS_FROM = 2 * 3600 - 60


@dataclass(frozen=True, slots=True)
class Progress:
    """`left`: places that are still to be given. `seconds`: how long that takes; None: it is not known yet."""

    left: int
    per_second: float | None
    seconds: float | None

    @property
    def sentence(self) -> str:
        """For people; empty when nothing is left."""
        if self.left <= 0:
            return ""
        if self.seconds is None:
            return f"{self.left} places in rooms are still to be given; how long that takes is not known yet."
        # Whole sentences: a number with its word is no text that could be told in another language.
        if self.seconds < 90:
            return f"{self.left} places in rooms are still to be given, which takes about a minute."
        if self.seconds < _HOURS_FROM:
            minutes = round(self.seconds / 60)
            return f"{self.left} places in rooms are still to be given, which takes about {minutes} minutes."
        hours = round(self.seconds / 3600)
        return f"{self.left} places in rooms are still to be given, which takes about {hours} hours."


class Rate:
    """Arrivals per second. Times are Unix seconds."""

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=MOST)

    def add(self, at: float) -> None:
        """Somebody has got a place."""
        self._at.append(at)

    def per_second(self, now: float) -> float | None:
        """Over the window; None while there are too few, or nothing has come for half a window."""
        recent = [at for at in self._at if now - at <= WINDOW]
        if len(recent) < FEW or now - recent[-1] > WINDOW / 2:
            return None
        # Up to now: a rate that has come to a halt falls.
        return len(recent) / max(now - recent[0], 1e-3)


def progress(expected: int, taken: int, per_second: float | None) -> Progress:
    """What is left of the places that there should be."""
    left = max(0, expected - taken)
    return Progress(left, per_second, left / per_second if per_second else None)
