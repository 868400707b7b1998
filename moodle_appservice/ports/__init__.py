"""What the engine needs from the outside, as protocols: the world, our own memory, and the queue.

The engine, the bot and the pages know the outside by these protocols alone. `moodle/`, `matrix/` and `store/`
implement most of them, and `assembly` hands them in; tests hand in others. What holds for every call stands once:
in `world` which errors it may raise, in `store` that it is one transaction. A subject has a module of its own,
with its rows; what only few need (`board`, `lists`, `personal`, `requests`) is imported from there.
"""

from ..domain.linking import Link
from .accounts import (
    Account,
    AccountBook,
    AccountKind,
    AccountRights,
    AccountRow,
    Accounts,
    AccountState,
    Attributes,
    Picture,
    PictureList,
    Pictures,
)
from .audit import AuditBook, AuditLine, Forgotten, Limits
from .choices import ChoiceBook, Chosen
from .content import Content, Converted, Detector, File, Forum, Found, Markup, Reader, RelayMessenger, Speech
from .counts import CountBook, Counts
from .drift import DriftBook, Drifted
from .endings import EndingBook, EndingRow
from .groups import GroupBook
from .inbox import MoodleInbox
from .journal import AuditRow, CommandRow, HeldRow, Journal
from .links import LinkBook
from .lti import Invitation, LtiBook, Platform
from .mirror import Before, Mirror, OwnRoom, OwnWrite, Seen
from .observer import UNOBSERVED, Observer
from .office import RoomOffice
from .pages import SampleBook, SessionBook, SignedIn
from .pauses import Pause, PauseBook
from .people import PeopleBook, PersonRow, Saved
from .profile import ProfileWriter, ToWrite
from .queue import (
    FOR_READER,
    KINDS,
    SITE,
    Key,
    Priority,
    Queue,
    Taken,
    course_key,
    key_of_room,
    meet_key,
    person_key,
    read_key,
    space_key,
    space_of,
)
from .readers import ReaderBook, ReaderRow
from .relay import LeftOver, RelayBook, Upload
from .rooms import RoomAdmin
from .safety import SafetyBook
from .search import AuditFilter, FoundPerson, SearchBook
from .spaces import Changed, SpaceBook
from .store import CourseBook, CourseRow, Done, LedgerBook, Settings, Store
from .told import NO_COURSE, ToldBook, Way
from .world import Clock, Event, Facts, Matrix, Messenger

__all__ = [
    "FOR_READER",
    "KINDS",
    "NO_COURSE",
    "SITE",
    "UNOBSERVED",
    "Account",
    "AccountBook",
    "AccountKind",
    "AccountRights",
    "AccountRow",
    "AccountState",
    "Accounts",
    "Attributes",
    "AuditBook",
    "AuditFilter",
    "AuditLine",
    "AuditRow",
    "Before",
    "Changed",
    "ChoiceBook",
    "Chosen",
    "Clock",
    "CommandRow",
    "Content",
    "Converted",
    "CountBook",
    "Counts",
    "CourseBook",
    "CourseRow",
    "Detector",
    "Done",
    "DriftBook",
    "Drifted",
    "EndingBook",
    "EndingRow",
    "Event",
    "Facts",
    "File",
    "Forgotten",
    "Forum",
    "Found",
    "FoundPerson",
    "GroupBook",
    "HeldRow",
    "Invitation",
    "Journal",
    "Key",
    "LedgerBook",
    "LeftOver",
    "Limits",
    "Link",
    "LinkBook",
    "LtiBook",
    "Markup",
    "Matrix",
    "Messenger",
    "Mirror",
    "MoodleInbox",
    "Observer",
    "OwnRoom",
    "OwnWrite",
    "Pause",
    "PauseBook",
    "PeopleBook",
    "PersonRow",
    "Picture",
    "PictureList",
    "Pictures",
    "Platform",
    "Priority",
    "ProfileWriter",
    "Queue",
    "Reader",
    "ReaderBook",
    "ReaderRow",
    "RelayBook",
    "RelayMessenger",
    "RoomAdmin",
    "RoomOffice",
    "SafetyBook",
    "SampleBook",
    "Saved",
    "SearchBook",
    "Seen",
    "SessionBook",
    "Settings",
    "SignedIn",
    "SpaceBook",
    "Speech",
    "Store",
    "Taken",
    "ToWrite",
    "ToldBook",
    "Upload",
    "Way",
    "course_key",
    "key_of_room",
    "meet_key",
    "person_key",
    "read_key",
    "space_key",
    "space_of",
]
