"""How many rooms are written at once: as many as the homeserver gains from, and fewer at once when it suffers.

Each room has one write in flight. A round is some seconds in which all of them were busy. While more rooms at once
bring more writes per second, there are twice as many in the next round; when they bring nothing, it was the number
before that was right. That may have been chance, for a homeserver does other work too, so it is tried again soon, and
each time that it brings nothing only after twice as long. Fewer writes in rounds in which more or fewer rooms are
made than before say nothing: what making one costs is known too roughly. An answer that took long, a refusal for our
rate, or a failure of the server halve the number. Where that was for slow answers, one room comes back with each
round whose answers are quick (rooms that are being made, for instance, slow everything down for a moment), but for a
while not nearly as many as were too many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

FIRST = 4
LEAST = 2
"""One of them may read Moodle for minutes."""
SLOW = 1.0
"""Seconds; when more than one answer in twenty takes longer, it is too much."""
CALM = 0.8
"""Seconds; as long as 95 of 100 answers take less, there is room for one more."""
GAIN = 1.02
"""What counts as more. Where many rooms write together, twice as many bring Synapse 3 to 5 % (measured)."""
CLEAR = 1.1
"""What counts as more after one round. To try more takes one round as well: what it brings is seen then."""
HOLD = 20
"""Rounds until more are tried after trouble, or where no more are allowed."""
HOLDS = (4, 8, 16, 32, 64)
"""Rounds until a number is tried again that brought nothing: the first time, the second, …; then always the last."""
ROUNDS = 2
"""So many of them tell whether a number of rooms brings nothing."""
ROOM = 4
"""How many writes into rooms cost a homeserver as much as making one (measured with Synapse)."""
ALIKE = 0.25
"""By how much the part of making rooms in two rounds may differ, so that they can be compared."""
ENOUGH = 0.75
"""Of the number at which answers were slow: so many may come back, one by one, before the hold is over."""


@dataclass(frozen=True, slots=True)
class Round:
    """What was seen. `p95`: seconds within which 95 of 100 answers came; `refused`: 429 and 5xx.

    A room that was made is in `writes` with what it costs (`ROOM`); `making`: so large a part of them were such.
    """

    writes: int
    seconds: float
    p95: float
    refused: int = 0
    making: float = 0.0

    @property
    def rate(self) -> float:
        """Writes per second."""
        return self.writes / self.seconds if self.seconds > 0 else 0.0


class Before(NamedTuple):
    """A number of rooms at once, what it brought, and in rounds of which kind."""

    limit: int
    rate: float
    making: float


@dataclass(frozen=True, slots=True)
class Pace:
    """`limit`: rooms at once. `best`: the number before this one; `hold`: rounds without another try.

    `failed`: how many tries of more have brought nothing since the last that did.
    `slow_at`: answers were slow at this number; until there are more again, one room at a time comes back.
    `rounds`: the last ones at this number.
    """

    limit: int = FIRST
    best: Before | None = None
    failed: int = 0
    hold: int = 0
    slow_at: int | None = None
    rounds: tuple[Round, ...] = ()

    @property
    def rate(self) -> float:
        """Writes per second at this number."""
        return _mean([one.rate for one in self.rounds])

    @property
    def making(self) -> float:
        """The part of making rooms in them."""
        return _mean([one.making for one in self.rounds])


def after(pace: Pace, seen: Round, most: int) -> Pace:
    """The pace of the next round, at most `most` rooms at once."""
    most = max(LEAST, most)
    if seen.refused or seen.p95 > SLOW:
        slow_at = None if seen.refused else pace.limit
        return Pace(_within(pace.limit // 2, most), hold=HOLD, slow_at=slow_at)
    if pace.limit > most:
        return Pace(most, hold=HOLD)
    if pace.slow_at is not None:
        return _after_slow(replace(pace, hold=max(pace.hold - 1, 0)), pace.slow_at, seen, most)
    pace = replace(pace, rounds=(*pace.rounds, seen)[-ROUNDS:])
    if pace.hold:
        return replace(pace, hold=pace.hold - 1, best=None)
    if pace.best is not None and len(pace.rounds) < ROUNDS and pace.rate < pace.best.rate * CLEAR:
        return pace
    if pace.best is not None and pace.rate < pace.best.rate * GAIN:
        if abs(pace.making - pace.best.making) > ALIKE:
            # That may be for the rooms that were made, or are not made any more: it is measured here anew.
            return replace(pace, best=None, rounds=())
        hold = HOLDS[min(pace.failed, len(HOLDS) - 1)]
        return Pace(_within(pace.best.limit, most), hold=hold, failed=pace.failed + 1)
    if pace.limit == most:
        return Pace(most, hold=HOLD)
    failed = pace.failed if pace.best is None else 0
    best = Before(pace.limit, pace.rate, pace.making)
    return Pace(_within(pace.limit * 2, most), best=best, failed=failed)


def _after_slow(pace: Pace, slow_at: int, seen: Round, most: int) -> Pace:
    """One more where there is room for it; during the hold not nearly as many again as were too many."""
    bound = ENOUGH * slow_at if pace.hold else most
    if seen.p95 > CALM or pace.limit >= min(most, bound):
        return pace
    limit = pace.limit + 1
    return replace(pace, limit=limit, slow_at=slow_at if limit <= slow_at else None)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _within(limit: int, most: int) -> int:
    return max(LEAST, min(limit, most))
