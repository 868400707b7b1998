"""What the demo prints: steps with their time in front, one bar while rooms are made, and the addresses at the end.

On a terminal there are colours and a moving bar (rich); everywhere else the same text comes as plain lines, the bar as
one line per quarter. Names may be of any script: where the output can't show them they are replaced, never an error.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_QUARTERS = 4


class Screen:
    """Standard output, made pleasant."""

    def __init__(self) -> None:
        # Imported here: whoever runs the service does not pay for it.
        from rich.console import Console

        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._mark = "✔" if self._console.is_terminal else "ok"

    def heading(self, text: str) -> None:
        """What comes next."""
        self._console.print(f"\n{text}\n", style="bold")

    def step(self, text: str, seconds: float, details: Sequence[str] = ()) -> None:
        """Something that was seen to happen, and how long it took."""
        self._console.print(f"  {self._mark} ", style="green", end="")
        self._console.print(f"{seconds:5.1f} s  ", style="dim", end="")
        self._console.print(text)
        for line in details:
            self._console.print(f"{' ' * 13}{line}", style="dim")
        self._flush()

    def table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and what stands behind them."""
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            self._console.print(f"  {name:<{width}}  ", style="bold", end="")
            self._console.print(text)

    def say(self, text: str) -> None:
        """A plain sentence."""
        self._console.print(text)
        self._flush()

    def sorry(self, text: str) -> None:
        """A sentence about what went wrong."""
        self._console.print(f"\n{text}", style="bold red")
        self._flush()

    @contextmanager
    def bars(self, **planned: int) -> Iterator[Bars]:
        """Bars that fill while the block runs: what they are about, and how many there are to be."""
        if not self._console.is_terminal:
            yield _Lines(self, planned)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("  {task.description:>8}"), BarColumn(30), MofNCompleteColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield _Moving(
                progress, {name: progress.add_task(name, total=many) for name, many in planned.items()}
            )

    def _flush(self) -> None:
        self._console.file.flush()


class Bars:
    """How far it has come."""

    def show(self, **done: int) -> None:
        """So many of each are done."""
        raise NotImplementedError


class _Moving(Bars):
    def __init__(self, progress: Progress, tasks: dict[str, TaskID]) -> None:
        self._progress = progress
        self._tasks = tasks

    def show(self, **done: int) -> None:
        for name, many in done.items():
            self._progress.update(self._tasks[name], completed=many)


class _Lines(Bars):
    def __init__(self, screen: Screen, planned: dict[str, int]) -> None:
        self._screen = screen
        self._planned = planned
        self._shown = 0

    def show(self, **done: int) -> None:
        quarter = _QUARTERS * sum(done.values()) // max(1, sum(self._planned.values()))
        if self._shown < quarter < _QUARTERS:
            self._shown = quarter
            parts = (f"{many} of {self._planned[name]} {name}" for name, many in done.items())
            self._screen.say(f"{' ' * 13}… {', '.join(parts)}")
