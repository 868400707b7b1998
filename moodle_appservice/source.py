"""Which source of facts serves, what it must remember between runs, and what it knows of the future.

`courses` asks Moodle's per-course functions, in turns, and needs nothing set up. `reports` reads a few custom reports
for the whole site and uses the same functions for hints, where our token may call them. What it must not forget (how
the reports looked when they were set up, how much there was) is kept in the settings after every pass.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

from .config import Settings
from .config.values import split_person
from .domain.above import ExtraRole
from .domain.leavers import KnownLeavers
from .domain.model import CourseId, Role, SiteFacts
from .domain.rules import Rules
from .domain.shrink import Marks, ShrinkRules
from .domain.template import profile_fields_for
from .domain.turns import TurnRules
from .engine.moments import Moments
from .engine.site import SITE_URL
from .engine.turns import Budget, Turns
from .errors import PermanentFailure
from .lists import LIST_MARKS, ListSource
from .moodle.client import MoodleClient
from .moodle.group_register import GroupRegister
from .moodle.read import MoodleFacts
from .moodle.report_fetch import Choice
from .moodle.report_snapshot import Fields
from .moodle.reports import ReportFacts
from .moodle.rights import Finding, State, sample
from .moodle.site_facts import KnownSite
from .ports import Clock, Facts, Queue, Store

FINGERPRINT = "report_fingerprint"
MARKS = "report_marks"
COURSE_MARKS = "course_marks"
LEAVERS = "explained_leavers"
"""The setting with who has left which course for a known reason, and when: they do not count after a restart either."""
SITE_FACTS = "site_facts"
TURNS = 10
"""Turns in an interval."""
SHORTEST_TURN = 10.0
"""Seconds."""
log = logging.getLogger(__name__)


class Source:
    """`courses` is always there (doctor probes with it); `facts` is what the engine reads."""

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        client: MoodleClient,
        store: Store,
        queue: Queue,
        clock: Clock,
    ) -> None:
        self._store = store
        self._stored_at = 0.0
        self._stored_held: frozenset[CourseId] = frozenset()
        self.moments = Moments(queue, clock)
        self.beside: Callable[[], int] = int
        """How many requests were made to Moodle beside those of the source: they count for the same budget."""
        self._clock = clock
        self._interval = settings.moodle.interval
        limits = ShrinkRules(max_share=settings.safety.max_shrink)
        self.groups = GroupRegister(store.groups)
        self._is_probed = False
        self.known: KnownSite | None = None
        """The site and our rights there, as they were probed last."""
        self.courses = _courses(settings, rules, client, self.groups, clock, limits)
        self.reports: ReportFacts | None = None
        if settings.moodle.source == "reports":
            self.reports = _reports(settings, rules, client, self.courses, clock, limits)
        self.lists: ListSource | None = None
        if settings.moodle.source == "lti":
            self.lists = ListSource(settings, self.courses, store, queue, clock, client.session, limits)

        self.turn: float | None = None
        self.turns: Turns | None = None
        """Where every pass reads everything, there are no turns."""
        moodle = settings.moodle
        if self.reports is None and self.lists is None and moodle.slowest_interval > moodle.interval:
            self.turn = max(SHORTEST_TURN, moodle.interval / TURNS)
            turn_rules = TurnRules(moodle.interval, moodle.slowest_interval, self.turn, batch=moodle.batch)
            self.turns = Turns(store, clock, turn_rules, _budget(settings, client, self))

    @property
    def facts(self) -> Facts:
        """The chosen source."""
        return self.lists.facts if self.lists else self.reports or self.courses

    @property
    def _leavers(self) -> KnownLeavers:
        return (self.lists.facts if self.lists else self.reports or self.courses).leavers

    async def recall(self) -> None:
        """Take back what the last run has stored. To be called once, before the first reading."""
        url = await self._store.settings.get(SITE_URL)
        if url:
            self.facts.expect(url)
        site = await self._store.settings.get(SITE_FACTS)
        if site:
            self.known = KnownSite.from_data(json.loads(site))
            self._stop()
        left = await self._store.settings.get(LEAVERS)
        self._leavers.recall(json.loads(left or "{}"), at=self._clock.now())
        if self.lists is not None:
            await self.lists.recall()
            return
        found = await self._store.settings.get(MARKS if self.reports else COURSE_MARKS)
        marks = Marks.from_data(json.loads(found)) if found else None
        await self.groups.load()
        if self.reports is None:
            if marks is not None:
                self.courses.recall(marks)
            return
        fingerprint = await self._store.settings.get(FINGERPRINT)
        self.reports.recall(json.loads(fingerprint) if fingerprint else None, marks)

    async def before_courses(self, site: SiteFacts) -> None:
        """Look at our rights where they may be other ones. Raises `SourceHeld` where nothing may be read with them."""
        if self.lists is not None:
            # It takes no right of ours in any course.
            return
        info, now = site.site, self._clock.now()
        in_doubt = self.courses.lacks_rights
        if self.known is None or not self._is_probed or not self.known.is_valid(info, now, in_doubt=in_doubt):
            if self.known is not None and self.known.release != info.release:
                log.info(
                    "Moodle is %s now, and was %s: our rights are probed.", info.release, self.known.release
                )
            findings: tuple[Finding, ...] = ()
            if self.reports is None:
                findings = tuple(await self.courses.probe_rights(sample(site, await self.of_interest())))
            await self._know(KnownSite(info.url, info.release, info.user_id, info.functions, findings, now))
            self._is_probed, self.courses.lacks_rights = True, False
            for finding in findings:
                if finding.state is State.MISSING:
                    log.warning("%s", finding.sentence)
        self._stop()
        if self.reports is None:
            self.courses.refuse()

    async def of_interest(self) -> list[CourseId]:
        """Courses that are on, those first that are not listed any more: in them a missing right shows.

        Raises what the database raises.
        """
        rows = [row for row in (await self._store.courses.all()).values() if row.on]
        return [row.id for row in sorted(rows, key=lambda row: (not row.gone, row.id))]

    async def _know(self, site: KnownSite) -> None:
        self.known = site
        await self._store.settings.set(SITE_FACTS, json.dumps(site.to_data(), sort_keys=True))

    def _stop(self) -> None:
        if self.reports is None and self.lists is None and self.known is not None:
            self.courses.stop(self.known.stops)

    async def accept_reports(self) -> tuple[str, ...]:
        """Take the reports as they are now; what has changed, a sentence each. Where it raises, nothing is accepted."""
        if self.reports is None:
            raise PermanentFailure(
                "There are no reports to accept: moodle.source is courses. Nothing was changed. "
                "Set it to reports first."
            )
        said = await self.reports.accept_reports()
        await self._store_fingerprint(self.reports)
        for sentence in said:
            log.info("Accepted as it is: %s", sentence)
        return said

    async def _store_fingerprint(self, reports: ReportFacts) -> None:
        await self._store.settings.set(FINGERPRINT, json.dumps(dict(reports.fingerprint()), sort_keys=True))

    async def after_reading(self) -> None:
        """Store what must not be forgotten, and plan looks at courses in which something is known to happen soon."""
        await self._store_leavers()
        if self.lists is not None:
            await self._store_marks(LIST_MARKS, self.lists.facts.marks)
            return
        if self.reports is None:
            await self._store_marks(COURSE_MARKS, self.courses.marks)
            for course_id, at in self.courses.due_again().items():
                self.moments.plan(course_id, at)
            return
        await self._store_fingerprint(self.reports)
        await self._store_marks(MARKS, self.reports.marks)
        if self.known is not None and self.known.reports != self.reports.numbers():
            await self._know(replace(self.known, reports=self.reports.numbers()))
        now = self._clock.now()
        for moment in self.reports.moments(after=now, until=now + self._interval):
            self.moments.plan(moment.course_id, moment.at)

    async def _store_marks(self, name: str, marks: Marks) -> None:
        """Once in an interval, and whenever something else is held: a large site has many marks."""
        now, held = self._clock.now(), frozenset(self.facts.held)
        if now - self._stored_at >= self._interval * 0.9 or held != self._stored_held:
            await self._store.settings.set(name, json.dumps(marks.to_data(), sort_keys=True))
            self._stored_at, self._stored_held = now, held

    async def _store_leavers(self) -> None:
        new = self._leavers.take_new()
        if new:
            stored = json.loads(await self._store.settings.get(LEAVERS) or "{}")
            await self._store.settings.set(LEAVERS, json.dumps(self._leavers.joined(stored, new)))

    async def close(self) -> None:
        """Stop what is being read, and wait for no more moments."""
        await self.moments.stop()
        if self.reports is not None:
            await self.reports.close()
        if self.lists is not None:
            await self.lists.facts.close()
        await self.courses.close()


def _budget(settings: Settings, client: MoodleClient, source: Source) -> Budget | None:
    per_minute = settings.moodle.requests_per_minute
    if not per_minute:
        return None
    return Budget(per_minute, lambda: client.requests + source.beside(), batch=client.batch)


def _courses(
    settings: Settings,
    rules: Rules,
    client: MoodleClient,
    groups: GroupRegister,
    clock: Clock,
    limits: ShrinkRules,
) -> MoodleFacts:
    is_beside = settings.moodle.source == "reports"
    return MoodleFacts(
        client,
        clock=clock,
        profile_fields=profile_fields_for(rules.identity),
        language=settings.moodle.language,
        fresh_for=settings.moodle.interval,
        rules=None if is_beside else limits,
        groups=groups,
        extra=() if is_beside else extra_roles(settings),
        pictures=settings.accounts.follow_avatar,
    )


def _reports(
    settings: Settings,
    rules: Rules,
    client: MoodleClient,
    courses: MoodleFacts,
    clock: Clock,
    limits: ShrinkRules,
) -> ReportFacts:
    moodle = settings.moodle
    names = (rules.fields.enabled, rules.fields.name, rules.fields.topic)
    return ReportFacts(
        client,
        courses,
        clock=clock,
        choice=Choice(prefix=moodle.reports_prefix, reports=report_names(settings)),
        fields=Fields(
            profile=profile_fields_for(rules.identity),
            course=tuple(name for name in names if name),
            headers=moodle.report_headers,
        ),
        extra=extra_roles(settings),
        language=moodle.language,
        rows_per_request=moodle.rows_per_request,
        rules=limits,
    )


def report_names(settings: Settings) -> dict[str, int | str]:
    """The reports of the configuration: a number is one by its number."""
    return {
        kind: int(name) if name.isascii() and name.isdigit() else name
        for kind, name in settings.moodle.reports.items()
    }


def extra_roles(settings: Settings) -> tuple[ExtraRole, ...]:
    """`roles.extra`, entry by entry."""
    return tuple(
        ExtraRole(category, person, Role(role))
        for category, people in settings.roles.extra.items()
        for person, role in map(split_person, people)
    )
