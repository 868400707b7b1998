"""The figures of the whole service as they are now: for the overview page, its charts and Prometheus.

What only a worker knows (the places that a course should have, how long Moodle and the homeserver take) is told to it
as an observer and kept in memory; the rest is counted when somebody reads. The first pass after a start makes the
memory whole again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from ..domain.actions import ForceJoin, Invite, Join
from ..domain.model import CourseId
from ..domain.progress import Progress, Rate, progress
from ..errors import AppError
from ..ports import SITE, Clock, Counts, Key, Queue, Store
from .troubles import Troubles

ARRIVALS = frozenset(arrival.__name__ for arrival in (Invite, Join, ForceJoin))
LATENCIES = 200
"""So many answers are remembered for the median."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything at one moment. Latencies: the median of the last answers, seconds; None: there was none yet."""

    counts: Counts
    expected: int
    """Places that there should be in rooms; see `counts` for those that are taken."""
    queue_depth: int
    queue_oldest: float
    """Seconds since the oldest key became due."""
    stuck_keys: int
    last_pass: float | None
    """When the last pass ended, Unix seconds."""
    pass_seconds: float | None
    moodle_seconds: float | None
    matrix_seconds: float | None
    progress: Progress
    """What is left to do, and how long that takes."""


class Failures(Protocol):
    """Where the last failure of each key stands; `Workers` is one."""

    failures: dict[Key, AppError]


class FigureReader:
    """An observer that remembers, and answers with all figures."""

    def __init__(self, store: Store, queue: Queue, troubles: Troubles, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._troubles = troubles
        self._clock = clock
        self._workers: Failures | None = None
        self._expected: dict[CourseId, int] = {}
        self._moodle: deque[float] = deque(maxlen=LATENCIES)
        self._matrix: deque[float] = deque(maxlen=LATENCIES)
        self._rate = Rate()
        self._last_pass: float | None = None
        self._pass_seconds: float | None = None

    def watch(self, workers: Failures) -> None:
        """Whose failures are counted as stuck keys."""
        self._workers = workers

    async def read(self) -> Figures:
        """All figures now. Raises what the database raises."""
        counts = await self._store.counts.now()
        expected = sum(self._expected.values())
        return Figures(
            counts=counts,
            expected=expected,
            progress=progress(
                expected, counts.joined + counts.invited, self._rate.per_second(self._clock.now())
            ),
            queue_depth=self._queue.depth(),
            queue_oldest=self._queue.oldest() or 0.0,
            stuck_keys=self._stuck(),
            last_pass=self._last_pass,
            pass_seconds=self._pass_seconds,
            moodle_seconds=_median(self._moodle),
            matrix_seconds=_median(self._matrix),
        )

    def looked(self, key: Key, outcome: str, seconds: float) -> None:
        """Remember when the last pass ended."""
        if key == SITE and outcome == "done":
            self._last_pass, self._pass_seconds = self._clock.now(), seconds

    def acted(self, kind: str, result: str) -> None:
        """Remember when somebody got a place."""
        if result == "done" and kind in ARRIVALS:
            self._rate.add(self._clock.now())

    def asked_moodle(self, function: str, outcome: str, seconds: float) -> None:
        """Remember how long it took."""
        del function, outcome
        self._moodle.append(seconds)

    def asked_matrix(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Remember how long it took."""
        del endpoint, outcome
        self._matrix.append(seconds)

    def counted(self, course_id: CourseId, expected: int) -> None:
        """Remember the places of a course."""
        self._expected[course_id] = expected

    def forgot(self, course_id: CourseId) -> None:
        """A course has no rooms of ours any more."""
        self._expected.pop(course_id, None)

    def _stuck(self) -> int:
        failing = set(self._workers.failures) if self._workers is not None else set()
        return len({str(key) for key in failing} | {f"course:{one}" for one in self._troubles.all()})


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
