"""What the engine needs from the outside, as protocols: the world, our own memory, and the queue."""

from .queue import SITE, Key, Priority, Queue, Taken, course_key, person_key
from .store import (
    AuditRow,
    Before,
    CommandRow,
    CourseBook,
    CourseRow,
    Done,
    HeldRow,
    Journal,
    LedgerBook,
    Mirror,
    PeopleBook,
    Seen,
    Settings,
    Store,
)
from .world import Clock, Event, Facts, Matrix, Messenger

__all__ = [
    "SITE",
    "AuditRow",
    "Before",
    "Clock",
    "CommandRow",
    "CourseBook",
    "CourseRow",
    "Done",
    "Event",
    "Facts",
    "HeldRow",
    "Journal",
    "Key",
    "LedgerBook",
    "Matrix",
    "Messenger",
    "Mirror",
    "PeopleBook",
    "Priority",
    "Queue",
    "Seen",
    "Settings",
    "Store",
    "Taken",
    "course_key",
    "person_key",
]
