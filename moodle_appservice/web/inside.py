"""What the pages of signed-in people may use of the house."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.permissions import Permissions
from ..domain.rules import Rules
from ..engine.choosing import Choosing
from ..engine.linking import Linking
from ..engine.operations import Operations
from ..engine.roster import Roster
from ..engine.visits import Visits
from ..ports import Clock, Facts, SessionBook, Store


@dataclass(frozen=True, slots=True)
class Inside:
    """Ports, and operations of the engine."""

    store: Store
    sessions: SessionBook
    facts: Facts
    rules: Rules
    clock: Clock
    permissions: Permissions
    operations: Operations
    visits: Visits
    roster: Roster
    choosing: Choosing
    linking: Linking
