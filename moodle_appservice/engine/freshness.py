"""How old Moodle's answer may be for a look at a key: it follows from why we look.

A pass has read everything in bulk just before it queues its keys; a course that this reading left out is read again
for itself, so that what is wrong with it is seen. An event in Matrix says nothing about Moodle and may use whatever
is in memory. Somebody who asks wants to see what Moodle says now, and so does the moment at which an enrolment is
known to begin or end.
"""

from __future__ import annotations

from ..ports import Taken

ASKS_FOR_NOW = frozenset({"command", "cli", "hook", "confirm", "moment"})
PASS = "pass"
CONTINUED = ", continued"


class Freshness:
    """Shared by everything that looks at keys. `pass_began`: when the last pass began to read, Unix seconds."""

    def __init__(self) -> None:
        self.pass_began = 0.0

    def oldest_allowed(self, taken: Taken, now: float) -> float:
        """Facts read before this time (Unix seconds) will not do. A retry uses what the first try has read."""
        if taken.signals & ASKS_FOR_NOW and taken.attempt == 0:
            return now
        return self.pass_began if PASS in taken.signals else 0.0


def continued(signal: str) -> str:
    """The signal of the next slice of the same work: it uses the facts that the first slice has read."""
    return signal if signal.endswith(CONTINUED) else f"{signal}{CONTINUED}"
