"""The two steps that can't be taken back by a click: a reset and the archive.

Each is explained on a page of its own, and done only by whoever writes the course's short name below it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..domain.model import CourseId
from ..errors import AppError
from .cookies import Session


@dataclass(frozen=True, slots=True)
class Step:
    """One of them, in words, and what does it."""

    name: str
    title: str
    means: tuple[str, ...]
    button: str
    run: Callable[[Any, CourseId, Session], Awaitable[AppError | None]]


STEPS: Mapping[str, Step] = {}
