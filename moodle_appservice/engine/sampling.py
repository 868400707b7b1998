"""Samples for the charts of the overview: every few minutes the figures go into our database, for a day."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from ..errors import AppError
from ..ports import Clock, SampleBook
from .figures import FigureReader, Figures
from .stopping import end

EVERY = 300
"""Seconds between two samples."""
KEPT = 24 * 3600
"""Seconds for which samples are kept."""
log = logging.getLogger(__name__)


class Sampler:
    """Takes samples while the service runs."""

    def __init__(self, figures: FigureReader, book: SampleBook, clock: Clock) -> None:
        self._figures = figures
        self._book = book
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._tick(), name="sampler")

    async def stop(self) -> None:
        """No further samples."""
        await end(self._task)

    async def take(self) -> None:
        """Take one sample now. Raises what the database raises."""
        now = int(self._clock.now())
        at = now - now % EVERY
        await self._book.add(at, values_of(await self._figures.read()), forget_before=now - KEPT)

    async def last_day(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        """The samples of the last 24 hours, by name, in order of time."""
        return await self._book.since(int(self._clock.now()) - KEPT)

    async def _tick(self) -> None:
        while True:
            try:
                await self.take()
            except AppError as failure:
                log.warning("No sample for the charts was taken: %s", failure)
            await asyncio.sleep(EVERY)


def values_of(figures: Figures) -> Mapping[str, float]:
    """What is charted; what is not known at the moment is left out."""
    values = {
        "expected": float(figures.expected),
        "joined": float(figures.counts.joined),
        "queue": float(figures.queue_depth),
        "pass_seconds": figures.pass_seconds,
        "moodle_ms": None if figures.moodle_seconds is None else figures.moodle_seconds * 1000,
        "matrix_ms": None if figures.matrix_seconds is None else figures.matrix_seconds * 1000,
    }
    return {name: value for name, value in values.items() if value is not None}
