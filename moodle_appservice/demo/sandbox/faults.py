"""Accidents on demand: what a real Moodle, its PHP, its database or its proxy sometimes answers.

A test (or the demo) says which accident the next N answers shall have, for all functions or only one:
`faults.fail(Fault.BAD_GATEWAY, times=2)`. Accidents are used up in the order given. `Fault.TRUNCATED` shortens the
list that a function returns, also inside a bulk call; every other one strikes a whole HTTP answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """The kinds of accident."""

    PHP_NOTICE = "a PHP warning is printed before the JSON"
    BAD_GATEWAY = "502 with the proxy's HTML page"
    UNAVAILABLE = "503 with the proxy's HTML page"
    EMPTY = "200 without a body"
    FORBIDDEN = "403 without a body"
    PHP_FATAL = "500 without a body"
    CUT = "200 with half of the JSON, as if that were all"
    HANG_UP = "the connection ends in the middle of the body"
    SLOW = "the answer comes late"
    DATABASE_DOWN = "dbconnectionfailed"
    MAINTENANCE = "sitemaintenance"
    TRUNCATED = "a list with fewer rows than there are, without any sign"


@dataclass
class Scheduled:
    """An accident that waits; `times` None means until `Faults.clear`."""

    fault: Fault
    times: int | None
    function: str | None
    seconds: float
    rows: int


class Faults:
    """The accidents that wait; see the module's docstring."""

    def __init__(self) -> None:
        """Start without accidents."""
        self._waiting: list[Scheduled] = []

    def fail(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        function: str | None = None,
        seconds: float = 0.0,
        rows: int = 0,
    ) -> None:
        """Schedule an accident; `seconds` is for SLOW, `rows` (how many are left) for TRUNCATED."""
        self._waiting.append(Scheduled(fault, times, function, seconds, rows))

    def clear(self) -> None:
        """Forget all accidents."""
        self._waiting.clear()

    @property
    def waiting(self) -> int:
        """How many accidents are scheduled (one that never ends counts once)."""
        return sum(one.times or 1 for one in self._waiting)

    def for_answer(self, function: str) -> Scheduled | None:
        """Use up the next accident that strikes a whole answer of this function."""
        return self._take(
            one for one in self._waiting if one.fault is not Fault.TRUNCATED and _fits(one, function)
        )

    def rows_for(self, function: str) -> int | None:
        """Use up the next shortening of this function's list: how many rows are left, None for all."""
        found = self._take(
            one for one in self._waiting if one.fault is Fault.TRUNCATED and _fits(one, function)
        )
        return found.rows if found else None

    def _take(self, candidates: Iterator[Scheduled]) -> Scheduled | None:
        found = next(candidates, None)
        if found is None or found.times is None:
            return found
        found.times -= 1
        if found.times <= 0:
            self._waiting.remove(found)
        return found


def _fits(scheduled: Scheduled, function: str) -> bool:
    return scheduled.function is None or scheduled.function == function
