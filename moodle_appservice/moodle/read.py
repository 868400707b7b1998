"""Moodle as the engine sees it: `ports.Facts` out of five read-only functions.

The listing of the site is one request for all courses and one for all categories. A course's facts are its row of the
listing, its roster, proven whole where that is in doubt (`rosters`), and the accounts behind it (`people`). All that is
read goes into one shared snapshot (`memory`): concurrent callers share a reading, and a pass that prefetches its
courses in bulk then finds each of them in memory.

Accounts cost most and change least, and the rows of the listing come with every pass. In bulk, what of them was read
less than `fresh_for` seconds before the moment that a caller asks for is taken from memory, unless the caller wants it
thorough; whoever is new in a course is always read, and so is everybody in a course that is asked for by itself. A
person whose account Moodle does not show stays in `enrolments` and is absent from `people`: their state is unknown,
which is no reason to invite or to remove them.

Each list that is whole is still judged (`domain.shrink_lists`): where Moodle itself suddenly shows far fewer people, a
course is held and keeps whom it had.

That a course is gone is only said when two functions agree. A course that our account may not read is an error that
names the right, and is never taken for an empty or a vanished one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from ..domain.above import ExtraRole
from ..domain.leavers import KnownLeavers
from ..domain.model import Course, CourseFacts, CourseId, MoodleUserId, Person, Role, SiteFacts, SiteInfo
from ..domain.shrink import Marks, ShrinkRules
from ..domain.shrink_lists import ListJudge
from ..errors import AppError
from ..ports import Clock
from . import errors, shapes
from .bulk import BULK, call_many
from .client import MoodleClient
from .course_groups import CourseGroups
from .courses import VIEW_COURSE, CourseReader, Found
from .extra_roles import ExtraRoles
from .group_register import GroupRegister
from .memory import Memory, Outcomes, Reader
from .people import read_people
from .rights import Finding, RightsProbe
from .rosters import VIEW_DETAILS, Rosters
from .shapes import COURSES, FRONT_PAGE, NEEDED

logger = logging.getLogger(__name__)

_SITE: Final = "site"
_RIGHTS: Final = (errors.RightMissing, errors.ListIncomplete, errors.MissingCapability)


class MoodleFacts:
    """Implements `ports.Facts`. `profile_fields`: short names of the profile fields to keep, none by default.

    `language`: Moodle's code of the language in which names with several are taken. `prove`: whether lists of
    participants are proven whole before somebody is missed in them; only for tests is it False. `rules`: how much may
    be lost in a day; None where somebody else judges. `pictures`: whether to tell which pictures people have, as long
    as the service of our token may download files.
    """

    def __init__(
        self,
        client: MoodleClient,
        *,
        clock: Clock,
        profile_fields: Sequence[str] = (),
        language: str = "en",
        fresh_for: float = 600.0,
        prove: bool = True,
        rules: ShrinkRules | None = None,
        groups: GroupRegister | None = None,
        extra: Sequence[ExtraRole] = (),
        pictures: bool = False,
    ) -> None:
        self.extra = ExtraRoles(extra)
        self.groups = CourseGroups(groups)
        self._client = client
        self._clock = clock
        self._profile_fields = tuple(profile_fields)
        self._language = language
        self._fresh_for = fresh_for
        self._prove = prove
        self._pictures = pictures
        self._downloads = False
        self._functions: frozenset[str] | None = None
        self._unreadable: Mapping[CourseId, str] = MappingProxyType({})
        self._sites: Memory[str, SiteFacts] = Memory(clock)
        self._courses: Memory[CourseId, CourseFacts] = Memory(clock)
        self._people: Memory[MoodleUserId, Person | None] = Memory(clock)
        self._url = self._expected = self._stopped = ""
        self.lacks_rights = False
        """A course could not be read for want of a right; whoever has probed our rights takes this back."""
        self._judge = ListJudge(rules) if rules else None
        self.leavers = self._judge.leavers if self._judge else KnownLeavers()
        self.explained = self.leavers.of
        # Outlives the facts themselves: after a failed reading, who was there still has to be missed.
        self._seen: dict[CourseId, frozenset[MoodleUserId]] = {}

    @property
    def unreadable(self) -> Mapping[CourseId, str]:
        """Courses, with their names, that the last listing showed from the outside only: they exist."""
        return self._unreadable

    async def site_info(self) -> SiteInfo:
        """`core_webservice_get_site_info`. Always asks Moodle. Raises `MoodleError`."""
        info = shapes.site_info(await self._client.call(shapes.SITE_INFO), self._language)
        self._functions, self._downloads = info.functions, info.downloads
        self.groups.version = info.version
        self._url = info.url
        return info

    def expect(self, url: str) -> None:
        """The site that the answers must come from: what another one says about courses is an error."""
        self._expected = url

    def stop(self, reason: str) -> None:
        """Read nothing about courses, for this reason; an empty one takes that back."""
        self._stopped = reason

    def refuse(self) -> None:
        """Raises `SourceHeld` where nothing may be said about courses."""
        if self._is_elsewhere():
            raise errors.SourceHeld(
                f"Moodle calls itself {self._url} now, and not {self._expected}. Everything is held and nothing was "
                "changed. If Moodle has moved for good, confirm with `moodle-appservice sync --confirm`."
            )
        if self._stopped:
            raise errors.SourceHeld(
                f"Nothing is read from Moodle and nothing was changed: {self._stopped} "
                "It is looked at again with every pass."
            )

    def _is_elsewhere(self) -> bool:
        return bool(self._expected and self._url and self._url != self._expected)

    async def site(self, *, not_older_than: float) -> SiteFacts:
        """`core_course_get_courses_by_field` and `core_course_get_categories`, everything. Raises `MoodleError`.

        Courses in `unreadable` are not in it, although they exist: whether a course is gone, `course_facts` says.
        """
        return await self._sites.get(_SITE, not_older_than=not_older_than, read=self._read_site)

    async def course_facts(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        """Everything about one course. Raises `CourseMissing` (a `CourseGone`) or another `MoodleError`."""
        if course_id == FRONT_PAGE:
            raise ValueError("course 1 is Moodle's front page: everybody is in it and nobody is enrolled")
        self.refuse()
        return await self._courses.get(
            course_id, not_older_than=not_older_than, read=self._reader(not_older_than)
        )

    @property
    def held(self) -> Mapping[CourseId, str]:
        """Courses whose losses wait for a person, each with the reason in a sentence."""
        return self._judge.held if self._judge else MappingProxyType({})

    async def confirm(self, course_ids: Iterable[CourseId]) -> None:
        """A person has confirmed the losses of these courses: the next reading is taken as it is for them."""
        if self._judge:
            self._judge.confirm(course_ids)

    @property
    def marks(self) -> Marks:
        """The most that was there within the window: to be stored, so that a restart does not forget it."""
        return self._judge.marks if self._judge else Marks()

    def recall(self, marks: Marks) -> None:
        """Give back what an earlier run has stored, before the first reading."""
        if self._judge:
            self._judge.recall(marks)

    def due_again(self) -> Mapping[CourseId, float]:
        """Courses that are to be read again at a time (Unix seconds), because somebody is kept until then."""
        return dict(self._judge.again) if self._judge else {}

    def remembered(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts | None:
        """What is in memory of a course, without asking Moodle."""
        if self._stopped or self._is_elsewhere():
            return None
        return self._courses.peek(course_id, not_older_than)

    async def person(self, user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        """One account's own state (`core_user_get_users_by_field`); None where Moodle does not show it.

        Raises `MoodleError`. A deleted account still answers, unmarked, under its new name (`<e-mail>.<time>`).
        """
        return await self._people.get(user_id, not_older_than=not_older_than, read=self._read_people)

    async def prefetch(
        self, course_ids: Sequence[CourseId], *, not_older_than: float, thorough: bool = False
    ) -> None:
        """Read many courses in bulk. Raises the `MoodleError` that concerns the whole site; others are left alone.

        Accounts and rows of the listing may be `fresh_for` seconds older than the rosters, unless it is to be
        `thorough`.
        """
        self.refuse()
        rare = not_older_than if thorough else not_older_than - self._fresh_for
        wanted = [course_id for course_id in course_ids if course_id != FRONT_PAGE]
        step = self._client.batch * self._client.concurrency
        for start in range(0, len(wanted), step):
            part = wanted[start : start + step]
            outcomes = await self._courses.get_many(
                part, not_older_than=not_older_than, read=self._reader(not_older_than, rare=rare)
            )
            for outcome in outcomes.values():
                if isinstance(outcome, errors.MoodleError) and outcome.whole_site:
                    raise outcome

    def _reader(self, not_older_than: float, *, rare: float | None = None) -> Reader[CourseId, CourseFacts]:
        async def read(ids: list[CourseId], began: float) -> Outcomes[CourseId, CourseFacts]:
            oldest = not_older_than if rare is None else rare
            return await self._read_courses(ids, began, not_older_than, oldest)

        return read

    async def probe_rights(self, course_ids: Sequence[CourseId]) -> list[Finding]:
        """Which rights our account holds, as far as these courses show. Always asks Moodle. Raises `MoodleError`.

        Best given courses that have participants, one of them hidden and one with separate groups.
        """
        return await RightsProbe(self._client, await self.site_info()).run(course_ids)

    async def close(self) -> None:
        """Stop what is being read; whoever waits for it is cancelled."""
        for memory in (self._courses, self._people, self._sites):
            await memory.close()

    async def functions(self) -> frozenset[str]:
        """What our token may call. Raises `FunctionMissing` where a function that we need is not among it."""
        functions = self._functions
        if functions is None:
            functions = (await self.site_info()).functions
        for name in NEEDED:
            if name not in functions:
                # Not remembered: the next reading asks again, once the service has been repaired.
                self._functions = None
                raise errors.FunctionMissing(name)
        return functions

    async def _read_site(self, keys: list[str], began: float) -> Outcomes[str, SiteFacts]:
        info = await self.site_info()
        functions = await self.functions()
        # Two large answers: wrapped into one bulk answer they would be encoded twice.
        answers = await call_many(
            self._client, [(COURSES, {}), (shapes.CATEGORIES, {})], functions=functions - {BULK}
        )
        for answer in answers:
            if isinstance(answer, errors.MoodleError):
                raise answer
        courses, categories = (answer for answer in answers if not isinstance(answer, errors.MoodleError))
        listing = shapes.listing(courses, self._language)
        there = self._take(listing, began)
        tree = shapes.categories(categories, self._language)
        await self.extra.read(self._client, tree)
        facts = SiteFacts(
            info,
            tree,
            there,
            began,
            frozenset(listing.unreadable),
        )
        return dict.fromkeys(keys, facts)

    def _take(self, listing: shapes.Listing, began: float) -> Mapping[CourseId, Course]:
        """The courses of a listing with those that are held; the rest is forgotten. Raises where it can't be whole."""
        if not listing.front_page:
            raise errors.BadAnswer(COURSES, about="a listing without the front page, which every listing has")
        if listing.unreadable and not listing.courses:
            raise errors.RightMissing(COURSES, VIEW_COURSE, about="every course of the site")
        if set(listing.unreadable) - set(self._unreadable):
            logger.warning(
                "Our Moodle account can see but not read %d courses, for want of %s. They are left as they are: %s",
                len(listing.unreadable),
                VIEW_COURSE,
                sorted(listing.unreadable)[:20],
            )
        self._unreadable = listing.unreadable
        there = dict(listing.courses)
        if self._judge and not self._is_elsewhere():
            self._judge.judge_listing(listing.courses, listing.unreadable, began)
            there.update(self._judge.vanished)
        self._courses.keep_only(there)
        self._people.keep_only({user_id for facts in self._courses.values() for user_id in facts.people})
        return there

    async def _read_courses(
        self, course_ids: list[CourseId], began: float, not_older_than: float, rare_not_older_than: float
    ) -> Outcomes[CourseId, CourseFacts]:
        if not self.extra.is_read:
            await self.site(not_older_than=0.0)
        site = self._sites.peek(_SITE, rare_not_older_than)
        functions = await self.functions()
        self.refuse()
        reader = CourseReader(
            self._client,
            functions,
            language=self._language,
            prove=self._prove,
            groups=self.groups,
        )
        listed = site.courses if site else {}
        is_old = site is not None and site.read_at < not_older_than
        found = await reader.read(course_ids, listed=listed, known=self._seen, is_old=is_old)
        people = await self._people.get_many(
            (user_id for one in found.values() for user_id in (*_user_ids(one), *self._above(one))),
            not_older_than=rare_not_older_than,
            read=self._read_people,
        )
        facts = {
            course_id: _course_facts(one, people, began, self._above(one)) for course_id, one in found.items()
        }
        self.lacks_rights |= any(isinstance(one, _RIGHTS) for one in facts.values())
        for course_id, one in facts.items():
            if isinstance(one, CourseFacts):
                self._seen[course_id] = frozenset(enrolment.user_id for enrolment in one.enrolments)
            elif isinstance(one, errors.CourseMissing):
                self._seen.pop(course_id, None)
        return await self._judged(facts, began) if self._judge else facts

    def _above(self, found: Found) -> Mapping[MoodleUserId, frozenset[Role]]:
        return {} if isinstance(found, errors.MoodleError) else self.extra.of(found.course.category_id)

    async def _judged(
        self, found: Mapping[CourseId, CourseFacts | AppError], began: float
    ) -> Outcomes[CourseId, CourseFacts]:
        """What was read, with those who are kept in the courses that are held."""
        assert self._judge is not None
        outcomes: dict[CourseId, CourseFacts | AppError] = dict(found)
        known = set(self._judge.held)
        whole = {course_id: one for course_id, one in found.items() if isinstance(one, CourseFacts)}
        missing = {course_id: self._judge.missing(one) for course_id, one in whole.items()}
        missing = {course_id: users for course_id, users in missing.items() if users}
        rosters = Rosters(self._client, await self.functions(), language=self._language)
        # Where that can't be told, everybody who is missing is waited for.
        inactive = {
            course_id: missing[course_id] if users is None else users
            for course_id, users in (await rosters.inactive(list(missing))).items()
        }
        for course_id, kept in self._judge.judge(whole, began, inactive=inactive).items():
            outcomes[course_id] = _held(course_id, kept) if isinstance(kept, str) else kept
        for course_id in self._judge.vanished.keys() & found.keys() - whole.keys():
            last = self._judge.last(course_id)
            reason = self._judge.held[course_id]
            outcomes[course_id] = replace(last, read_at=began) if last else _held(course_id, reason)
        for course_id in sorted(self._judge.held.keys() - known)[:20]:
            logger.warning("Course %d is held, nobody is removed: %s", course_id, self._judge.held[course_id])
        return outcomes

    async def _read_people(
        self, user_ids: list[MoodleUserId], began: float
    ) -> Outcomes[MoodleUserId, Person | None]:
        del began
        if self._pictures:
            # Whether the service may download files has to be known before.
            await self.functions()
        pictures = self._pictures and self._downloads
        return await read_people(
            self._client, user_ids, profile_fields=self._profile_fields, pictures=pictures
        )


def _held(course_id: CourseId, reason: str) -> errors.SourceHeld:
    return errors.SourceHeld(f"Course {course_id} is held, nothing was changed: {reason}")


def _user_ids(found: Found) -> list[MoodleUserId]:
    if isinstance(found, errors.MoodleError):
        return []
    return [enrolment.user_id for enrolment in found.roster.enrolments]


def _course_facts(
    found: Found,
    people: Mapping[MoodleUserId, Person | AppError | None],
    began: float,
    inherited: Mapping[MoodleUserId, frozenset[Role]],
) -> CourseFacts | AppError:
    if isinstance(found, errors.MoodleError):
        return found
    known: dict[MoodleUserId, Person] = {}
    for user_id in (*_user_ids(found), *inherited):
        person = people[user_id]
        if isinstance(person, AppError):
            return person
        if person:
            known[user_id] = person
    if not known and len(found.roster.enrolments) > 1:
        return errors.RightMissing(shapes.USERS, VIEW_DETAILS, about=f"everybody in course {found.course.id}")
    return CourseFacts(
        course=found.course,
        enrolments=found.roster.enrolments,
        people=MappingProxyType(known),
        groups=found.roster.groups,
        read_at=began,
        inherited=inherited,
    )
