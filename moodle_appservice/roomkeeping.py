"""What looks after rooms beside the daily work, put together: recovery, the bot's return, replaced rooms, the slow
audit, adoption."""

from __future__ import annotations

from .domain.rules import Rules
from .engine.adoption import Adoption
from .engine.candidates import Candidates
from .engine.choosing import Choosing
from .engine.planning import CoursePlanner
from .engine.recovery import Recovery
from .engine.replacing import Replacing
from .engine.returning import Returning
from .engine.rooms import RoomFinder
from .engine.site import SitePass
from .engine.slow_audit import SlowAudit
from .engine.worker import Workers
from .ports import Clock, Facts, Matrix, Queue, RoomAdmin, Store
from .roomwork import RoomWork


class RoomKeeping:
    """All of it over one homeserver and one database. `compare_every`: seconds between two looks of the slow audit."""

    def __init__(
        self,
        matrix: Matrix,
        admin: RoomAdmin,
        store: Store,
        queue: Queue,
        rooms: RoomFinder,
        rules: Rules,
        clock: Clock,
        facts: Facts,
        *,
        compare_every: float,
    ) -> None:
        self._matrix = matrix
        self._admin = admin
        self._store = store
        self._rules = rules
        self._clock = clock
        self.recovery = Recovery(matrix, store, rules, clock)
        self.replacing = Replacing(matrix, store, queue, rules, clock)
        self.returning = Returning(matrix, admin, store, rooms, self.replacing, rules, clock)
        self.slow_audit = SlowAudit(matrix, store, queue, rules, clock, every=compare_every)
        self.candidates = Candidates(matrix, store, facts, self.recovery, rules)

    def work(self, planner: CoursePlanner, site: SitePass, workers: Workers, choosing: Choosing) -> RoomWork:
        """What the command line asks about rooms."""
        adoption = Adoption(
            *(
                self._matrix,
                self._admin,
                self._store,
                planner,
                site,
                workers,
                choosing,
                self._rules,
                self._clock,
            )
        )
        return RoomWork(adoption, self.candidates, self.replacing)
