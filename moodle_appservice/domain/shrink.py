"""Whether a snapshot of the site lost more than a normal day takes: then it is held for a person, growing parts go on.

A missing right, a report that somebody edited or a broken upgrade makes Moodle's answers shorter, never wrong in
another way. So each snapshot is compared with the most that was there within the last 24 hours (`Marks`): the courses,
the people, all places together, the places in each course, and every kind of role. A loss counts when it is more than
`max_share` *and* more than `max_lost`. Losses that explain themselves do not count: an enrolment whose end was known,
an account that is suspended now, a course that is over.

A judgement names courses and says why in a sentence. `snapshot.only_growing` then keeps what they had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .model import CourseId, Enrolment, MoodleUserId, Role
from .snapshot import SiteSnapshot


@dataclass(frozen=True, slots=True)
class ShrinkRules:
    """How much may be lost within `window` seconds; a role kind counts from `min_holders` holders on."""

    max_share: float = 0.2
    max_lost: int = 10
    min_holders: int = 3
    window: float = 86400.0


@dataclass(frozen=True, slots=True)
class Mark:
    """The most that was there, and when (Unix seconds)."""

    most: int
    at: float


@dataclass(frozen=True, slots=True)
class Marks:
    """What a source had at its fullest within the window."""

    courses: Mark | None = None
    people: Mark | None = None
    places: Mark | None = None
    members: Mapping[CourseId, Mark] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[Role, Mark] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Judgement:
    """The courses that are held, each with its reason; `marks` replace the ones that were judged by."""

    held: Mapping[CourseId, str]
    marks: Marks


def judge_snapshot(
    fresh: SiteSnapshot,
    last: SiteSnapshot | None,
    marks: Marks,
    rules: ShrinkRules,
    *,
    confirmed: frozenset[CourseId] = frozenset(),
) -> Judgement:
    """Compare with what was there. `last` is the snapshot in use, None after a start: then nothing can be explained.

    `confirmed`: courses whose loss a person has confirmed; their marks begin anew.
    """
    held: dict[CourseId, str] = {}
    before = last or _nothing(fresh)
    lost = {course_id: _lost(course_id, before, fresh) for course_id in before.enrolments.keys() | fresh.courses.keys()}
    shrunk = [course_id for course_id, losses in lost.items() if losses.unexplained]
    gone = [course_id for course_id in before.courses if course_id not in fresh.courses]
    places = sum(map(len, fresh.enrolments.values()))
    explained = sum(losses.explained for losses in lost.values())
    ended = sum(1 for course_id in gone if _is_over(course_id, before, fresh.read_at))

    courses = _mark(marks.courses, len(fresh.courses), ended, fresh.read_at, rules)
    people = _mark(marks.people, len(fresh.people), 0, fresh.read_at, rules)
    whole = _mark(marks.places, places, explained, fresh.read_at, rules)
    members, roles = dict[CourseId, Mark](), _roles(fresh, marks, rules)
    for reason, which in (
        (_too_few("courses", courses, len(fresh.courses), rules), gone),
        (_too_few("people", people, len(fresh.people), rules), [*shrunk, *gone]),
        (_too_few("places in courses", whole, places, rules), [*shrunk, *gone]),
    ):
        held.update((course_id, reason) for course_id in which if reason)
    for role, mark in roles.items():
        if mark.most >= rules.min_holders and not _holders(fresh)[role]:
            reason = f"Nobody in any course has the role {role} any more; {mark.most} had it. {_CHECK}"
            held.update((course_id, reason) for course_id in _with_role(before, role))
    for course_id in marks.members.keys() | fresh.courses.keys():
        now = len(fresh.enrolments.get(course_id, ()))
        known = None if course_id in confirmed else marks.members.get(course_id)
        mark = _mark(known, now, lost[course_id].explained if course_id in lost else 0, fresh.read_at, rules)
        if course_id in fresh.courses:
            reason = _too_few("members", mark, now, rules)
            if reason:
                held.setdefault(course_id, reason)
            members[course_id] = mark
        elif course_id in held:
            members[course_id] = mark
    for course_id in confirmed:
        held.pop(course_id, None)
    return Judgement(held, Marks(courses, people, whole, members, roles))


_CHECK = (
    "Check in Moodle whether this is true, and with `doctor --reports` whether the reports still show everything; "
    "then confirm."
)


@dataclass(frozen=True, slots=True)
class _Losses:
    explained: int
    unexplained: int


def _lost(course_id: CourseId, before: SiteSnapshot, fresh: SiteSnapshot) -> _Losses:
    old, new = before.enrolments.get(course_id, ()), fresh.enrolments.get(course_id, ())
    if old is new:
        return _Losses(0, 0)
    there = {enrolment.user_id for enrolment in new}
    gone = [enrolment for enrolment in old if enrolment.user_id not in there]
    if not gone:
        return _Losses(0, 0)
    if _is_over(course_id, before, fresh.read_at):
        return _Losses(len(gone), 0)
    ended = _ended(course_id, before, fresh)
    explained = sum(1 for enrolment in gone if _explains(enrolment, ended, fresh))
    return _Losses(explained, len(gone) - explained)


def _ended(course_id: CourseId, before: SiteSnapshot, fresh: SiteSnapshot) -> set[MoodleUserId]:
    return {
        moment.user_id
        for moment in before.moments
        if moment.ends and moment.course_id == course_id and moment.at <= fresh.read_at
    }


def _explains(enrolment: Enrolment, ended: set[MoodleUserId], fresh: SiteSnapshot) -> bool:
    person = fresh.people.get(enrolment.user_id)
    return enrolment.user_id in ended or (person is not None and not person.usable)


def _is_over(course_id: CourseId, before: SiteSnapshot, now: float) -> bool:
    course = before.courses.get(course_id)
    return course is not None and course.end is not None and course.end <= now


def _mark(mark: Mark | None, now: int, explained: int, at: float, rules: ShrinkRules) -> Mark:
    """The mark to judge by: the old one less what is explained, or the present where that is more or the old one is old."""
    if mark is None or at - mark.at > rules.window or now >= mark.most - explained:
        return Mark(now, at)
    return Mark(mark.most - explained, mark.at)


def _too_few(what: str, mark: Mark, now: int, rules: ShrinkRules) -> str:
    lost = mark.most - now
    if lost <= rules.max_lost or lost <= mark.most * rules.max_share:
        return ""
    return f"Moodle shows {now} {what} where {mark.most} were within the last day. {_CHECK}"


def _holders(snapshot: SiteSnapshot) -> Counter[Role]:
    sets: Counter[frozenset[Role]] = Counter()
    for enrolments in snapshot.enrolments.values():
        sets.update(enrolment.roles for enrolment in enrolments)
    found: Counter[Role] = Counter()
    for roles, number in sets.items():
        for role in roles:
            found[role] += number
    return found


def _roles(fresh: SiteSnapshot, marks: Marks, rules: ShrinkRules) -> dict[Role, Mark]:
    now = _holders(fresh)
    return {
        role: _mark(marks.roles.get(role), now[role], 0, fresh.read_at, rules) for role in now.keys() | marks.roles.keys()
    }


def _with_role(before: SiteSnapshot, role: Role) -> list[CourseId]:
    return [
        course_id
        for course_id, enrolments in before.enrolments.items()
        if any(role in enrolment.roles for enrolment in enrolments)
    ]


def _nothing(fresh: SiteSnapshot) -> SiteSnapshot:
    return SiteSnapshot({}, {}, {}, {}, {}, (), {}, fresh.read_at)
