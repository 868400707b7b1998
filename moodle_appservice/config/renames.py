"""Lets what a configuration says under former names (`renamed`) stand under the present ones, before it is checked."""

from __future__ import annotations

from .keys import FILE_SUFFIX
from .renamed import RENAMES, Rename, Renames
from .sources import Layers

__all__ = ["RENAMES", "Rename", "Renames", "understand"]


def understand(layers: Layers, renames: Renames) -> None:
    """Move values from former places to present ones; each is a warning, or a problem where it can't be."""
    for rename in renames:
        old, new = rename.old_place, rename.new_place
        _move(layers, rename, old, new)
        _move(layers, rename, *((*place[:-1], place[-1] + FILE_SUFFIX) for place in (old, new)))


def _move(layers: Layers, rename: Rename, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    if not layers.has(old):
        return
    value = layers.get(old)
    if isinstance(value, dict) and isinstance(layers.get(new), dict):
        for name in list(value):
            _move(layers, rename, (*old, name), (*new, name))
        return
    if layers.has(new):
        wrong = f"it is the former name of {'.'.join(new)}, which is given too"
        layers.complain(old, wrong, "Keep the new one and remove this.")
        layers.take(old)
        return
    here = layers.origin_of(old)
    said = rename.problem(here.file, here.line, ".".join(old), ".".join(new))
    (layers.warnings if rename.is_understood() else layers.problems).append(said)
    layers.move(old, new)
