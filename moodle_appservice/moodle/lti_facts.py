"""The source `lti`: who is in which course, by Names and Roles alone.

It needs no right of a web service account in any course, and knows little: no groups, no custom fields, no categories,
nothing of accounts that are suspended. Moodle calls Instructor who may manage activities, so a non-editing teacher is
a Learner here (not so in a launch). Which courses there are, no list tells: those whose link was clicked once, and
those that the configuration allows, are asked for. Course 1 would be everybody: it never is.

How people sign in is not told either, so that nothing is derived from their user names unless the configuration
counts the method `by-lti` among those that a directory stands behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ..domain.model import (
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    MoodleUserId,
    Person,
    Role,
    SiteFacts,
    SiteInfo,
)
from ..domain.shrink import Marks, ShrinkRules
from ..domain.shrink_lists import ListJudge
from ..errors import AppError
from ..ports import Clock
from ..ports.lists import KnownCourses
from . import errors
from .memory import Memory, Outcomes
from .names_and_roles import SERVICE, ListOfPeople, NamesAndRoles
from .parse import plain_text
from .read import MoodleFacts
from .shapes import FRONT_PAGE

AUTH = "by-lti"
"""What stands in the place of the way in which an account signs in to Moodle."""
AT_ONCE = 4
_ROLES: Mapping[str, Role] = {"Instructor": Role("editingteacher"), "Learner": Role("student")}
_SITE = "site"
log = logging.getLogger(__name__)


class LtiFacts:
    """Implements `ports.Facts`. `web_service` says who answers at Moodle's address, and nothing else."""

    def __init__(
        self,
        service: NamesAndRoles,
        courses: KnownCourses,
        web_service: MoodleFacts,
        *,
        clock: Clock,
        language: str,
        rules: ShrinkRules,
    ) -> None:
        self._service = service
        self._known = courses
        self._web_service = web_service
        self._language = language
        self._judge = ListJudge(rules)
        self.leavers = self._judge.leavers
        self.explained = self.leavers.of
        self._courses: Memory[CourseId, CourseFacts] = Memory(clock)
        self._sites: Memory[str, SiteFacts] = Memory(clock)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def site_info(self) -> SiteInfo:
        """Who answers at the configured address."""
        return await self._web_service.site_info()

    def expect(self, url: str) -> None:
        """The address by which the site must call itself."""
        self._web_service.expect(url)

    async def site(self, *, not_older_than: float) -> SiteFacts:
        """The courses that we know of, each as its own list names it."""
        return await self._sites.get(_SITE, not_older_than=not_older_than, read=self._read_site)

    async def course_facts(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        """Everything that is known about one course. Raises `ValueError` for the front page."""
        if course_id == FRONT_PAGE:
            raise ValueError("course 1 is Moodle's front page: everybody is in it and nobody is enrolled")
        return await self._courses.get(course_id, not_older_than=not_older_than, read=self._read)

    @property
    def held(self) -> Mapping[CourseId, str]:
        """Courses whose losses wait for a person."""
        return self._judge.held

    async def confirm(self, course_ids: Iterable[CourseId]) -> None:
        """A person has confirmed the losses of these courses."""
        self._judge.confirm(course_ids)

    @property
    def marks(self) -> Marks:
        """The most that was there within the window."""
        return self._judge.marks

    def recall(self, marks: Marks) -> None:
        """Give back what an earlier run has stored."""
        self._judge.recall(marks)

    def remembered(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts | None:
        """What is in memory of a course."""
        return self._courses.peek(course_id, not_older_than)

    async def person(self, user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        """One account, if a course that we know lists it."""
        del not_older_than
        found = (facts.people.get(user_id) for facts in self._courses.values())
        return next((person for person in found if person is not None), None)

    async def prefetch(
        self, course_ids: Sequence[CourseId], *, not_older_than: float, thorough: bool = False
    ) -> None:
        """Read many courses, a few at the same time. Raises the `MoodleError` that concerns the whole site."""
        del thorough
        wanted = [course_id for course_id in course_ids if course_id != FRONT_PAGE]
        outcomes = await self._courses.get_many(wanted, not_older_than=not_older_than, read=self._read)
        for outcome in outcomes.values():
            if isinstance(outcome, errors.MoodleError) and outcome.whole_site:
                raise outcome

    async def close(self) -> None:
        """Stop what is being read."""
        await self._courses.close()
        await self._sites.close()

    async def _read_site(self, keys: list[str], began: float) -> Outcomes[str, SiteFacts]:
        info = await self.site_info()
        wanted = sorted(set(await self._known.all()) - {FRONT_PAGE})
        outcomes = await self._courses.get_many(wanted, not_older_than=began, read=self._read)
        there: dict[CourseId, Course] = {}
        unreadable: set[CourseId] = set()
        for course_id, outcome in outcomes.items():
            if isinstance(outcome, CourseFacts):
                there[course_id] = outcome.course
            elif isinstance(outcome, errors.MoodleError) and outcome.whole_site:
                raise outcome
            elif not isinstance(outcome, errors.CourseMissing):
                unreadable.add(course_id)
        self._judge.judge_listing(there, unreadable, began)
        there.update(self._judge.vanished)
        self._courses.keep_only(there)
        return dict.fromkeys(keys, SiteFacts(info, {}, there, began, frozenset(unreadable)))

    async def _read(self, course_ids: list[CourseId], began: float) -> Outcomes[CourseId, CourseFacts]:
        async def one(course_id: CourseId) -> CourseFacts | AppError:
            async with self._slots:
                try:
                    return facts_of(course_id, await self._service.read(course_id), began, self._language)
                except AppError as failure:
                    return failure

        found = dict(zip(course_ids, await asyncio.gather(*map(one, course_ids)), strict=True))
        whole = {course_id: facts for course_id, facts in found.items() if isinstance(facts, CourseFacts)}
        # Why somebody is missing, no list tells, so no loss explains itself.
        for course_id, kept in self._judge.judge(whole, began).items():
            found[course_id] = (
                kept
                if isinstance(kept, CourseFacts)
                else errors.SourceHeld(f"Course {course_id} is held, nothing was changed: {kept}")
            )
        for course_id in self._judge.vanished.keys() & found.keys() - whole.keys():
            last = self._judge.last(course_id)
            if last is not None:
                found[course_id] = replace(last, read_at=began)
        return found


def facts_of(course_id: CourseId, listed: ListOfPeople, read_at: float, language: str) -> CourseFacts:
    """One course from its list. Raises `BadAnswer` for a member without what every member has."""
    people: dict[MoodleUserId, Person] = {}
    roles: dict[MoodleUserId, set[Role]] = {}
    for member in listed.members:
        user_id = _number(member)
        if member.get("status", "Active") != "Active":
            continue
        people[user_id] = Person(
            id=user_id,
            username=str(member.get("ext_user_username") or ""),
            full_name=plain_text(str(member.get("name") or ""), language),
            suspended=False,
            confirmed=True,
            auth=AUTH,
            email=str(member.get("email") or ""),
            idnumber=str(member.get("lis_person_sourcedid") or ""),
        )
        named = member.get("roles")
        words = [str(word).rpartition("#")[2] for word in named] if isinstance(named, list) else []
        roles.setdefault(user_id, set()).update(_ROLES[word] for word in words if word in _ROLES)
    course = Course(
        id=course_id,
        shortname=plain_text(listed.label, language) or str(course_id),
        fullname=plain_text(listed.title, language) or plain_text(listed.label, language),
        category_id=CategoryId(0),
        visible=True,
    )
    enrolments = tuple(Enrolment(user_id, frozenset(held)) for user_id, held in roles.items())
    return CourseFacts(course, enrolments, MappingProxyType(people), (), read_at)


def _number(member: Mapping[str, Any]) -> MoodleUserId:
    number = member.get("user_id")
    if not isinstance(number, str) or not number.isascii() or not number.isdigit() or int(number) < 1:
        raise errors.BadAnswer(SERVICE, about="a member without a number")
    return MoodleUserId(int(number))
