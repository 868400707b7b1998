"""Moodle as the processes of a cluster see it: one of them reads, all take what it has read from the board.

The reader has the source of facts, which reads, judges and holds as in one process; whatever it reads it puts on the
board. Everybody else looks at the board. Where what stands there is too old for a look (somebody asks for now), or is
not there, they have the reader look: a key that only the reader takes, and then something newer on the board.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from ..domain.digest import digest
from ..domain.model import CourseFacts, CourseId, MoodleUserId, Person, SiteFacts, SiteInfo
from ..errors import AppError, CourseGone, PermanentFailure, TemporaryFailure
from ..ports import SITE, Clock, Facts, Key, Settings, meet_key, read_key
from ..ports.board import Board, Posted

CONFIRMED = "confirmed_courses"
LEAVERS = "known_leavers"
"""The setting with who has left which course within the last day for a known reason."""
PATIENCE = 60.0
"""Seconds within which the reader must have looked."""
AT_ONCE = 200
"""Courses that are put on the board in one transaction."""
log = logging.getLogger(__name__)


class SharedFacts:
    """Implements `ports.Facts`. `reads`: whether we are the reader now; `look`: have a key looked at and wait."""

    def __init__(
        self,
        inner: Facts,
        board: Board,
        settings: Settings,
        clock: Clock,
        reads: Callable[[], bool],
        look: Callable[[Key], Awaitable[AppError | None]],
    ) -> None:
        self._inner = inner
        self._board = board
        self._look = look
        self._settings = settings
        self._clock = clock
        self._reads = reads
        self._site: SiteFacts | None = None
        self._site_number = 0
        self._held: Mapping[CourseId, str] = {}
        self._posted: dict[CourseId, int] = {}
        self._people: dict[MoodleUserId, Person] = {}
        self._posted_site: tuple[float, Mapping[CourseId, str]] | None = None

    def begin_to_read(self) -> None:
        """This process is the reader from now on: what it put on the board earlier may have been replaced."""
        self._posted.clear()
        self._people.clear()
        self._posted_site = None

    # The port

    async def site_info(self) -> SiteInfo:
        """Who answers. Always asks Moodle, whoever we are."""
        return await self._inner.site_info()

    def expect(self, url: str) -> None:
        """The address by which the site must call itself."""
        self._inner.expect(url)

    async def site(self, *, not_older_than: float) -> SiteFacts:
        """The complete listing. Raises `TemporaryFailure` where the reader's can't be used here."""
        if self._reads():
            await self._take_confirmed()
            site = await self._inner.site(not_older_than=not_older_than)
            await self._post_site(site)
            return site
        await self._look_at_site()
        if self._site is None or self._site.read_at < not_older_than:
            await self._ask(SITE, "the list of courses")
            await self._look_at_site()
        if self._site is None:
            raise TemporaryFailure("The list of courses can't be used here; it is tried again.")
        return self._site

    async def course_facts(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        """Everything about one course. Raises `CourseGone`, or `TemporaryFailure` where it could not be read."""
        if self._reads():
            facts = await self._inner.course_facts(course_id, not_older_than=not_older_than)
            await self._post_courses([facts], await self._inner.site(not_older_than=0.0))
            return facts
        posted = await self._board.course(course_id)
        if posted is None or posted.facts is None or posted.facts.read_at < not_older_than:
            posted = await self._read(course_id)
        if posted.facts is None:
            if posted.is_gone:
                raise CourseGone(posted.trouble)
            raise TemporaryFailure(posted.trouble)
        return posted.facts

    async def person(self, user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        """One account's own state."""
        if self._reads():
            return await self._inner.person(user_id, not_older_than=not_older_than)
        met = await self._board.person(user_id)
        if met is None or not_older_than > 0.0:
            await self._ask(meet_key(user_id), f"the account {user_id}")
            met = await self._board.person(user_id)
        return met.person if met is not None else None

    async def prefetch(
        self, course_ids: Sequence[CourseId], *, not_older_than: float, thorough: bool = False
    ) -> None:
        """Read many courses, and put up those that have changed. Only the reader does that."""
        await self._inner.prefetch(course_ids, not_older_than=not_older_than, thorough=thorough)
        site = await self._inner.site(not_older_than=0.0)
        await self._post_site(site)
        lost = []
        for start in range(0, len(course_ids), AT_ONCE):
            part = course_ids[start : start + AT_ONCE]
            read = {one: self._inner.remembered(one, not_older_than=not_older_than) for one in part}
            await self._post_courses([facts for facts in read.values() if facts is not None], site)
            lost += [course_id for course_id, facts in read.items() if facts is None]
        # Their own keys show what is wrong: they must not find an earlier reading.
        await self._board.take_down(lost)
        for course_id in lost:
            self._posted.pop(course_id, None)

    def remembered(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts | None:
        """What is in memory; only the reader has something there."""
        return self._inner.remembered(course_id, not_older_than=not_older_than)

    @property
    def held(self) -> Mapping[CourseId, str]:
        """Courses that the source holds, as far as we have heard."""
        return self._inner.held if self._reads() else self._held

    async def explained(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        """Who has left a course for a known reason, as far as we have heard."""
        if self._reads():
            return await self._inner.explained(course_id)
        known = json.loads(await self._settings.get(LEAVERS) or "{}")
        return frozenset(MoodleUserId(number) for number in known.get(str(course_id), ()))

    async def confirm(self, course_ids: Iterable[CourseId]) -> None:
        """A person has confirmed the losses of these courses."""
        if self._reads():
            await self._inner.confirm(course_ids)
            return
        known = json.loads(await self._settings.get(CONFIRMED) or "[]")
        await self._settings.set(CONFIRMED, json.dumps(sorted({*known, *course_ids})))

    # What the reader does for others

    async def read(self, course_id: CourseId) -> None:
        """Read one course now, for somebody who waits for it. Raises what the reading raises, after posting it."""
        try:
            facts = await self._inner.course_facts(course_id, not_older_than=self._clock.now())
        except AppError as failure:
            await self._board.post_trouble(course_id, str(failure), is_gone=isinstance(failure, CourseGone))
            self._posted.pop(course_id, None)
            if isinstance(failure, PermanentFailure):
                return
            raise
        self._posted.pop(course_id, None)
        await self._post_courses([facts], await self._inner.site(not_older_than=0.0))

    async def meet(self, user_id: MoodleUserId) -> None:
        """Look at one account now, for somebody who waits at the board."""
        person = await self._inner.person(user_id, not_older_than=self._clock.now())
        await self._board.post_person(user_id, person)

    # Inside

    async def _post_site(self, site: SiteFacts) -> None:
        now = (site.read_at, dict(self._inner.held))
        if self._posted_site != now:
            await self._board.post_site(site, self._inner.held)
            self._posted_site = now

    async def _post_courses(self, read: Sequence[CourseFacts], site: SiteFacts) -> None:
        prints = {
            facts.course.id: digest(facts, site.categories.get(facts.course.category_id)) for facts in read
        }
        changed = [facts for facts in read if self._posted.get(facts.course.id) != prints[facts.course.id]]
        people = {
            user: person
            for facts in read
            for user, person in facts.people.items()
            if self._people.get(user) != person
        }
        await self._board.post(changed, people.values())
        self._people.update(people)
        await self._post_leavers([facts.course.id for facts in changed])
        for facts in changed:
            self._posted[facts.course.id] = prints[facts.course.id]

    async def _post_leavers(self, course_ids: Sequence[CourseId]) -> None:
        found = {one: await self._inner.explained(one) for one in course_ids}
        left = {str(one): sorted(users) for one, users in found.items() if users}
        if left:
            known = json.loads(await self._settings.get(LEAVERS) or "{}")
            kept = {
                one: users for one, users in known.items() if await self._inner.explained(CourseId(int(one)))
            }
            await self._settings.set(LEAVERS, json.dumps({**kept, **left}, sort_keys=True))

    async def _take_confirmed(self) -> None:
        waiting = json.loads(await self._settings.get(CONFIRMED) or "[]")
        if waiting:
            await self._inner.confirm([CourseId(number) for number in waiting])
            await self._settings.set(CONFIRMED, "[]")

    async def _look_at_site(self) -> None:
        number = await self._board.site_number()
        if number != self._site_number:
            found = await self._board.site()
            if found is not None:
                self._site, self._held = found
                self._site_number = number

    async def _read(self, course_id: CourseId) -> Posted:
        await self._ask(read_key(course_id), f"course {course_id}")
        posted = await self._board.course(course_id)
        if posted is None:
            raise TemporaryFailure(
                f"What was read of course {course_id} can't be used here; it is tried again."
            )
        return posted

    async def _ask(self, key: Key, what: str) -> None:
        """Have the reader look, and wait until it has. Raises what stopped it."""
        try:
            async with asyncio.timeout(PATIENCE):
                failure = await self._look(key)
        except TimeoutError:
            raise TemporaryFailure(
                f"The process that reads Moodle for all has not read {what} within {PATIENCE:.0f} s. Nothing was "
                "changed; it is tried again. Another process becomes the reader when that one has stopped.",
                retry_after=5,
            ) from None
        if failure is not None:
            raise failure
