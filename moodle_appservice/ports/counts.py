"""Counts of what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of what."""

    courses: int
    """Courses that are on."""
    rooms: int
    joined: int
    """Places in rooms that are taken."""
    invited: int
    """Places whose invite was not answered yet."""
    people: int
    """Moodle people whom we know."""
    held_plans: int
    """Rooms in which removals wait for a person."""
    quarantined: int
    """People who wanted a Matrix id that another has."""


class CountBook(Protocol):
    """Counts everything."""

    async def now(self) -> Counts:
        """The counts at this moment."""
        ...
