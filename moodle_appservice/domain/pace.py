"""How many rooms are written at once: as many as the homeserver gains from, and fewer at once when it suffers.

Each room has one write in flight. A round is some seconds in which all of them were busy. While more rooms at once
bring more writes per second, there are twice as many in the next round; when they bring nothing, it was the number
before that was right, and it is tried again only after a while. An answer that took long, a refusal for our rate, or
a failure of the server halve the number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST = 4
LEAST = 2
"""One of them may read Moodle for minutes."""
SLOW = 1.0
"""Seconds; when more than one answer in twenty takes longer, it is too much."""
GAIN = 1.05
"""What counts as more."""
HOLD = 20
"""Rounds until a number is tried again that brought nothing."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was seen. `p95`: seconds within which 95 of 100 answers came; `refused`: 429 and 5xx."""

    writes: int
    seconds: float
    p95: float
    refused: int = 0

    @property
    def rate(self) -> float:
        """Writes per second."""
        return self.writes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """`limit`: rooms at once. `best`: the number before this one and its rate; `hold`: rounds without another try."""

    limit: int = FIRST
    best: tuple[int, float] | None = None
    hold: int = 0


def after(pace: Pace, seen: Round, most: int) -> Pace:
    """The pace of the next round, at most `most` rooms at once."""
    most = max(LEAST, most)
    if seen.refused or seen.p95 > SLOW:
        return Pace(_within(pace.limit // 2, most), hold=HOLD)
    if pace.limit > most:
        return Pace(most, hold=HOLD)
    if pace.hold:
        return replace(pace, hold=pace.hold - 1, best=None)
    if pace.best is not None and seen.rate < pace.best[1] * GAIN:
        return Pace(_within(pace.best[0], most), hold=HOLD)
    if pace.limit == most:
        return Pace(most, hold=HOLD)
    return Pace(_within(pace.limit * 2, most), best=(pace.limit, seen.rate))


def _within(limit: int, most: int) -> int:
    return max(LEAST, min(limit, most))
