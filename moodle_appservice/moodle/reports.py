"""Moodle as the engine sees it, out of reports: `ports.Facts` for a whole site in a handful of requests.

Everything comes from one snapshot of the site (`report_snapshot`), shared by all callers: one is read at a time,
whoever waits gets it too (`memory`). Before it is used it is judged (`domain.shrink`): courses that lost more than a
normal day takes are held for a person, keep whom they had, and still grow.

A caller who wants one course as it is now, because of a hint, need not wait for the whole site: where our token may
call the per-course functions too, they answer (`hybrid`), and what they say counts until a newer snapshot is there.
Their answer is cut to what the reports tell, so that a person does not seem to change with the way in which we asked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from ..domain.above import ExtraRole
from ..domain.leavers import KnownLeavers
from ..domain.model import (
    CourseFacts,
    CourseId,
    MoodleUserId,
    Person,
    SiteFacts,
    SiteInfo,
)
from ..domain.shrink import Marks, ShrinkRules, judge_snapshot, too_few
from ..domain.shrink_lists import FRESH
from ..domain.snapshot import Moment, SiteSnapshot, only_growing
from ..ports import Clock
from . import errors
from .client import MoodleClient
from .course_groups import fit_groups
from .group_register import GroupRegister
from .memory import Memory, Outcomes
from .own_rooms import OwnRooms
from .read import MoodleFacts
from .report_check import ReportCheck, ReportFinding
from .report_fetch import RETRIEVE, Choice, ReportReader
from .report_kinds import PEOPLE
from .report_snapshot import Fields, SnapshotReader
from .rights import State
from .shapes import FRONT_PAGE, NEEDED

logger = logging.getLogger(__name__)

_SITE: Final = "site"
_NO_RIGHT: Final = (
    errors.FunctionMissing, errors.AccessDenied, errors.MissingCapability, errors.RightMissing,
    errors.CourseNotAccessible, errors.ListIncomplete,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reading:
    info: SiteInfo
    snapshot: SiteSnapshot


class ReportFacts:
    """Implements `ports.Facts`. `courses`: the per-course source, for hints where `hybrid` allows it.

    `choice`: which reports; `fields`: custom fields to keep; `rows_per_request`: 0 for whole reports in one request;
    `expected`: stored fingerprints (see `fingerprint`), None before the first set-up; `marks`: stored ones, see
    `marks`; `rare`: seconds between two readings of what changes rarely. `client` must ask for English.
    """

    def __init__(
        self,
        client: MoodleClient,
        courses: MoodleFacts,
        *,
        clock: Clock,
        choice: Choice | None = None,
        fields: Fields | None = None,
        language: str = "en",
        rows_per_request: int = 0,
        expected: Mapping[str, str] | None = None,
        marks: Marks | None = None,
        rules: ShrinkRules | None = None,
        rare: float = 3600.0,
        hybrid: bool = True,
        groups: GroupRegister | None = None,
        extra: Sequence[ExtraRole] = (),
    ) -> None:
        if client.language != "en":
            raise ValueError("reports are read by their English headers: the client must ask for en")
        self._clock, self._courses, self._hybrid = clock, courses, hybrid
        self._choice, self._rules, self._marks = choice or Choice(), rules or ShrinkRules(), marks or Marks()
        self._reports = ReportReader(client, rows_per_request=rows_per_request)
        self._reader = SnapshotReader(
            *(client, self._reports, self._choice, fields or Fields()),
            language=language,
            expected=expected,
            rare=rare,
            groups=groups or courses.groups.register,
            extra=extra,
        )
        self._own_rooms = OwnRooms(client, every=6 * rare)
        self._sites: Memory[str, _Reading] = Memory(clock)
        self._last: SiteSnapshot | None = None
        self._held: Mapping[CourseId, str] = MappingProxyType({})
        self.leavers = KnownLeavers()
        self.explained = self.leavers.of
        self._confirmed: frozenset[CourseId] = frozenset()
        self._newer: dict[CourseId, CourseFacts] = {}
        self._arrived: dict[CourseId, tuple[float, frozenset[MoodleUserId]]] = {}

    # The port

    async def site_info(self) -> SiteInfo:
        """`core_webservice_get_site_info`. Always asks Moodle. Raises `MoodleError`."""
        return await self._courses.site_info()

    def expect(self, url: str) -> None:
        """The site that the answers must come from: what another one says about courses is an error."""
        self._courses.expect(url)

    async def site(self, *, not_older_than: float) -> SiteFacts:
        """The report of courses. Raises `MoodleError`, above all a `ReportFailure`."""
        reading = await self._get(not_older_than)
        seen = reading.snapshot
        return SiteFacts(reading.info, seen.categories, seen.courses, seen.read_at)

    async def course_facts(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        """Everything about one course, from memory, by the per-course functions, or from a new snapshot.

        Raises `CourseMissing`, `SourceHeld` where the course is held and it is not known whom it had, or another
        `MoodleError`.
        """
        if course_id == FRONT_PAGE:
            raise ValueError("course 1 is Moodle's front page: everybody is in it and nobody is enrolled")
        self._courses.refuse()
        newest = self._newest(course_id, not_older_than)
        if newest is None and self._last is not None and course_id not in self._held:
            newest = await self._by_itself(course_id, self._last, not_older_than)
        if newest is None:
            await self._get(not_older_than)
            self._courses.refuse()
            newest = self._newest(course_id, not_older_than)
        if newest is None:
            raise errors.CourseMissing(RETRIEVE, about=f"course {course_id}")
        return newest

    def remembered(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts | None:
        """What is in memory of a course, without asking Moodle. None also where `course_facts` would raise."""
        try:
            self._courses.refuse()
            return self._newest(course_id, not_older_than)
        except errors.SourceHeld:
            return None

    async def person(self, user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        """One account's own state; None where the report of users does not show it. Raises `MoodleError`."""
        reading = self._sites.peek(_SITE, not_older_than)
        if reading is None and self._hybrid and self._last is not None:
            try:
                found = await self._courses.person(user_id, not_older_than=not_older_than)
            except _NO_RIGHT as error:
                self._no_hybrid(error)
            else:
                return self._as_reported(found, self._last) if found else None
        reading = reading or await self._get(not_older_than)
        return reading.snapshot.people.get(user_id) or self._met(user_id)

    def _met(self, user_id: MoodleUserId) -> Person | None:
        """Somebody whom the snapshot is too old to know, from a course that was read for itself since."""
        return next(
            (facts.people[user_id] for facts in self._newer.values() if user_id in facts.people), None
        )

    async def prefetch(
        self, course_ids: Sequence[CourseId], *, not_older_than: float, thorough: bool = False
    ) -> None:
        """Read the whole site, whatever the courses; `thorough`: what changes rarely too. Raises `MoodleError`."""
        del course_ids
        if thorough:
            self._reader.forget()
        await self._get(not_older_than)

    async def close(self) -> None:
        """Stop what is being read; whoever waits for it is cancelled."""
        await self._sites.close()

    # What else there is to know

    def fingerprint(self) -> Mapping[str, str]:
        """What the reports looked like at the last reading, by kind: to be stored, and given back as `expected`."""
        return dict(self._reader.seen)

    @property
    def shows_own_rooms(self) -> bool:
        """Whether it is known which courses have a room that Moodle made itself."""
        return self._own_rooms.is_known

    def numbers(self) -> Mapping[str, int]:
        """The number in Moodle of each report that was read, by kind."""
        return self._reader.numbers

    def recall(self, expected: Mapping[str, str] | None, marks: Marks | None) -> None:
        """Give back what an earlier run has stored, before the first reading; None where it has stored nothing."""
        if expected is not None:
            self._reader.expected.update(expected)
        if marks is not None:
            self._marks = marks

    async def accept_reports(self) -> tuple[str, ...]:
        """Take the reports as they are now, after a reading of them all; what has changed, a sentence each.

        Their fingerprints are then to be stored anew. Raises `MoodleError`; then nothing is accepted.
        """
        self._sites.keep_only(())
        return await self._reader.accept(lambda: self._get(self._clock.now()))

    @property
    def held(self) -> Mapping[CourseId, str]:
        """Courses whose losses wait for a person, each with the reason in a sentence."""
        return self._held

    @property
    def marks(self) -> Marks:
        """The most that was there within the window: to be stored, so that a restart does not forget it."""
        return self._marks

    async def confirm(self, course_ids: Iterable[CourseId]) -> None:
        """A person has confirmed the losses of these courses: the next reading is taken as it is for them."""
        self._confirmed |= frozenset(course_ids)

    def hashes(self) -> Mapping[CourseId, str]:
        """A hash of everything that decides a course, by course, of the last reading: to be stored."""
        return self._last.hashes if self._last else MappingProxyType({})

    def changed_courses(self, previous: Mapping[CourseId, str]) -> frozenset[CourseId]:
        """Courses that are new, changed or gone since their hashes were `previous`; nothing before a reading."""
        return self._last.changed_courses(previous) if self._last else frozenset()

    def moments(self, *, after: float, until: float) -> tuple[Moment, ...]:
        """Known starts and ends of enrolments within a time, in order: each is worth a look at its course."""
        known = self._last.moments if self._last else ()
        return tuple(moment for moment in known if after < moment.at <= until)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Roles from above that could not be placed at the last reading, a sentence each."""
        return self._reader.left_out

    async def check(self) -> list[ReportFinding]:
        """What is right and what is missing, report by report, with what to click. Raises what stops even the list."""
        info = await self.site_info()
        found = await ReportCheck(self._reports, self._choice, info, self._reader.expected).run()
        return found + [ReportFinding("roles", State.OPTIONAL, one) for one in self.left_out]

    async def _get(self, not_older_than: float) -> _Reading:
        return await self._sites.get(_SITE, not_older_than=not_older_than, read=self._read)

    async def _read(self, keys: list[str], began: float) -> Outcomes[str, _Reading]:
        info = await self._courses.site_info()
        fresh = await self._reader.read(info, began, self._last)
        snapshot = await self._own_rooms.put_into(self._judge(fresh), info.functions)
        if self._last is not None:
            self._arrived = newcomers(self._last, snapshot, self._arrived)
        self._last = snapshot
        self._newer = {key: facts for key, facts in self._newer.items() if facts.read_at > began}
        return dict.fromkeys(keys, _Reading(info, snapshot))

    def _judge(self, fresh: SiteSnapshot) -> SiteSnapshot:
        judgement = judge_snapshot(fresh, self._last, self._marks, self._rules, confirmed=self._confirmed)
        for course_id in sorted(judgement.held.keys() - self._held.keys())[:20]:
            logger.warning("Course %d is held, nobody is removed: %s", course_id, judgement.held[course_id])
        self._marks, self._held, self._confirmed = judgement.marks, judgement.held, frozenset()
        self.leavers.add(judgement.explained, at=fresh.read_at)
        if self._last is None or not self._held:
            return fresh
        return only_growing(self._last, fresh, self._held, judgement.explained)

    def _newest(self, course_id: CourseId, not_older_than: float) -> CourseFacts | None:
        """The newer of the snapshot and of a single reading, where it is new enough and the course is listed."""
        newer = self._newer.get(course_id)
        if newer is not None and newer.read_at >= not_older_than:
            return newer
        reading = self._sites.peek(_SITE, not_older_than)
        if reading is None or course_id not in reading.snapshot.courses:
            return None
        if course_id in self._held and self._unknown_before(course_id):
            raise errors.SourceHeld(
                f"Course {course_id} is held, nothing was changed: {self._held[course_id]}"
            )
        return reading.snapshot.course_facts(course_id)

    def _unknown_before(self, course_id: CourseId) -> bool:
        """Whether the course has fewer people than its mark even with those that it keeps: after a restart."""
        mark = self._marks.members.get(course_id)
        there = len(self._last.enrolments.get(course_id, ())) if self._last else 0
        return mark is not None and there < mark.most

    async def _by_itself(
        self, course_id: CourseId, known: SiteSnapshot, not_older_than: float
    ) -> CourseFacts | None:
        """The course by the per-course functions, None where our token may not call them."""
        if not self._hybrid or course_id not in known.courses:
            return None
        try:
            if not await self._courses.functions() >= set(NEEDED):
                return None
            facts = await self._courses.course_facts(course_id, not_older_than=not_older_than)
        except _NO_RIGHT as error:
            self._no_hybrid(error)
            return None
        fitted = self._fit(facts, known)
        if self._is_doubtful(fitted, known):
            return None
        self._newer[course_id] = fitted
        return fitted

    def _is_doubtful(self, facts: CourseFacts, known: SiteSnapshot) -> bool:
        """Whether the per-course functions may not have the last word on a course; the reports then have it.

        They round the time by which they tell who is active: somebody whose place has just begun may be missing, and
        somebody whose place has just ended may still be there. And what shrank too much is judged with everything else.
        """
        course_id, at = facts.course.id, facts.read_at
        if any(at - FRESH < moment.at <= at and moment.course_id == course_id for moment in known.moments):
            return True
        there = {enrolment.user_id for enrolment in facts.enrolments}
        came, users = self._arrived.get(course_id, (float("-inf"), frozenset()))
        if at - came < FRESH and users - there:
            return True
        mark = self._marks.members.get(course_id)
        return mark is not None and bool(too_few("members", mark, len(there), self._rules))

    def _no_hybrid(self, error: errors.MoodleError) -> None:
        self._hybrid = False
        logger.info(
            "Hints wait for the next look at the whole site, because single courses can't be read: %s", error
        )

    def _fit(self, facts: CourseFacts, known: SiteSnapshot) -> CourseFacts:
        """A course as the reports would tell it: their groups, and no field that they have no column for."""
        before = known.course_facts(facts.course.id)
        groups, enrolments = fit_groups(facts, before)
        course = replace(
            before.course,
            shortname=facts.course.shortname,
            fullname=facts.course.fullname,
            category_id=facts.course.category_id,
            visible=facts.course.visible,
        )
        people = {user_id: self._as_reported(person, known) for user_id, person in facts.people.items()}
        people = {
            **{user: before.people[user] for user in before.inherited if user in before.people},
            **people,
        }
        return replace(
            facts,
            course=course,
            enrolments=enrolments,
            people=people,
            groups=groups,
            inherited=before.inherited,
        )

    def _as_reported(self, person: Person, known: SiteSnapshot) -> Person:
        """A person with the fields that the report has, also where our account may not see them in another way."""
        layout = self._reader.layouts[PEOPLE.name]
        before = known.people.get(person.id, person)
        return replace(
            person,
            auth=person.auth if layout.has("auth") else "",
            email=person.email or before.email if layout.has("email") else "",
            idnumber=person.idnumber or before.idnumber if layout.has("idnumber") else "",
            language=person.language or before.language if layout.has("language") else "",
            timezone="",
            profile_fields={**before.profile_fields, **person.profile_fields},
            picture=None,
        )


def newcomers(
    last: SiteSnapshot, fresh: SiteSnapshot, before: Mapping[CourseId, tuple[float, frozenset[MoodleUserId]]]
) -> dict[CourseId, tuple[float, frozenset[MoodleUserId]]]:
    """Who came to each course less than `FRESH` seconds before the newer snapshot, and when the last of them did."""
    found = {
        course_id: (at, users) for course_id, (at, users) in before.items() if fresh.read_at - at < FRESH
    }
    for course_id, now in fresh.enrolments.items():
        then = last.enrolments.get(course_id, ())
        if now is not then and (came := {one.user_id for one in now} - {one.user_id for one in then}):
            earlier = found[course_id][1] if course_id in found else frozenset()
            found[course_id] = (fresh.read_at, earlier | came)
    return found
