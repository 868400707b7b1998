"""Courses and their rosters, read together and judged together.

For each course two functions speak: `core_course_get_courses_by_field` (its row) and `core_enrol_get_enrolled_users`
(its roster). Only their agreement says that a course is gone:

| row | roster | meaning |
|---|---|---|
| whole | list | facts, once the list is proven |
| none, or hidden from us | `invalidrecord` | gone, if the row was asked for now |
| none | not accessible | hidden, and we lack the right to see it |
| from the outside only | anything | moodle/course:view is missing |
| whole | `invalidrecord`, or none with a list | the course came or went meanwhile: read again later |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..domain.model import Course, CourseId, Group
from . import errors
from .answer import Json
from .bulk import Call, Outcome, call_many
from .client import MoodleClient
from .course_groups import CourseGroups, groups_call
from .rosters import Known, Rosters, in_doubt, roster_call
from .shapes import COURSE_GROUPS, COURSES, ENROLLED, Roster, listing

VIEW_COURSE: Final = "moodle/course:view"

Found: TypeAlias = "CourseAndRoster | errors.MoodleError"


@dataclass(frozen=True, slots=True)
class CourseAndRoster:
    """A course and everybody in it, as far as two functions tell."""

    course: Course
    roster: Roster


class CourseReader:
    """Reads courses in bulk.

    `functions`: what our token may call; `prove`: whether rosters are proven whole; `groups`: what is known of them.
    """

    def __init__(
        self,
        client: MoodleClient,
        functions: frozenset[str],
        *,
        language: str = "en",
        prove: bool = True,
        groups: CourseGroups | None = None,
    ) -> None:
        self._groups = groups or CourseGroups()
        self._client = client
        self._functions = functions
        self._language = language
        self._prove = prove
        self._rosters = Rosters(client, functions, language=language)

    async def read(
        self,
        course_ids: Sequence[CourseId],
        *,
        listed: Mapping[CourseId, Course],
        known: Known,
        is_old: bool = False,
    ) -> dict[CourseId, Found]:
        """What was found of each course, or the error that it ended with.

        `listed`: rows that are fresh enough to be used as they are; `known`: whom we saw in a course before; `is_old`:
        the rows were read before the caller asked, so where somebody is missed they are read again: how a list is
        proven depends on the group mode of the course. Raises the `MoodleError` that concerns the whole site.
        """
        unlisted = [course_id for course_id in course_ids if course_id not in listed]
        answers = await self._call(
            [_row_call(course_id) for course_id in unlisted]
            + [roster_call(course_id) for course_id in course_ids]
        )
        rows = self._rows(unlisted, answers)
        rosters = dict(zip(course_ids, answers[len(unlisted) :], strict=True))
        # A row from the listing is a moment old: before a course counts as gone, its row is asked for now.
        unsure = [
            course_id
            for course_id in course_ids
            if course_id in listed and isinstance(rosters[course_id], errors.RecordMissing)
        ]
        rows |= self._rows(unsure, await self._call([_row_call(course_id) for course_id in unsure]))
        found = {
            course_id: self._combine(
                course_id, rows.get(course_id, listed.get(course_id)), rosters[course_id]
            )
            for course_id in course_ids
        }
        if is_old and self._prove:
            found |= await self._with_new_rows([key for key in listed if key in found], found, known)
        return await self._with_groups(await self._proven(found, known))

    async def _with_groups(self, found: dict[CourseId, Found]) -> dict[CourseId, Found]:
        """The same with the groups' own numbers, and who may see them where that can be asked."""
        good = {key: value for key, value in found.items() if isinstance(value, CourseAndRoster)}
        listed: dict[CourseId, tuple[Group, ...] | None] = {}
        if COURSE_GROUPS in self._functions and self._groups.are_listed is not False:
            await self._list_groups(list(good), listed)
        placed = {
            key: CourseAndRoster(value.course, self._groups.place(key, value.roster, listed.get(key)))
            for key, value in good.items()
        }
        await self._groups.register.save()
        return found | placed

    async def _list_groups(
        self, course_ids: Sequence[CourseId], listed: dict[CourseId, tuple[Group, ...] | None]
    ) -> None:
        """Where it is not known yet whether we may, one course is asked for before the others."""
        first = course_ids[: 1 if self._groups.are_listed is None else 0]
        for part in (first, course_ids[len(first) :]):
            if self._groups.are_listed is False:
                return
            answers = await self._call([groups_call(course_id) for course_id in part])
            for course_id, answer in zip(part, answers, strict=True):
                listed[course_id] = self._groups.parse(course_id, answer, self._language)

    async def _with_new_rows(
        self, course_ids: Sequence[CourseId], found: Mapping[CourseId, Found], known: Known
    ) -> dict[CourseId, Found]:
        """The courses in which somebody is missed, with their rows as they are now."""
        rosters = {
            course_id: one.roster
            for course_id in course_ids
            if isinstance(one := found[course_id], CourseAndRoster)
            and in_doubt(one.roster, known.get(course_id))
        }
        rows = self._rows(list(rosters), await self._call([_row_call(course_id) for course_id in rosters]))
        renewed: dict[CourseId, Found] = {}
        for course_id, row in rows.items():
            if row is None:
                renewed[course_id] = errors.ListChanged(COURSES, about=f"course {course_id}")
            else:
                renewed[course_id] = (
                    CourseAndRoster(row, rosters[course_id]) if isinstance(row, Course) else row
                )
        return renewed

    def _rows(
        self, course_ids: Sequence[CourseId], answers: Sequence[Outcome]
    ) -> dict[CourseId, Course | errors.MoodleError | None]:
        return {
            course_id: self._row(course_id, answer)
            for course_id, answer in zip(course_ids, answers, strict=False)
        }

    def _row(self, course_id: CourseId, answer: Outcome) -> Course | errors.MoodleError | None:
        """The course; None where Moodle lists none."""
        if isinstance(answer, errors.MoodleError):
            return answer
        try:
            seen = listing(answer, self._language)
        except errors.BadAnswer as error:
            return error
        if course_id in seen.unreadable:
            return errors.RightMissing(COURSES, VIEW_COURSE, about=f"course {course_id}")
        return seen.courses.get(course_id)

    def _combine(
        self, course_id: CourseId, row: Course | errors.MoodleError | None, answer: Outcome
    ) -> Found:
        about = f"course {course_id}"
        if isinstance(row, errors.MoodleError):
            return row
        if isinstance(answer, errors.RecordMissing):
            return (
                errors.ListChanged(ENROLLED, about=about)
                if row
                else errors.CourseMissing(COURSES, about=about)
            )
        roster = self._rosters.parse(course_id, answer)
        if isinstance(roster, errors.MoodleError):
            return roster
        return CourseAndRoster(row, roster) if row else errors.ListChanged(COURSES, about=about)

    async def _proven(self, found: dict[CourseId, Found], known: Known) -> dict[CourseId, Found]:
        if not self._prove:
            return found
        good = {key: value for key, value in found.items() if isinstance(value, CourseAndRoster)}
        courses = {key: value.course for key, value in good.items()}
        rosters = {key: value.roster for key, value in good.items()}
        wrong = await self._rosters.prove(courses, rosters, known)
        proven = {key: CourseAndRoster(courses[key], rosters[key]) for key in good if key not in wrong}
        return found | proven | wrong

    async def _call(self, calls: Sequence[Call]) -> list[Outcome]:
        return await call_many(self._client, calls, functions=self._functions) if calls else []


def _row_call(course_id: CourseId) -> Call:
    value: Json = course_id
    return COURSES, {"field": "id", "value": value}
