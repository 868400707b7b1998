"""What lets a process write: a lease on a clock that others know too.

In a cluster a process that stands still for long (stopped, swapped out, its machine paused) is taken for dead, and its
keys are given to others. When it goes on it must not carry out what it had in hand. So each process holds a lease that
it renews in the database; when it last did so is known here, and the lease is looked at right before each request
leaves (`matrix.fence`). Others take its keys only when the same lease has run out on the database's clock, which began
later than ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import TemporaryFailure

SECONDS = 40.0
"""How long a lease holds after it was renewed."""
RENEW_EVERY = 8.0
MARGIN = 2.0
"""Seconds before the end from which on nothing is begun, and by which every request has ended."""


class LeaseLost(TemporaryFailure):
    """Others may have what we had in hand."""

    def __init__(self) -> None:
        super().__init__(
            "This process stood still for so long that others go on with its work. It sends nothing more of what it "
            "had in hand, and takes new work when it has its lease again.",
            retry_after=1,
        )


def uptime() -> float:
    """Seconds on a clock that nobody sets and that also counts while the machine sleeps, where there is such a one."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Lease:
    """`seconds`: how long it holds; `clock`: seconds on a clock that goes on by itself."""

    def __init__(self, seconds: float = SECONDS, *, clock: Callable[[], float] = uptime) -> None:
        self.seconds = seconds
        self._clock = clock
        self._ends = 0.0

    def asked(self) -> float:
        """Now, to be handed to `renewed` when the answer has come: the lease holds from before the question."""
        return self._clock()

    def renewed(self, asked: float) -> None:
        """The database has taken our word."""
        self._ends = asked + self.seconds

    def lost(self) -> None:
        """It is no more ours."""
        self._ends = 0.0

    @property
    def holds(self) -> bool:
        """Whether something may be begun."""
        return self.remaining() > 0.0

    def remaining(self) -> float:
        """Seconds in which a request must have come to its end; 0 where none may be begun."""
        return max(0.0, self._ends - MARGIN - self._clock())

    def check(self) -> float:
        """`remaining`; raises `LeaseLost` where that is nothing."""
        remaining = self.remaining()
        if remaining <= 0.0:
            raise LeaseLost
        return remaining
