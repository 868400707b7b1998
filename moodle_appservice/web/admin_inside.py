"""What the dashboard may use beyond what the other pages use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.explain import Explainer
from ..engine.figures import FigureReader
from ..engine.pauses import Pauses
from ..engine.sampling import Sampler
from ..ports.search import SearchBook


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of `doctor`: `ok`, `warning` or `failed`, and what to do."""

    name: str
    state: str
    said: str
    hint: str


@dataclass(frozen=True, slots=True)
class AdminInside:
    """`doctor` examines now; `configuration` is the masked file as text; `plan_json` the raw plan of one course."""

    explainer: Explainer
    figures: FigureReader
    pauses: Pauses
    sampler: Sampler
    search: SearchBook
    doctor: Callable[[], Awaitable[Sequence[Finding]]]
    configuration: Callable[[], str]
    plan_json: Callable[[Sequence[Any]], dict[str, Any]]
