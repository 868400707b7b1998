"""Who is in a course, and whether Moodle has told us of everybody.

`core_enrol_get_enrolled_users` leaves people out without a word where our account lacks a right, so a list is only used
when it is known to be whole:

- Rows without `username`: moodle/user:viewalldetails is missing.
- Hidden rows (moodle/user:viewdetails is missing, or a plugin hides a profile): Moodle cuts pages *before* it leaves
  rows out. Sorted by id, the last row that we were shown must therefore stand at position n-1 from the front and at
  position 0 from the back; anything hidden before or behind it moves it. Two one-row calls prove a list of n whole.
- In a course with separate groups, moodle/site:accessallgroups may be missing, and the list is empty or one group's:
  asking for a group that does not exist tells, because Moodle checks that right first.
- An empty list has no last row. Where people were before, Moodle must still show us one of their accounts.

The proof is asked for at the first reading of a course and whenever somebody is gone; a list that only grew needs none.
So nobody is ever missed on the strength of an unproven list, and a site in which nothing changes costs nothing more.

`onlyactive=1` drops suspended, expired, not yet started enrolments and disabled methods. Moodle rounds "now" to 100
seconds there, so a person who enrolled within the last minute may be missing, and one whose time just ended may linger.
`onlysuspended=1` lists exactly those whom it drops, by the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Final, TypeAlias

from ..domain.model import Course, CourseId, MoodleUserId
from . import errors
from .answer import Json
from .bulk import Call, Outcome, call_many
from .client import MoodleClient
from .shapes import ENROLLED, USERS, Roster, roster, user_ids

Known: TypeAlias = Mapping[CourseId, Set[MoodleUserId]]
"""Whom we were shown in a course before; a course that was never read is absent."""
Wrong: TypeAlias = dict[CourseId, errors.MoodleError]
Judge: TypeAlias = Callable[[Outcome], errors.MoodleError | None]

VIEW_ALL_DETAILS: Final = "moodle/user:viewalldetails"
VIEW_DETAILS: Final = "moodle/user:viewdetails"
ALL_GROUPS: Final = "moodle/site:accessallgroups"

SEPARATE_GROUPS: Final = 1
_NO_GROUP: Final = 2**31 - 1
"""A group id that no site has; still within what every database takes."""
_WITNESSES: Final = 20


def roster_call(course_id: CourseId, **more: str) -> Call:
    """The call that lists a course's active participants, sorted by id; `more` are options of the function."""
    options = {"onlyactive": "1", "userfields": "id,roles,groups,username", "sortby": "id", **more}
    listed: list[Json] = [{"name": name, "value": value} for name, value in options.items()]
    return ENROLLED, {"courseid": course_id, "options": listed}


def proof_checks(course_id: CourseId, found: Roster) -> Iterator[tuple[Call, Judge]]:
    """Two calls whose only row is the last of the list, if that list is whole; nothing for an empty one."""
    if found.enrolments:
        count, last = len(found.enrolments), found.enrolments[-1].user_id

        def judge(answer: Outcome) -> errors.MoodleError | None:
            return _judge_last(course_id, last, answer)

        yield roster_call(course_id, userfields="id", limitfrom=str(count - 1), limitnumber="1"), judge
        yield roster_call(course_id, userfields="id", sortdirection="DESC", limitnumber="1"), judge


def group_check(course_id: CourseId) -> tuple[Call, Judge]:
    """A call that fails for want of a right exactly where moodle/site:accessallgroups is missing in the course."""

    def judge(answer: Outcome) -> errors.MoodleError | None:
        if isinstance(answer, errors.MissingCapability):
            remedy = "A course with separate groups shows us nobody, or one group only, without it."
            return errors.RightMissing(ENROLLED, ALL_GROUPS, about=f"course {course_id}", remedy=remedy)
        return answer if isinstance(answer, errors.MoodleError) else None

    return roster_call(course_id, userfields="id", groupid=str(_NO_GROUP), limitnumber="1"), judge


class Rosters:
    """Reads and proves the rosters of many courses in few requests. `functions`: what our token may call."""

    def __init__(self, client: MoodleClient, functions: frozenset[str], *, language: str = "en") -> None:
        self._client = client
        self._functions = functions
        self._language = language

    def parse(self, course_id: CourseId, answer: Outcome) -> Roster | errors.MoodleError:
        """The roster that an answer to `roster_call` holds, or the error that it is or hides."""
        if isinstance(answer, errors.MoodleError):
            return answer
        try:
            found = roster(answer, self._language)
        except errors.BadAnswer as error:
            return error
        if found.nameless:
            return errors.RightMissing(ENROLLED, VIEW_ALL_DETAILS, about=f"course {course_id}")
        return found

    async def prove(
        self, courses: Mapping[CourseId, Course], rosters: dict[CourseId, Roster], known: Known
    ) -> Wrong:
        """The courses whose roster can't be used, and why. One that changed meanwhile is read once more, in place."""
        doubtful = [
            course_id for course_id, found in rosters.items() if in_doubt(found, known.get(course_id))
        ]
        wrong = await self._judge(courses, rosters, known, doubtful)
        again = [course_id for course_id, error in wrong.items() if isinstance(error, _SECOND_LOOK)]
        changed: list[CourseId] = []
        for course_id, fresh in (await self._read(again)).items():
            if isinstance(fresh, errors.MoodleError):
                wrong[course_id] = fresh
            elif fresh.enrolments == rosters[course_id].enrolments:
                wrong[course_id] = errors.ListIncomplete(ENROLLED, about=f"course {course_id}")
            else:
                changed.append(course_id)
                rosters[course_id] = fresh
                del wrong[course_id]
        return wrong | await self._judge(courses, rosters, known, changed)

    async def inactive(
        self, course_ids: Sequence[CourseId]
    ) -> dict[CourseId, frozenset[MoodleUserId] | None]:
        """Who has a place in a course that is not active at this moment; None where that can't be read.

        Raises the `MoodleError` that concerns the whole site.
        """
        answers = await self._call(
            [
                roster_call(course_id, onlyactive="0", onlysuspended="1", userfields="id")
                for course_id in course_ids
            ]
        )
        return {
            course_id: _ids_or_none(answer) for course_id, answer in zip(course_ids, answers, strict=True)
        }

    async def _read(self, course_ids: Sequence[CourseId]) -> dict[CourseId, Roster | errors.MoodleError]:
        answers = await self._call([roster_call(course_id) for course_id in course_ids])
        return {
            course_id: self.parse(course_id, answer)
            for course_id, answer in zip(course_ids, answers, strict=True)
        }

    async def _judge(
        self,
        courses: Mapping[CourseId, Course],
        rosters: Mapping[CourseId, Roster],
        known: Known,
        course_ids: Sequence[CourseId],
    ) -> Wrong:
        checks = [
            (course_id, call, judge)
            for course_id in course_ids
            for call, judge in _checks(
                courses[course_id], rosters[course_id], known.get(course_id, frozenset())
            )
        ]
        answers = await self._call([call for _, call, _ in checks])
        wrong: Wrong = {}
        for (course_id, _, judge), answer in zip(checks, answers, strict=True):
            error = judge(answer)
            if error:
                wrong.setdefault(course_id, error)
        return wrong

    async def _call(self, calls: Sequence[Call]) -> list[Outcome]:
        return await call_many(self._client, calls, functions=self._functions) if calls else []


_SECOND_LOOK = (errors.ListChanged, errors.ListIncomplete)


def in_doubt(found: Roster, known: Set[MoodleUserId] | None) -> bool:
    """Whether a list is to be proven: the first of its course, or one in which somebody is missed."""
    return known is None or bool(known - {enrolment.user_id for enrolment in found.enrolments})


def _checks(course: Course, found: Roster, known: Set[MoodleUserId]) -> Iterator[tuple[Call, Judge]]:
    if course.group_mode == SEPARATE_GROUPS:
        yield group_check(course.id)
    yield from proof_checks(course.id, found)
    if known and not found.enrolments:
        witnesses: list[Json] = list(sorted(known)[:_WITNESSES])

        def judge(answer: Outcome) -> errors.MoodleError | None:
            if isinstance(answer, errors.MoodleError):
                return answer
            return None if answer else errors.ListIncomplete(ENROLLED, about=f"course {course.id}")

        yield (USERS, {"field": "id", "values": witnesses}), judge


def _judge_last(course_id: CourseId, last: MoodleUserId, answer: Outcome) -> errors.MoodleError | None:
    if isinstance(answer, errors.MoodleError):
        return answer
    try:
        seen = user_ids(answer)
    except errors.BadAnswer as error:
        return error
    if seen == [last]:
        return None
    # Nobody: a hidden row stands there. Somebody else: hidden rows moved them there, or people came and went.
    kind = errors.ListChanged if seen else errors.ListIncomplete
    return kind(ENROLLED, about=f"course {course_id}")


def _ids_or_none(answer: Outcome) -> frozenset[MoodleUserId] | None:
    if isinstance(answer, errors.MoodleError):
        return None
    try:
        return frozenset(user_ids(answer))
    except errors.BadAnswer:
        return None
