"""What the engine needs from the outside, as protocols: the world, our own memory, and the queue."""

from ..domain.linking import Link
from .accounts import Account, AccountRights, Accounts, Attributes, Picture
from .groups import GroupBook
from .inbox import MoodleInbox
from .links import LinkBook
from .lti import Invitation, LtiBook, Platform
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
    PersonRow,
    Seen,
    Settings,
    Store,
)
from .world import Clock, Event, Facts, Matrix, Messenger

__all__ = [
    "SITE",
    "Account",
    "AccountRights",
    "Accounts",
    "Attributes",
    "AuditRow",
    "Before",
    "Clock",
    "CommandRow",
    "CourseBook",
    "CourseRow",
    "Done",
    "Event",
    "Facts",
    "GroupBook",
    "HeldRow",
    "Invitation",
    "Journal",
    "Key",
    "LedgerBook",
    "Link",
    "LinkBook",
    "LtiBook",
    "Matrix",
    "Messenger",
    "Mirror",
    "MoodleInbox",
    "PeopleBook",
    "PersonRow",
    "Picture",
    "Platform",
    "Priority",
    "Queue",
    "Seen",
    "Settings",
    "Store",
    "Taken",
    "course_key",
    "person_key",
]
