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
        return (
            f"{self.left} places in rooms are still to be given, which takes about {_duration(self.seconds)}."
        )


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


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
