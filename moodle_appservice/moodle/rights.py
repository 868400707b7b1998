"""Which rights our Moodle account holds, found out by asking, because Moodle shortens answers without a word.

No web service function tells a token its own rights. But each right shows in some answer: in a field that only it
brings, in an error that only its absence gives, in a row that stands where it should (see `rosters`). A right that
nothing showed either way, as in an empty course, is `UNKNOWN`, never assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ..domain.model import CourseId, SiteFacts, SiteInfo
from . import errors, shapes
from .answer import Json
from .bulk import BULK, Call, Outcome, call_many
from .client import MoodleClient
from .courses import VIEW_COURSE
from .people import VIEW_HIDDEN_DETAILS, read_people
from .rosters import (
    ALL_GROUPS,
    SEPARATE_GROUPS,
    VIEW_ALL_DETAILS,
    VIEW_DETAILS,
    group_check,
    proof_checks,
    roster_call,
)
from .shapes import CATEGORIES, COURSES, NEEDED

ENROL_REVIEW: Final = "moodle/course:enrolreview"
VIEW_HIDDEN_COURSES: Final = "moodle/course:viewhiddencourses"
VIEW_HIDDEN_CATEGORIES: Final = "moodle/category:viewhiddencategories"
UPDATE_COURSE: Final = "moodle/course:update"

_WITHOUT: Final[Mapping[str, str]] = {
    VIEW_COURSE: "courses can't be read",
    VIEW_HIDDEN_COURSES: "hidden courses look as if they did not exist",
    VIEW_HIDDEN_CATEGORIES: "courses hang in categories that we can't see",
    ENROL_REVIEW: "participants can't be listed",
    VIEW_DETAILS: "Moodle lists some participants, such as teachers, and leaves the others out",
    VIEW_ALL_DETAILS: "user names and the state of accounts are left out",
    VIEW_HIDDEN_DETAILS: "whether an account is suspended is left out",
    ALL_GROUPS: "courses with separate groups look empty",
}
SILENT: Final = frozenset({VIEW_DETAILS, VIEW_ALL_DETAILS, VIEW_HIDDEN_DETAILS})
"""Rights that every course needs and whose loss shortens answers without a word: without them nothing is read.

Those that concern some courses only (separate groups, hidden ones) are missed in each of them, see `rosters`.
"""
_WITHOUT_FUNCTION: Final[Mapping[str, str]] = {
    shapes.SITE_INFO: "it is not known which Moodle answers",
    COURSES: "courses can't be listed",
    CATEGORIES: "it is not known in which categories courses are",
    shapes.ENROLLED: "participants can't be listed",
    shapes.USERS: "the state of accounts is not known",
}
_SAMPLE: Final = 5
_MOST_ACCOUNTS: Final = 50


class State(StrEnum):
    """What was found out about a right or a function."""

    HELD = "held"
    MISSING = "missing"
    UNKNOWN = "unknown"
    OPTIONAL = "optional"
    """Missing, and only useful."""
    EXCESS = "excess"
    """Held, and better not: we only read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One right or function by its name in Moodle, and a sentence about it for people."""

    name: str
    state: State
    sentence: str
    everywhere: bool = False
    """Missing, and there in no course at all."""


def reason_to_stop(findings: Iterable[Finding]) -> str:
    """Why nothing may be read with these rights, as sentences; empty where it may."""
    return " ".join(one.sentence for one in findings if one.everywhere and one.name in SILENT)


def sample(site: SiteFacts, others: Iterable[CourseId] = ()) -> list[CourseId]:
    """Courses in which rights show: a hidden one, one with separate groups, a few more, and `others`."""
    hidden = [course.id for course in site.courses.values() if not course.visible]
    separate = [course.id for course in site.courses.values() if course.group_mode == SEPARATE_GROUPS]
    chosen = [*hidden[:1], *separate[:1], *list(others)[:_SAMPLE], *sorted(site.courses)[:_SAMPLE]]
    return list(dict.fromkeys(chosen))


@dataclass(slots=True)
class Evidence:
    """What courses have shown of rights: held in one of them, or missing in these."""

    held: set[str] = field(default_factory=set)
    missing: dict[str, list[CourseId]] = field(default_factory=dict)

    def lacks(self, right: str, *course_ids: CourseId) -> None:
        """A right is missing, as these courses show."""
        self.missing.setdefault(right, []).extend(course_ids)

    def findings(self) -> list[Finding]:
        """One for each right that courses can show."""
        return [self._finding(right) for right in _WITHOUT]

    def _finding(self, right: str) -> Finding:
        if right in self.missing:
            courses = ", ".join(str(course_id) for course_id in sorted(set(self.missing[right]))[:10])
            where = f" (seen in course {courses})" if courses else ""
            hint = "Add it to the role of our account."
            sentence = f"{right} is missing{where}: without it {_WITHOUT[right]}. {hint}"
            return Finding(right, State.MISSING, sentence, everywhere=right not in self.held)
        if right in self.held:
            return Finding(right, State.HELD, f"{right}: nothing was left out in what we looked at.")
        return Finding(
            right, State.UNKNOWN, f"{right}: nothing that we were shown tells. Without it {_WITHOUT[right]}."
        )


def missing_functions(functions: frozenset[str]) -> list[Finding]:
    """What the service of our token lacks."""
    findings = [
        Finding(
            name,
            State.MISSING,
            f"The function {name} is not in the service of our token: without it {_WITHOUT_FUNCTION[name]}. Add it "
            "there.",
        )
        for name in NEEDED
        if name not in functions
    ]
    if BULK not in functions:
        sentence = f"The function {BULK} is not in the service; with it many courses are read in one request."
        findings.append(Finding(BULK, State.OPTIONAL, sentence))
    return findings


class RightsProbe:
    """Looks at some courses with the client's token. `info`: who the token belongs to and what it may call."""

    def __init__(self, client: MoodleClient, info: SiteInfo) -> None:
        self._client = client
        self._functions = info.functions
        self._evidence = Evidence()
        self._excess: list[Finding] = []

    async def run(self, course_ids: Sequence[CourseId]) -> list[Finding]:
        """All findings. Best given courses with participants, a hidden one and one with separate groups.

        Raises the `MoodleError` that stops even the listing.
        """
        findings = missing_functions(self._functions)
        if any(finding.state is State.MISSING for finding in findings):
            return findings
        readable = await self._look_at_listing(course_ids)
        await self._look_at_rosters(readable)
        return findings + self._evidence.findings() + self._excess

    async def _look_at_listing(self, course_ids: Sequence[CourseId]) -> list[CourseId]:
        answers = await self._call([(COURSES, {}), (CATEGORIES, {})])
        for answer in answers:
            if isinstance(answer, errors.MoodleError):
                raise answer
        courses, categories = (answer for answer in answers if not isinstance(answer, errors.MoodleError))
        seen = shapes.listing(courses, "en")
        known = shapes.categories(categories, "en")
        if seen.courses:
            self._evidence.held.add(VIEW_COURSE)
        if seen.unreadable:
            self._evidence.lacks(VIEW_COURSE, *seen.unreadable)
        if any(not course.visible for course in seen.courses.values()):
            self._evidence.held.add(VIEW_HIDDEN_COURSES)
        outside = [course.id for course in seen.courses.values() if course.category_id not in known]
        if outside:
            self._evidence.lacks(VIEW_HIDDEN_CATEGORIES, *outside)
        elif seen.courses:
            self._evidence.held.add(VIEW_HIDDEN_CATEGORIES)
        if _may_write(courses):
            sentence = f"{UPDATE_COURSE} is there and not needed: this service only reads. Take it away."
            self._excess.append(Finding(UPDATE_COURSE, State.EXCESS, sentence))
        return [course_id for course_id in course_ids if course_id not in seen.unreadable]

    async def _look_at_rosters(self, course_ids: Sequence[CourseId]) -> None:
        listed = await self._call([roster_call(course_id) for course_id in course_ids])
        rosters = {
            course_id: self._roster(course_id, answer)
            for course_id, answer in zip(course_ids, listed, strict=True)
        }
        checks = [
            (course_id, right, call, judge)
            for course_id, found in rosters.items()
            if found
            for right, pairs in (
                (VIEW_DETAILS, proof_checks(course_id, found)),
                (ALL_GROUPS, [group_check(course_id)]),
            )
            for call, judge in pairs
        ]
        answers = await self._call([call for _, _, call, _ in checks])
        failed = set()
        for (course_id, right, _, judge), answer in zip(checks, answers, strict=True):
            error = judge(answer)
            if error is not None:
                failed.add((course_id, right))
                self._note(course_id, error)
        # Only all checks together prove something of a course.
        self._evidence.held.update(
            right for course_id, right, _, _ in checks if (course_id, right) not in failed
        )
        await self._look_at_accounts([found for found in rosters.values() if found])

    def _roster(self, course_id: CourseId, answer: Outcome) -> shapes.Roster | None:
        if isinstance(answer, errors.MoodleError):
            self._note(course_id, answer)
            return None
        found = shapes.roster(answer, "en")
        self._evidence.held.add(ENROL_REVIEW)
        if found.nameless:
            self._evidence.lacks(VIEW_ALL_DETAILS, course_id)
        return found

    def _note(self, course_id: CourseId, error: errors.MoodleError) -> None:
        if isinstance(error, errors.RightMissing):
            self._evidence.lacks(error.right, course_id)
        elif isinstance(error, errors.ListIncomplete):
            self._evidence.lacks(VIEW_DETAILS, course_id)
        elif isinstance(error, errors.MissingCapability):
            self._evidence.lacks(ENROL_REVIEW, course_id)
        elif isinstance(error, errors.CourseNotAccessible):
            self._evidence.lacks(VIEW_HIDDEN_COURSES, course_id)

    async def _look_at_accounts(self, rosters: Sequence[shapes.Roster]) -> None:
        asked = sorted({enrolment.user_id for found in rosters for enrolment in found.enrolments})[
            :_MOST_ACCOUNTS
        ]
        try:
            people = await read_people(self._client, asked)
        except errors.RightMissing as error:
            self._evidence.lacks(error.right)
            return
        if any(people.values()):
            self._evidence.held.update((VIEW_ALL_DETAILS, VIEW_HIDDEN_DETAILS))

    async def _call(self, calls: Sequence[Call]) -> list[Outcome]:
        return await call_many(self._client, calls, functions=self._functions) if calls else []


def _may_write(courses: Json) -> bool:
    """A course's `idnumber` is only sent to those who may change the course."""
    rows = courses.get("courses") if isinstance(courses, dict) else None
    return isinstance(rows, list) and any(isinstance(row, dict) and "idnumber" in row for row in rows)
