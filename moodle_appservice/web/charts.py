"""Small charts as inline SVG: a line over the last day, drawn from samples, with its numbers beside it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..languages import N_

WIDTH, HEIGHT = 288.0, 60.0
DAY = 24 * 3600
Samples = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `points` and `others`: SVG's `points` of the line and of a second, dashed one; empty: nothing yet."""

    title: str
    unit: str
    points: str
    others: str
    last: float | None
    highest: float


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    title: str
    unit: str = ""
    beside: str = ""


_KINDS = (
    _Kind("joined", N_("Places taken (line) of expected (dashed)"), beside="expected"),
    _Kind("queue", N_("Queue")),
    _Kind("pass_seconds", N_("Last look at the whole site"), "s"),
    _Kind("moodle_ms", N_("Moodle answers within"), "ms"),
    _Kind("matrix_ms", N_("Homeserver answers within"), "ms"),
)


def charts(samples: Mapping[str, Samples], *, now: float) -> list[Chart]:
    """The charts of the overview page. `samples`: by name, in order of time."""
    made = []
    for kind in _KINDS:
        line, beside = samples.get(kind.name, ()), samples.get(kind.beside, ())
        highest = max([value for _, value in (*line, *beside)], default=0.0)
        made.append(
            Chart(
                kind.title,
                kind.unit,
                _points(line, now, highest),
                _points(beside, now, highest),
                line[-1][1] if line else None,
                highest,
            )
        )
    return made


def _points(samples: Samples, now: float, highest: float) -> str:
    scale = HEIGHT / highest if highest > 0 else 0.0
    return " ".join(
        f"{max(0.0, WIDTH - (now - at) * WIDTH / DAY):.1f},{HEIGHT - value * scale:.1f}"
        for at, value in samples
    )
