"""The `site` key: lists courses, decides which are on, and makes the ones that are on due.

It is the pass: everything is looked at, whatever signals were lost. It writes nothing to Matrix. A listing that can't
be read leaves all as it is; a course that is not in the listing is only marked as gone.

A source that reads the whole site at once is read by every pass. One that reads course by course is read in turns
(`turns`): a pass lists the site and reads the courses whose turn it is, further turns between the passes read others,
and a course that was not read stays as it is. Who asks for a pass has everything read.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace

from ..domain.digest import digest
from ..domain.model import CourseFacts, CourseId, SiteFacts
from ..domain.rules import Rules
from ..domain.selection import Selection, read_choice, select
from ..errors import PermanentFailure
from ..ports import (
    UNOBSERVED,
    Clock,
    CourseRow,
    Facts,
    Observer,
    Priority,
    Queue,
    Store,
    Taken,
    course_key,
    person_key,
)
from .avatars import PicturesSeen
from .digests import Digest
from .endings import Endings
from .freshness import ASKS_FOR_NOW, MEMORY, TURN, Freshness, signal_of_pass
from .gate import BASELINE, Gate
from .recovery import Recovery
from .settled import Settled
from .tree import SITE_URL as SITE_URL
from .tree import SpaceTree
from .turns import Turns
from .unconfirmed import Unconfirmed

SITE_NAME = "site"
log = logging.getLogger(__name__)


class SitePass:
    """One look at the whole site."""

    def __init__(
        self,
        facts: Facts,
        store: Store,
        queue: Queue,
        gate: Gate,
        rules: Rules,
        clock: Clock,
        freshness: Freshness,
        settled: Settled,
        endings: Endings,
        *,
        before_courses: Callable[[SiteFacts], Awaitable[None]] | None = None,
        after_reading: Callable[[], Awaitable[None]] | None = None,
        turns: Turns | None = None,
        after_pass: Callable[..., Awaitable[None]] | None = None,
        digests: Digest = digest,
        observer: Observer = UNOBSERVED,
        tree: SpaceTree | None = None,
        recovery: Recovery | None = None,
    ) -> None:
        self._tree = tree
        self._digest = digests
        self._observer = observer
        self._recovery = recovery
        self._after_pass = after_pass
        self._before_courses = before_courses
        self._after_reading = after_reading
        self._turns = turns
        self._settled = settled
        self._endings = endings
        self._pictures = PicturesSeen()
        self._freshness = freshness
        self._facts = facts
        self._store = store
        self._queue = queue
        self._gate = gate
        self._rules = rules
        self._clock = clock
        self._unconfirmed = Unconfirmed(store, queue, clock)

    async def run(self, taken: Taken) -> None:
        """List, decide, read ahead, make the courses due. Raises what the reading raises; then nothing changed."""
        if taken.signals == {TURN}:
            await self._turn(taken)
            return
        await self._recall()
        started = self._clock.now()
        asked = bool(taken.signals & ASKS_FOR_NOW)
        is_reliable = await self._gate.check()
        if is_reliable:
            await self._unconfirmed.look()
        if not is_reliable or asked:
            self._settled.unsettle_all()
            if self._tree is not None:
                self._tree.unsettle_all()
        site = await self._facts.site(not_older_than=started)
        await self._same_site(site, confirmed="confirm" in taken.signals)
        if self._before_courses is not None:
            await self._before_courses(site)
        rows = await self._decide(site, save=True)
        if self._tree is not None:
            await self._tree.take(site, rows, signal=signal_of_pass(taken))
        on = sorted(row.id for row in rows.values() if row.on and not row.gone)
        if on:
            await self._gate.prepare()
        chosen = on if asked else await self._choose(on, site)
        known = {row.id for row in rows.values() if row.last_sync is not None}
        due = await self._look(chosen, site, started, known=known, taken=taken)
        due += await self._from_memory(set(on).difference(chosen))
        if self._turns is not None:
            await self._turns.store()
        if self._after_pass is not None:
            await self._after_pass(at_once=asked)
        log.info(
            "Pass: %d courses listed, %d are on, %d were read, %d are looked at.",
            len(site.courses),
            len(on),
            len(chosen),
            due,
        )

    async def _turn(self, taken: Taken) -> None:
        """Read the courses whose turn it is, by the last listing."""
        if self._turns is None:
            return
        started = self._clock.now()
        site = await self._facts.site(not_older_than=0.0)
        rows = await self._store.courses.all()
        on = sorted(row.id for row in rows.values() if row.on and not row.gone)
        if on:
            await self._gate.prepare()
        chosen = await self._choose(on, site)
        if chosen:
            known = {row.id for row in rows.values() if row.last_sync is not None}
            due = await self._look(chosen, site, started, known=known, taken=taken)
            log.debug("Turn: %d courses were read, %d are looked at.", len(chosen), due)

    async def _choose(self, on: Sequence[CourseId], site: SiteFacts) -> Sequence[CourseId]:
        if self._turns is None:
            return on
        restless = {course_id for course_id in on if self._settled.is_restless(course_id)}
        return await self._turns.choose(on, site, restless=restless)

    async def _look(
        self,
        chosen: Sequence[CourseId],
        site: SiteFacts,
        started: float,
        *,
        known: Collection[CourseId],
        taken: Taken,
    ) -> int:
        """Read courses and make those due in which something has changed; how many those are.

        `known`: courses that were as they should be once. Somebody may have to go there, in a new one nobody has to.
        """
        thorough = bool(taken.signals & ASKS_FOR_NOW)
        await self._facts.prefetch(chosen, not_older_than=started, thorough=thorough)
        self._freshness.read(chosen, began=started)
        if self._after_reading is not None:
            await self._after_reading()
        read = {
            course_id: facts
            for course_id in chosen
            if (facts := self._facts.remembered(course_id, not_older_than=started)) is not None
        }
        digests = {one: self._digest_in(site, facts) for one, facts in read.items()}
        for user_id in sorted({user for facts in read.values() for user in self._pictures.changed(facts)}):
            await self._queue.add(person_key(user_id), priority=Priority.PERSON, signal="picture")
        if self._turns is not None:
            await self._turns.took(chosen, digests, site, at=started)
        # One that could not be read is due too: its own key tries again and shows what is wrong.
        settled = {one for one, digest in digests.items() if self._settled.is_settled(one, digest)}
        due = [course_id for course_id in chosen if course_id not in settled]
        for course_id in due:
            is_new = course_id not in known
            if course_id in read and is_new:
                # A first estimate, until its own look has counted better.
                self._observer.counted(course_id, len(read[course_id].enrolments))
            priority = Priority.PASS if is_new else Priority.REMOVAL
            await self._queue.add(course_key(course_id), priority=priority, signal=signal_of_pass(taken))
        return len(due)

    def _digest_in(self, site: SiteFacts, facts: CourseFacts) -> int:
        return self._digest(facts, site.categories.get(facts.course.category_id))

    async def _from_memory(self, course_ids: Iterable[CourseId]) -> int:
        """Make those due in which something may be to do although they were not read; how many those are."""
        due = [
            course_id
            for course_id in sorted(course_ids)
            if self._settled.is_restless(course_id)
            and self._facts.remembered(course_id, not_older_than=0.0) is not None
        ]
        for course_id in due:
            await self._queue.add(course_key(course_id), priority=Priority.PASS, signal=MEMORY)
        return len(due)

    async def preview(self) -> dict[CourseId, CourseRow]:
        """What a pass would decide now; nothing is stored but what the homeserver tells of rooms that we forgot."""
        await self._recall()
        return await self._decide(await self._facts.site(not_older_than=0.0), save=False)

    async def _recall(self) -> None:
        if self._recovery is not None:
            await self._recovery.run()

    async def reconsider(self, course_id: CourseId) -> None:
        """Decide one course anew, by the last listing: somebody has just chosen something for it."""
        site = await self._facts.site(not_older_than=0.0)
        before = await self._store.courses.get(course_id)
        if course_id not in site.courses or before is None:
            return
        row = self._row(course_id, site, before, await self._baseline(site, save=True))
        question = (await self._endings.waiting()).get(course_id)
        if question is not None:
            row = replace(row, on=False, reason=question)
        if row != before:
            await self._store.courses.save([row])
        self._settled.unsettle(course_id)

    async def _same_site(self, site: SiteFacts, *, confirmed: bool) -> None:
        """A token that suddenly leads to another Moodle would empty every room."""
        known = await self._store.settings.get(SITE_URL)
        if known is None or (confirmed and known != site.site.url):
            await self._store.settings.set(SITE_URL, site.site.url)
        elif known != site.site.url:
            raise PermanentFailure(
                f"Moodle calls itself {site.site.url} now; until today it was {known}. Everything is held and "
                "nothing was changed. "
                "If Moodle has moved for good, confirm with `moodle-appservice sync --confirm`."
            )
        self._facts.expect(site.site.url)

    async def _decide(self, site: SiteFacts, *, save: bool) -> dict[CourseId, CourseRow]:
        known = await self._store.courses.all()
        baseline = await self._baseline(site, save=save)
        rows = {
            course_id: self._row(course_id, site, known.get(course_id), baseline)
            for course_id in site.courses
        }
        for course_id, row in known.items():
            if course_id not in rows and course_id not in site.unreadable:
                since = row.left_at if row.left_at is not None or not row.on else self._clock.now()
                rows[course_id] = replace(row, gone=True, left_at=since)
        if save:
            await self._endings.look(rows, site)
        for course_id, question in (await self._endings.waiting()).items():
            if course_id in site.courses:
                rows[course_id] = replace(rows[course_id], on=False, reason=question)
        changed = [row for course_id, row in rows.items() if row != known.get(course_id)]
        if save:
            await self._store.courses.save(changed)
        return rows

    def _row(
        self, course_id: CourseId, site: SiteFacts, before: CourseRow | None, baseline: CourseId
    ) -> CourseRow:
        course = site.courses[course_id]
        fields = self._rules.fields
        choice = read_choice(
            course,
            fields,
            seen=before.field_seen if before else None,
            first_sight=before is None,
            now=self._clock.now(),
        ) or (before.choice if before else None)
        category = site.categories.get(course.category_id)
        was_on = before is not None and before.on
        selection = select(course, category, self._rules, baseline=baseline, choice=choice, was_on=was_on)
        # A field that has vanished (rights, renamed) says nothing; what it said last is still known.
        seen = course.custom_fields.get(fields.enabled, before.field_seen if before else None)
        row = before or CourseRow(course_id, course.shortname, False, "")
        if row.released:
            selection = Selection(False, row.reason)
        return replace(
            row,
            shortname=course.shortname,
            idnumber=course.idnumber,
            left_at=self._left_at(before, is_on=selection.on),
            on=selection.on,
            reason=selection.reason,
            choice=choice,
            field_seen=seen,
            gone=False,
        )

    def _left_at(self, before: CourseRow | None, *, is_on: bool) -> float | None:
        """Since when a course that was on is off; it is not gone, whatever it was before."""
        if is_on or before is None:
            return None
        if before.on and not before.gone:
            return self._clock.now()
        return before.left_at

    async def _baseline(self, site: SiteFacts, *, save: bool) -> CourseId:
        """The highest course id of the first complete listing: what is above it is new."""
        known = await self._store.settings.get(BASELINE)
        if known is not None:
            return CourseId(int(known))
        highest = max({*site.courses, *site.unreadable}, default=CourseId(1))
        if save:
            await self._store.settings.set(BASELINE, str(highest))
        return highest
