"""Which source of facts serves, what it must remember between runs, and what it knows of the future.

`courses` asks Moodle's per-course functions, in turns, and needs nothing set up. `reports` reads a few custom reports
for the whole site and uses the same functions for hints, where our token may call them. What it must not forget (how
the reports looked when they were set up, how much there was) is kept in the settings after every pass.
"""

from __future__ import annotations

import json
import logging

from .config import Settings
from .domain.model import CourseId
from .domain.rules import Rules
from .domain.shrink import Marks, ShrinkRules
from .domain.template import profile_fields_for
from .domain.turns import TurnRules
from .engine.turns import Budget, Turns
from .moodle.client import MoodleClient
from .moodle.group_register import GroupRegister
from .moodle.read import MoodleFacts
from .moodle.report_fetch import Choice
from .moodle.report_snapshot import Fields
from .moodle.reports import ReportFacts
from .ports import Clock, Facts, Priority, Queue, Store, course_key

FINGERPRINT = "report_fingerprint"
MARKS = "report_marks"
COURSE_MARKS = "course_marks"
MOMENT = "moment"
"""The signal of a known start or end of an enrolment."""
TURNS = 10
"""Turns in an interval."""
SHORTEST_TURN = 10.0
"""Seconds."""
log = logging.getLogger(__name__)


class Source:
    """`courses` is always there (doctor probes with it); `facts` is what the engine reads."""

    def __init__(
        self, settings: Settings, rules: Rules, client: MoodleClient, store: Store, queue: Queue, clock: Clock
    ) -> None:
        self._store = store
        self._stored_at = 0.0
        self._stored_held: frozenset[CourseId] = frozenset()
        self._queue = queue
        self._clock = clock
        self._interval = settings.moodle.interval
        profile = profile_fields_for(rules.identity)
        limits = ShrinkRules(max_share=settings.safety.max_shrink)
        self.groups = GroupRegister(store.groups)
        self.courses = MoodleFacts(
            client,
            clock=clock,
            profile_fields=profile,
            language=settings.moodle.language,
            fresh_for=settings.moodle.interval,
            rules=None if settings.moodle.source == "reports" else limits,
            groups=self.groups,
        )
        self.reports: ReportFacts | None = None
        if settings.moodle.source == "reports":
            names = (rules.fields.enabled, rules.fields.name, rules.fields.topic)
            self.reports = ReportFacts(
                client,
                self.courses,
                clock=clock,
                choice=Choice(prefix=settings.moodle.reports_prefix),
                fields=Fields(profile=profile, course=tuple(name for name in names if name)),
                language=settings.moodle.language,
                rows_per_request=settings.moodle.rows_per_request,
                rules=limits,
            )

        self.turn: float | None = None
        self.turns: Turns | None = None
        """Where every pass reads everything, there are no turns."""
        if self.reports is None and settings.moodle.slowest_interval > settings.moodle.interval:
            self.turn = max(SHORTEST_TURN, settings.moodle.interval / TURNS)
            self.turns = Turns(store, clock, self._turn_rules(settings, self.turn), _budget(settings, client))

    @staticmethod
    def _turn_rules(settings: Settings, turn: float) -> TurnRules:
        moodle = settings.moodle
        return TurnRules(fastest=moodle.interval, slowest=moodle.slowest_interval, turn=turn)

    @property
    def facts(self) -> Facts:
        """The chosen source."""
        return self.reports or self.courses

    async def recall(self) -> None:
        """Take back what the last run has stored. To be called once, before the first reading."""
        found = await self._store.settings.get(MARKS if self.reports else COURSE_MARKS)
        marks = Marks.from_data(json.loads(found)) if found else None
        await self.groups.load()
        if self.reports is None:
            if marks is not None:
                self.courses.recall(marks)
            return
        fingerprint = await self._store.settings.get(FINGERPRINT)
        self.reports.recall(json.loads(fingerprint) if fingerprint else None, marks)

    async def after_reading(self) -> None:
        """Store what must not be forgotten, and queue the courses in which something is known to happen soon."""
        if self.reports is None:
            await self._store_marks(COURSE_MARKS, self.courses.marks)
            for course_id, at in self.courses.due_again().items():
                await self._look_again(course_id, at)
            return
        await self._store.settings.set(
            FINGERPRINT, json.dumps(dict(self.reports.fingerprint()), sort_keys=True)
        )
        await self._store_marks(MARKS, self.reports.marks)
        now = self._clock.now()
        for moment in self.reports.moments(after=now, until=now + self._interval):
            await self._look_again(moment.course_id, moment.at)

    async def _store_marks(self, name: str, marks: Marks) -> None:
        """Once in an interval, and whenever something else is held: a large site has many marks."""
        now, held = self._clock.now(), frozenset(self.facts.held)
        if now - self._stored_at >= self._interval * 0.9 or held != self._stored_held:
            await self._store.settings.set(name, json.dumps(marks.to_data(), sort_keys=True))
            self._stored_at, self._stored_held = now, held

    async def _look_again(self, course_id: CourseId, at: float) -> None:
        await self._queue.add(course_key(course_id), priority=Priority.HINT, signal=MOMENT, not_before=at)

    async def close(self) -> None:
        """Stop what is being read."""
        if self.reports is not None:
            await self.reports.close()
        await self.courses.close()


def _budget(settings: Settings, client: MoodleClient) -> Budget | None:
    per_minute = settings.moodle.requests_per_minute
    return Budget(per_minute, lambda: client.requests) if per_minute else None
