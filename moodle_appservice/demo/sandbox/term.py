"""A term of a university, replayed: by hand in tests, or at any number of simulated seconds for each real one.

    term = Term(generate(30, 20), days=120, seed=7)
    term.step()                     # the next change, whenever it is
    term.advance(7 * DAY)           # a week, and what happened in it
    await term.replay(speed=86400)  # the rest of it, a day each second

A `Term` takes the ordinary students out of their courses, writes the whole history (`history`), and becomes the
university's clock. Each change is made at its own moment of that clock, so the same history comes out whatever the
speed, in small steps or in large ones. When nobody moves it, the clock stands still; after a replay it goes on as fast
as everybody's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from .changes import Change, make
from .history import students_of, write_history
from .seed import DAY
from .university import University


class Term:
    """One term; `history` holds all its changes in order, `begins` and `ends` are Unix seconds."""

    def __init__(self, university: University, *, days: float = 120, seed: int = 1) -> None:
        """Begin a term of `university` now, by its clock, which is ours from here on."""
        if days <= 0:
            raise ValueError("a term needs time")
        self.university = university
        self.begins = university.now()
        self.ends = self.begins + int(days * DAY)
        students = students_of(university)
        for course, there in students.items():
            for user in there:
                university.unenrol(user, course)
        self.history = write_history(
            university, students, begins=self.begins, seconds=self.ends - self.begins, seed=seed
        )
        self._made = 0
        self._time = float(self.begins)
        self._flow: Callable[[], float] | None = None
        university.clock = self.now

    def now(self) -> float:
        """The present of the university, in Unix seconds."""
        return self._time if self._flow is None else max(self._time, self._flow())

    @property
    def made(self) -> tuple[Change, ...]:
        """What has happened so far."""
        return self.history[: self._made]

    @property
    def is_over(self) -> bool:
        """Whether everything has happened and the last moment has passed."""
        return self._made == len(self.history) and self.now() >= self.ends

    def step(self) -> Change | None:
        """Go to the next change and make it; None when there is none left, and then the term is over."""
        if self._made == len(self.history):
            self.advance_to(self.ends)
            return None
        change = self.history[self._made]
        self._make(change)
        return change

    def advance(self, seconds: float) -> tuple[Change, ...]:
        """Let time pass; what happened in it."""
        return self.advance_to(self.now() + seconds)

    def advance_to(self, moment: float) -> tuple[Change, ...]:
        """Let time pass up to a moment, that moment included; what happened until then. Time never goes back."""
        first = self._made
        while self._made < len(self.history) and self.history[self._made].at <= moment:
            self._make(self.history[self._made])
        self._time = max(self._time, moment)
        return self.history[first : self._made]

    async def replay(
        self,
        speed: float,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        real: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let the rest of the term pass, `speed` seconds of it in each real one; it returns when the term is over.

        Cancelling it stops the clock where it is.
        """
        if speed <= 0:
            raise ValueError("the speed of a term is more than nothing")
        self._let_flow(speed, real)
        try:
            while not self.is_over:
                self.advance_to(self.now())
                following = self.history[self._made].at if self._made < len(self.history) else self.ends
                await sleep(max(0.0, (following - self.now()) / speed))
        except BaseException:
            self._time, self._flow = self.now(), None
            raise
        self._let_flow(1.0, real)

    def _let_flow(self, speed: float, real: Callable[[], float]) -> None:
        then, began = self.now(), real()
        self._flow = lambda: then + (real() - began) * speed

    def _make(self, change: Change) -> None:
        """Make a change at its own moment, which is past where a replay comes a little late."""
        flow, self._flow, self._time = self._flow, None, float(change.at)
        try:
            make(self.university, change)
        finally:
            self._flow = flow
        self._made += 1
