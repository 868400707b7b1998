"""How old Moodle's answer may be for a look at a key: it follows from why we look.

A pass has read courses in bulk just before it queues their keys; a course that this reading left out is read again
for itself, so that what is wrong with it is seen. An event in Matrix says nothing about Moodle and may use whatever
is in memory, and so does a look at a course whose turn it is not. Somebody who asks wants to see what Moodle says now,
and so does the moment at which an enrolment is known to begin or end. Whoever asks for a sync also wants to see what
could not be done so far tried now, and not when its time comes.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.model import CourseId
from ..ports import Taken

MOMENT = "moment"
"""The signal of a known start or end of an enrolment."""
SYNC = "sync"
"""The signal of a course for which somebody has asked for a sync."""
ASKED_PASS = "asked-pass"
"""The signal of a course or space in a pass that somebody has asked for."""
ASKS_FOR_NOW = frozenset({"command", "cli", "hook", "confirm", SYNC, MOMENT})
TRIES_AGAIN = frozenset({"cli", "confirm", SYNC, ASKED_PASS})
PASS = "pass"
TURN = "turn"
"""Reads the courses whose turn it is, between two passes."""
MEMORY = "memory"
"""A look at a course whose turn it is not: nothing new is read for it."""
CONTINUED = ", continued"


class Freshness:
    """Shared by everything that looks at keys: when the last reading in bulk of each course began, Unix seconds."""

    def __init__(self) -> None:
        self._began: dict[CourseId, float] = {}

    def read(self, course_ids: Iterable[CourseId], *, began: float) -> None:
        """These courses were read in bulk, or should have been."""
        self._began.update(dict.fromkeys(course_ids, began))

    def oldest_allowed(self, taken: Taken, now: float) -> float:
        """Facts read before this time (Unix seconds) will not do. A retry uses what the first try has read."""
        if taken.signals & ASKS_FOR_NOW and taken.attempt == 0:
            return now
        if taken.signals & {PASS, ASKED_PASS} and taken.key.kind == "course":
            return self._began.get(CourseId(taken.key.number), 0.0)
        return 0.0


def signal_of_pass(taken: Taken) -> str:
    """The signal of what a pass makes due."""
    return ASKED_PASS if tries_again(taken) else PASS


def tries_again(taken: Taken) -> bool:
    """Whether what was put aside is to be tried now: once for each who asks, and with each new try of that look."""
    return bool(taken.signals & TRIES_AGAIN)


def continued(signal: str) -> str:
    """The signal of the next slice of the same work: it uses the facts that the first slice has read."""
    return signal if signal.endswith(CONTINUED) else f"{signal}{CONTINUED}"
