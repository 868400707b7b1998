"""How old Moodle's answer may be for a look at a key: it follows from why we look.

A pass has read everything just before it queues its keys, and an event in Matrix says nothing about Moodle: both may
use what is in memory. Somebody who asks wants to see what Moodle says now.
"""

from __future__ import annotations

from ..ports import Taken

ASKS_FOR_NOW = frozenset({"command", "cli", "hook", "confirm"})
CONTINUED = ", continued"


def oldest_allowed(taken: Taken, now: float) -> float:
    """Facts read before this time (Unix seconds) will not do. A retry uses what the first try has read."""
    return now if taken.signals & ASKS_FOR_NOW and taken.attempt == 0 else 0.0


def continued(signal: str) -> str:
    """The signal of the next slice of the same work: it uses the facts that the first slice has read."""
    return signal if signal.endswith(CONTINUED) else f"{signal}{CONTINUED}"
