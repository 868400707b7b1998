"""What keys of the configuration were called before: the table, and how long a former name is understood.

A former name is understood, with a warning, for at least one whole major version: one that changed in 1.4 through all
of 2.x, one that changed with 2.0.0 through all of 2.x. After that it is an error that says the present name.
`renames` lets the values of a file stand under the present names, `migrate` writes these into the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .. import __version__
from ..errors import Problem
from .keys import FILE_SUFFIX

MIGRATE = "moodle-appservice config migrate"


@dataclass(frozen=True, slots=True)
class Rename:
    """A key or a section that is called otherwise since a version: dotted names, such as `rooms.name`."""

    old: str
    new: str
    since: str

    @property
    def old_place(self) -> tuple[str, ...]:
        """The former place."""
        return tuple(self.old.split("."))

    @property
    def new_place(self) -> tuple[str, ...]:
        """The present place."""
        return tuple(self.new.split("."))

    @property
    def refused_from(self) -> int:
        """The major version that does not understand the former name any more."""
        major, minor, *_ = (int(part) for part in self.since.split("."))
        return major + 1 if minor == 0 and major > 0 else major + 2

    def is_understood(self, version: str = __version__) -> bool:
        """Whether this version takes the former name."""
        return int(version.split(".")[0]) < self.refused_from

    def moved(self, place: tuple[str, ...]) -> tuple[str, ...]:
        """Where a place at or below the former one is now; `x_file` follows `x`."""
        if place == _of_file(self.old_place):
            return _of_file(self.new_place)
        return (*self.new_place, *place[len(self.old_place) :])

    def problem(self, file: str, line: int | None, old: str, new: str) -> Problem:
        """What is said of a former name: a warning, or an error where it is not understood any more."""
        wrong = f"it is called {new} since version {self.since}"
        if not self.is_understood():
            return Problem(file, line, old, wrong, f"Rename it, or run: {MIGRATE}")
        right = f"Rename it, or run: {MIGRATE} — from version {self.refused_from}.0 on it is an error."
        return Problem(file, line, old, wrong, right)


Renames: TypeAlias = tuple[Rename, ...]

RENAMES: Renames = ()
"""Oldest first. An entry stays for good, so that whoever skips versions is told the present name."""


def at(place: tuple[str, ...], renames: Renames) -> Rename | None:
    """What renamed the key at this place, or a section above it."""
    for rename in renames:
        old = rename.old_place
        if place[: len(old)] == old or place == _of_file(old):
            return rename
    return None


def _of_file(place: tuple[str, ...]) -> tuple[str, ...]:
    return (*place[:-1], place[-1] + FILE_SUFFIX)
