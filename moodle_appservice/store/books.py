"""All books of one database, together: what the engine knows as `ports.Store`."""

from __future__ import annotations

from ..domain.model import UserId
from ..ports import PauseBook
from .accounts import AccountBooks
from .audit_book import AuditBooks
from .choices import ChoiceBooks
from .counts import CountBooks
from .courses import CourseBooks
from .db import Db
from .drift import DriftBooks
from .endings import EndingBooks
from .groups import GroupBooks
from .journal import JournalBook
from .ledger import LedgerBooks
from .links import LinkBooks
from .lti import LtiBooks
from .mirror import MirrorBook
from .pages import SampleBooks, SessionBooks
from .pauses import PauseBooks
from .people import PeopleBooks
from .personal import PersonalBooks
from .readers import ReaderBooks
from .relay import RelayBooks
from .requests import RequestBooks
from .safety import SafetyBooks
from .searching import SearchBooks
from .settings import SettingBook
from .spaces import SpaceBooks
from .told import ToldBooks


class Books:
    """Implements `ports.Store`. `bot` and `prefix` tell which pushed events and messages are for us."""

    def __init__(self, db: Db, *, bot: UserId, prefix: str) -> None:
        self.db = db
        self.mirror = MirrorBook(db, bot=bot, prefix=prefix)
        self.ledger = LedgerBooks(db, bot=bot)
        self.groups = GroupBooks(db)
        self.links = LinkBooks(db)
        self.readers = ReaderBooks(db)
        self.requests = RequestBooks(db)
        self.told = ToldBooks(db)
        self.relay = RelayBooks(db)
        self.lti = LtiBooks(db)
        self.counts = CountBooks(db)
        self.sessions = SessionBooks(db)
        self.search = SearchBooks(db)
        self.samples = SampleBooks(db)
        self.accounts = AccountBooks(db)
        self.courses = CourseBooks(db)
        self.choices = ChoiceBooks(db)
        self.endings = EndingBooks(db)
        self.people = PeopleBooks(db)
        self.personal = PersonalBooks(db)
        self.journal = JournalBook(db)
        self.audit = AuditBooks(db)
        self.safety = SafetyBooks(db)
        self.pauses: PauseBook = PauseBooks(db)
        self.spaces = SpaceBooks(db, bot=bot)
        self.drift = DriftBooks(db)
        self.settings = SettingBook(db)
