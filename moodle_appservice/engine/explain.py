"""`explain`: why somebody is, or is not, in a room, with this level; in sentences, from the facts that decide it.

The plan of the course is made as a sync would make it, and what it says about the person is told with what our books
add: what was tried last, what failed, when it is tried again. So it never tells another story than the sync.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import CourseId, MoodleUserId, user_number
from ..domain.moments import moment
from ..domain.rules import Rules
from ..errors import AppError, Refused
from ..ports import AuditRow, Clock, CourseRow, Facts, Key, PersonRow, Store, person_key
from . import sentences
from .pauses import Pauses
from .planning import CoursePlanner
from .room_sentences import about_rooms
from .troubles import Troubles

LAST_LINES = 3
MOST_COURSES = 20


@dataclass(frozen=True, slots=True)
class CourseAnswer:
    """Why somebody stands in the rooms of one course as they do."""

    course_id: CourseId
    shortname: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`account`: which Matrix account is the person's, how sure that is, and why; `courses`: what follows from it."""

    person: MoodleUserId
    name: str
    account: tuple[str, ...]
    courses: tuple[CourseAnswer, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, as lines of text."""
        told = [*self.account]
        for course in self.courses:
            told += [f"Course {course.course_id} {course.shortname}:"]
            told += [f"  {sentence}" for sentence in course.sentences]
        return tuple(told)


class Failures(Protocol):
    """Where the last failure of each key stands; `Workers` is one."""

    failures: dict[Key, AppError]


class Explainer:
    """Explains people. Reads facts as old as they are in memory, and changes nothing."""

    def __init__(
        self,
        store: Store,
        planner: CoursePlanner,
        facts: Facts,
        troubles: Troubles,
        pauses: Pauses,
        rules: Rules,
        clock: Clock,
        workers: Failures,
    ) -> None:
        self._store = store
        self._planner = planner
        self._facts = facts
        self._troubles = troubles
        self._pauses = pauses
        self._rules = rules
        self._clock = clock
        self._workers = workers

    async def explain(self, words: str, course_id: CourseId | None = None) -> Explanation:
        """`words`: a Moodle id, a Moodle user name, or a Matrix id. Without a course: all in which the person counts.

        Raises `Refused` where nothing is known, or where several people can be meant.
        """
        return await self.why(await self.meant(words), course_id)

    async def meant(self, words: str) -> MoodleUserId:
        """Whom these words name. Raises `Refused` as `explain` does."""
        found = await self._store.personal.find(words.strip())
        if len(found) > 1:
            ids = " and ".join(map(str, found))
            raise Refused(
                f"“{words}” can mean the Moodle users {ids}. Name the one whom you mean by a Matrix id."
            )
        number = found[0] if found else user_number(words)
        if number is None:
            raise Refused(
                f"Nothing is known about “{words}”. Write a Moodle user id, a Moodle user name, or a whole Matrix id "
                "such as @anna:example.org. Who is in no course with a room was never looked at."
            )
        return number

    async def why(self, user_id: MoodleUserId, course_id: CourseId | None = None) -> Explanation:
        """The same for somebody whose Moodle id is known."""
        row = (await self._store.people.look_up([user_id])).get(user_id)
        name = (await self._store.people.names([user_id])).get(user_id, "")
        account = await self._account(user_id, name, row)
        chosen = [course_id] if course_id is not None else await self._courses_of(user_id)
        courses = [await self._course(user_id, one) for one in chosen[:MOST_COURSES]]
        if not chosen:
            account.append("The person is in no course of which we know.")
        if len(chosen) > MOST_COURSES:
            left = ", ".join(str(one) for one in chosen[MOST_COURSES:])
            account.append(f"More courses, not explained here: {left}.")
        return Explanation(user_id, name, tuple(account), tuple(courses))

    async def _courses_of(self, user_id: MoodleUserId) -> list[CourseId]:
        found = set(await self._store.courses.courses_of(user_id))
        trace = await self._store.personal.trace(user_id)
        return sorted(found | {course_id for course_id, _ in trace.rooms.values()})

    async def _account(self, user_id: MoodleUserId, name: str, row: PersonRow | None) -> list[str]:
        if await self._store.people.excluded([user_id]):
            return [
                f"Moodle user {user_id} was erased here (user erase), so nothing is kept and nobody is invited."
            ]
        link = (await self._store.links.of([user_id])).get(user_id)
        told = sentences.of_account(user_id, name, row, link, self._rules, now=self._clock.now())
        failure = self._workers.failures.get(person_key(user_id))
        if failure is not None:
            told.append(f"The last look at the person failed, and it is tried again: {failure}")
        return told

    async def _course(self, user_id: MoodleUserId, course_id: CourseId) -> CourseAnswer:
        row = await self._store.courses.get(course_id)
        if row is None:
            return CourseAnswer(course_id, "", ("Moodle lists no such course.",))
        told = [why] if (why := await self._pauses.why_not(course_id)) else []
        if not row.on or row.gone:
            told.append(sentences.of_no_room(row))
        else:
            told += await self._rooms(user_id, row)
        lines = await self._store.journal.audit(course_id=course_id, person=user_id, limit=LAST_LINES)
        return CourseAnswer(course_id, row.shortname, (*told, *_tried(lines)))

    async def _rooms(self, user_id: MoodleUserId, row: CourseRow) -> Sequence[str]:
        told: list[str] = []
        try:
            prepared = await self._planner.prepare(row.id, not_older_than=0.0)
        except AppError as failure:
            known = await self._store.courses.roles(row.id, user_id)
            if known is not None:
                told.append(f"When Moodle could be read last, the roles were: {sentences.listed(known)}.")
            return [f"The course can't be read now, so all stays as it is: {failure}", *told]
        doubt = self._facts.held.get(row.id)
        if doubt:
            told.append(f"What Moodle says about this course is doubted: {doubt}")
        trace = await self._store.personal.trace(user_id)
        told += about_rooms(prepared, user_id, self._troubles.of(row.id), trace.accounts)
        if row.last_error:
            told.append(
                f"The last look at the course had this trouble at {moment(row.last_error_at or 0.0)}: {row.last_error}"
            )
        if row.last_sync is not None:
            told.append(f"The course was last brought up to date at {moment(row.last_sync)}.")
        return told


def _tried(lines: Sequence[AuditRow]) -> list[str]:
    """What was done last, the newest first."""
    return [
        f"{'Last' if number == 0 else 'Before that'}, at {moment(line.at)}: {line.kind} – {line.why} "
        f"Result: {line.result}{f' (reference {line.reference})' if line.reference else ''}."
        for number, line in enumerate(lines)
    ]


def as_json(explanation: Explanation) -> Mapping[str, object]:
    """`{person, name, account: [...], courses: [{course, shortname, sentences}]}`."""
    return {
        "person": explanation.person,
        "name": explanation.name,
        "account": list(explanation.account),
        "courses": [
            {"course": one.course_id, "shortname": one.shortname, "sentences": list(one.sentences)}
            for one in explanation.courses
        ],
    }
