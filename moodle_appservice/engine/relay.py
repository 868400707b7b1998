"""The relay: what happens in a course reaches its room, beside everything else and never in its way.

It has a loop, a Moodle token and a part of the request budget of its own, and takes nothing but what the books and the
last listing of the site know: when it fails, memberships do not notice. A cycle asks which courses relay, reads the
announcements of those (all, or those in which something has changed where that can be told), and less often their
dates. Before the first reading, and once in an hour, it finds out whether its Moodle account sees more than every
participant; if so it says why, and reads nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

from ..domain.deadlines import Dated, upcoming
from ..domain.model import CourseId, SiteFacts
from ..domain.relay import ForumId, PostList, is_doubtful
from ..domain.relay_choice import RelayRules
from ..errors import AppError, PermanentFailure, Unreachable
from ..languages import known_zone
from ..ports import Clock, Content, Detector, Forum, Store
from .announcing import Announcer, Target
from .relay_scope import RelayScope
from .reminding import LOOK_BACK, Reminders
from .stopping import end

HOUR = 3600.0
DATES_KEPT = 900.0
"""Seconds for which dates that were read serve whoever asks for them."""
TIDY_AFTER = 90 * 86_400.0
SAMPLE = 5
"""Courses of each kind by which it is found out what our reader sees."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at announcements, at dates, at which forums there are."""

    announcements: float = 180.0
    dates: float = 1200.0
    forums: float = HOUR


class Relay:
    """`zone`: the site's time zone by its IANA name, empty where Moodle is to be asked.

    `reads`: whether this process is the one that reads Moodle; of several processes only that one relays.
    """

    def __init__(
        self,
        content: Content,
        scope: RelayScope,
        announcer: Announcer,
        reminders: Reminders,
        store: Store,
        rules: RelayRules,
        clock: Clock,
        *,
        pace: Pace,
        zone: str = "",
        detector: Detector | None = None,
        reads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._reads = reads
        self.scope = scope
        self.refusal = ""
        """Why nothing is read, empty where all is well."""
        self._content = content
        self._announcer = announcer
        self._reminders = reminders
        self._store = store
        self._rules = rules
        self._clock = clock
        self._pace = pace
        self._zone_name = zone
        self._zone: tzinfo | None = None
        self._detector = detector
        self._forums: dict[CourseId, Sequence[Forum]] = {}
        self._whole_at: dict[ForumId, float] = {}
        self._dates: dict[CourseId, tuple[float, Sequence[Dated]]] = {}
        self._looked_at = self._listed_at = self._dates_at = self._all_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._said = ""

    # Life

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """End; safe before a start."""
        await end(self._task)
        self._task = None

    async def _run(self) -> None:
        while True:
            try:
                if self._reads():
                    await self.cycle()
            except AppError as failure:
                if str(failure) != self._said:
                    log.warning("Announcements and dates wait, memberships do not: %s", failure)
                self._said = str(failure)
            except Exception:
                log.exception("The relay met a bug of ours; it goes on with the next look.")
            await asyncio.sleep(self._pace.announcements)

    # One cycle

    async def cycle(self) -> None:
        """One look. Raises what concerns the whole site, or the homeserver."""
        targets = await self.scope.targets()
        if not targets or not await self.may_read():
            return
        zone = await self.zone()
        if self._rules.announcements:
            await self._announce(sorted(targets), targets, zone)
        now = self._clock.now()
        if self._rules.deadlines and now - self._dates_at >= self._pace.dates:
            await self._remind(sorted(targets), targets, zone)
            self._dates_at = now

    async def may_read(self) -> bool:
        """Whether our reader sees what a participant sees and no more; found out once in an hour."""
        now = self._clock.now()
        if now - self._looked_at < HOUR:
            return not self.refusal
        refusal = " ".join(await self.excess())
        if refusal and refusal != self.refusal:
            log.error("Nothing is relayed: the account of moodle.content_token sees too much. %s", refusal)
        self.refusal, self._looked_at = refusal, now
        await self._store.relay.tidy(before=now - TIDY_AFTER)
        return not refusal

    async def excess(self, *, with_books: bool = True) -> Sequence[str]:
        """What our reader is shown beyond what every participant sees. Always asks. Raises `MoodleError`.

        `with_books`: whether the database is open, which tells where the reader is enrolled and what relays.
        """
        site = await self.scope.site()
        reader = await self._content.reader()
        found = list(await self.scope.of_reader(reader, site, with_books=with_books))
        hidden = [one.id for one in site.courses.values() if not one.visible][:SAMPLE]
        shown = await self._sample(site, with_books=with_books)
        return [
            *found,
            *await self._content.excess(reader, hidden=hidden, shown=shown, now=self._clock.now()),
        ]

    async def zone(self) -> tzinfo:
        """The site's time zone; UTC where nobody tells it."""
        if self._zone is None:
            name = self._zone_name or await self._content.time_zone()
            self._zone = known_zone(name) or UTC
            self._reminders.zone_name = name if known_zone(name) else "UTC"
        return self._zone

    async def _sample(self, site: SiteFacts, *, with_books: bool) -> list[CourseId]:
        relaying = list(await self.scope.targets()) if with_books else []
        others = [one.id for one in site.courses.values() if one.visible and one.group_mode == 1]
        return list(dict.fromkeys([*relaying[:SAMPLE], *others[:SAMPLE]]))

    # Announcements

    async def _announce(
        self, course_ids: Sequence[CourseId], targets: Mapping[CourseId, float], zone: tzinfo
    ) -> None:
        await self._list_forums(course_ids)
        chosen = await self._choose(course_ids)
        if not chosen:
            return
        read = await self._read(chosen)
        for course_id in chosen:
            forums = [forum for forum in self._forums.get(course_id, ()) if forum.id in read]
            if forums and not await self._tell(course_id, forums, read, targets, zone):
                for forum in forums:
                    self._whole_at.pop(forum.id, None)

    async def _tell(
        self,
        course_id: CourseId,
        forums: Sequence[Forum],
        read: Mapping[ForumId, PostList],
        targets: Mapping[CourseId, float],
        zone: tzinfo,
    ) -> bool:
        room_id = await self.scope.room(course_id)
        if room_id is None:
            return True
        target = Target(course_id, room_id, targets[course_id], zone, self.scope.is_muted(course_id))
        try:
            return await self._announcer.tell(target, forums, [read[forum.id] for forum in forums])
        except Unreachable:
            raise
        except AppError as failure:
            log.warning("An announcement of course %d waits: %s", course_id, failure)
            return True

    async def _list_forums(self, course_ids: Sequence[CourseId]) -> None:
        now = self._clock.now()
        if now - self._listed_at >= self._pace.forums:
            wanted: Sequence[CourseId] = course_ids
            self._listed_at = now
        else:
            wanted = [course_id for course_id in course_ids if course_id not in self._forums]
        if wanted:
            self._forums.update(await self._content.forums(wanted))

    async def _choose(self, course_ids: Sequence[CourseId]) -> Sequence[CourseId]:
        """Those in which something may have changed; all of them at least once in an hour."""
        if self._detector is None:
            return course_ids
        try:
            changed = await self._detector.changed()
        except PermanentFailure as failure:
            changed = None
            if str(failure) != self._said:
                log.warning("%s", failure)
                self._said = str(failure)
        now = self._clock.now()
        if changed is None or now - self._all_at >= HOUR:
            self._all_at = now
            return course_ids
        return [
            course_id for course_id in course_ids if course_id in changed or course_id not in self._forums
        ]

    async def _read(self, course_ids: Sequence[CourseId]) -> Mapping[ForumId, PostList]:
        """The newest posts of each forum; all of them at first, once in an hour, and where a part raises doubts."""
        now = self._clock.now()
        forums = [forum for course_id in course_ids for forum in self._forums.get(course_id, ())]
        whole = [one for one in forums if now - self._whole_at.get(one.id, float("-inf")) >= HOUR]
        pages = [one for one in forums if one not in whole]
        found = await self._lists(pages, whole=False) if pages else {}
        known = await self._store.relay.posts([one.id for one in pages])
        doubted = [
            forum
            for forum in pages
            if forum.id in found
            and is_doubtful(found[forum.id], [row for row in known.values() if row.forum_id == forum.id])
        ]
        again = [*whole, *doubted]
        complete = await self._lists(again, whole=True) if again else {}
        self._whole_at.update(dict.fromkeys(complete, now))
        return {**found, **complete}

    async def _lists(self, forums: Sequence[Forum], *, whole: bool) -> dict[ForumId, PostList]:
        found: dict[ForumId, PostList] = {}
        for forum_id, answer in (await self._content.posts(forums, whole=whole)).items():
            if isinstance(answer, AppError):
                # Hidden, gone, or a failure of this one alone: what was told stays, and it is asked for again.
                log.debug("Forum %d can't be read: %s", forum_id, answer)
            else:
                found[forum_id] = answer
        return found

    # Dates

    async def _remind(
        self, course_ids: Sequence[CourseId], targets: Mapping[CourseId, float], zone: tzinfo
    ) -> None:
        read = await self._read_dates(course_ids)
        since = self._clock.now() - LOOK_BACK
        lists = await self._store.relay.lists(list(read), ahead_of=since)
        told = await self._store.relay.told(list(read))
        for course_id, dates in read.items():
            room_id = await self.scope.room(course_id) if dates or told.get(course_id) else None
            if room_id is None:
                continue
            target = Target(course_id, room_id, targets[course_id], zone, self.scope.is_muted(course_id))
            of_course = [one for one in lists if one.course_id == course_id]
            try:
                await self._reminders.tell(target, dates, of_course, told.get(course_id, {}))
            except Unreachable:
                raise
            except AppError as failure:
                log.warning("The dates of course %d wait: %s", course_id, failure)

    async def _read_dates(self, course_ids: Sequence[CourseId]) -> dict[CourseId, Sequence[Dated]]:
        now = self._clock.now()
        found: dict[CourseId, Sequence[Dated]] = {}
        for course_id, answer in (await self._content.dates(course_ids)).items():
            if isinstance(answer, AppError):
                log.debug("The dates of course %d can't be read: %s", course_id, answer)
                continue
            found[course_id] = answer
            self._dates[course_id] = (now, answer)
        return found

    async def coming_up(
        self, course_ids: Collection[CourseId], *, days: float = 14
    ) -> Mapping[CourseId, Sequence[Dated]]:
        """What lies ahead in these courses, for whoever asks; courses that our reader may not enter are left out.

        Raises `MoodleError`; nothing is read where our reader sees too much.
        """
        if not await self.may_read():
            return {}
        await self.zone()
        now = self._clock.now()
        old = [one for one in course_ids if now - self._dates.get(one, (float("-inf"), ()))[0] > DATES_KEPT]
        if old:
            await self._read_dates(old)
        return {
            course_id: [
                replace(one, name=self._reminders.plain(one.name))
                for one in upcoming(self._dates[course_id][1], now=now, seconds=days * 86_400)
            ]
            for course_id in course_ids
            if course_id in self._dates
        }

    @property
    def zone_name(self) -> str:
        """The site's time zone as it is shown."""
        return self._reminders.zone_name
