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
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from .model import Course, CourseId, MoodleUserId, Role
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
    """The most that was there within the window, and when last (Unix seconds).

    `later`: what was the most after that, and after that, each smaller: when the first has grown too old, the next is
    the most. One for an hour at most, so there are never many.
    """

    most: int
    at: float
    later: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Marks:
    """What a source had at its fullest within the window."""

    courses: Mark | None = None
    people: Mark | None = None
    places: Mark | None = None
    members: Mapping[CourseId, Mark] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[Role, Mark] = field(default_factory=lambda: MappingProxyType({}))

    def to_data(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        site = {"courses": self.courses, "people": self.people, "places": self.places}
        return {
            "site": {name: _to_data(mark) for name, mark in site.items() if mark},
            "members": {str(number): _to_data(mark) for number, mark in self.members.items()},
            "roles": {str(role): _to_data(mark) for role, mark in self.roles.items()},
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Marks:
        """What `to_data` gave, also after a way through JSON. Raises KeyError, TypeError or ValueError for others."""
        site = {name: _from_data(found) for name, found in data["site"].items()}
        return cls(
            site.get("courses"),
            site.get("people"),
            site.get("places"),
            {CourseId(int(key)): _from_data(found) for key, found in data["members"].items()},
            {Role(key): _from_data(found) for key, found in data["roles"].items()},
        )


def _to_data(mark: Mark) -> list[tuple[int, float]]:
    return [(mark.most, mark.at), *mark.later]


def _from_data(found: Sequence[Sequence[float]]) -> Mark:
    (most, at), *later = ((int(number), float(moment)) for number, moment in found)
    return Mark(most, at, tuple(later))


@dataclass(frozen=True, slots=True)
class Judgement:
    """The courses that are held, each with its reason; `marks` replace the ones that were judged by.

    `explained`: who has left a course for a known reason, held or not: they go. Counted once, or marks would melt.
    """

    held: Mapping[CourseId, str]
    marks: Marks
    explained: Mapping[CourseId, frozenset[MoodleUserId]]


@dataclass(frozen=True, slots=True)
class _Losses:
    explained: frozenset[MoodleUserId] = frozenset()
    unexplained: int = 0


def judge_snapshot(
    fresh: SiteSnapshot,
    last: SiteSnapshot | None,
    marks: Marks,
    rules: ShrinkRules,
    *,
    confirmed: frozenset[CourseId] = frozenset(),
) -> Judgement:
    """Compare with what was there. `last` is the snapshot in use, None after a start: then nothing can be explained.

    `confirmed`: courses whose loss a person has confirmed; their marks begin anew, and those of the site as soon as
    nothing else is held.
    """
    before = last or SiteSnapshot({}, {}, {}, {}, {}, (), {}, fresh.read_at)
    ended = _ended(before, fresh.read_at)
    lost = {
        course_id: _lost(course_id, before, fresh, ended.get(course_id, frozenset()))
        for course_id in before.enrolments
    }
    site, held = _judge_site(fresh, before, marks, rules, lost)
    members: dict[CourseId, Mark] = {}
    for course_id in marks.members.keys() | fresh.courses.keys():
        now = len(fresh.enrolments.get(course_id, ()))
        known = None if course_id in confirmed else marks.members.get(course_id)
        explained = len(lost[course_id].explained) if course_id in lost else 0
        mark = mark_of(known, now, explained, fresh.read_at, rules)
        reason = too_few("members", mark, now, rules) if course_id in fresh.courses else ""
        if reason:
            held[course_id] = reason
        if course_id in fresh.courses or course_id in held:
            members[course_id] = mark
    if confirmed and confirmed.issuperset(held):
        site, _ = _judge_site(fresh, before, Marks(), rules, lost)
    left = {course_id: reason for course_id, reason in held.items() if course_id not in confirmed}
    explained_in = {course_id: losses.explained for course_id, losses in lost.items() if losses.explained}
    return Judgement(left, replace(site, members=members), explained_in)


def _judge_site(
    fresh: SiteSnapshot,
    before: SiteSnapshot,
    marks: Marks,
    rules: ShrinkRules,
    lost: Mapping[CourseId, _Losses],
) -> tuple[Marks, dict[CourseId, str]]:
    """The marks of the site as a whole, and the courses that are held because of it."""
    at = fresh.read_at
    vanished = [course_id for course_id in before.courses if course_id not in fresh.courses]
    gone = [course_id for course_id in vanished if not _is_over_in(course_id, before, at)]
    shrunk = [course_id for course_id, losses in lost.items() if losses.unexplained or course_id in gone]
    places = sum(map(len, fresh.enrolments.values()))
    courses = mark_of(marks.courses, len(fresh.courses), len(vanished) - len(gone), at, rules)
    people = mark_of(marks.people, len(fresh.people), 0, at, rules)
    whole = mark_of(marks.places, places, sum(len(losses.explained) for losses in lost.values()), at, rules)
    held: dict[CourseId, str] = {}
    for reason, which in (
        (too_few("courses", courses, len(fresh.courses), rules), gone),
        (too_few("people", people, len(fresh.people), rules), shrunk),
        (too_few("places in courses", whole, places, rules), shrunk),
    ):
        if reason:
            held.update(dict.fromkeys(which, reason))
    holders = _holders(fresh)
    roles: dict[Role, Mark] = {}
    for role in holders.keys() | marks.roles.keys():
        known = marks.roles.get(role)
        if known is not None and known.most >= rules.min_holders and not holders[role]:
            reason = f"Nobody in any course has the role {role} any more; {known.most} had it. {_CHECK}"
            held.update(dict.fromkeys(_with_role(before, role), reason))
            roles[role] = known
        elif holders[role]:
            roles[role] = Mark(holders[role], at)
    return Marks(courses, people, whole, marks.members, roles), held


_CHECK = (
    "Check in Moodle whether this is true, and with `doctor --reports` whether the reports still show everything; "
    "then confirm."
)


def _lost(
    course_id: CourseId, before: SiteSnapshot, fresh: SiteSnapshot, ended: Set[MoodleUserId]
) -> _Losses:
    old, new = before.enrolments.get(course_id, ()), fresh.enrolments.get(course_id, ())
    if old is new:
        return _Losses()
    there = {enrolment.user_id for enrolment in new}
    gone = frozenset(enrolment.user_id for enrolment in old) - there
    if not gone:
        return _Losses()
    if _is_over_in(course_id, before, fresh.read_at):
        return _Losses(gone)
    explained = frozenset(user_id for user_id in gone if user_id in ended or _is_unusable(user_id, fresh))
    return _Losses(explained, len(gone) - len(explained))


def _ended(before: SiteSnapshot, now: float) -> dict[CourseId, set[MoodleUserId]]:
    """Whose time in which course is over, as it was known."""
    found: dict[CourseId, set[MoodleUserId]] = {}
    for moment in before.moments:
        if moment.ends and moment.at <= now:
            found.setdefault(moment.course_id, set()).add(moment.user_id)
    return found


def _is_unusable(user_id: MoodleUserId, fresh: SiteSnapshot) -> bool:
    person = fresh.people.get(user_id)
    return person is not None and not person.usable


def _is_over_in(course_id: CourseId, before: SiteSnapshot, now: float) -> bool:
    """Whether a course that the snapshot has is over."""
    return is_over(before.courses.get(course_id), now)


def is_over(course: Course | None, now: float) -> bool:
    """Whether the last day of a course is behind us: then losing its people is no accident."""
    return course is not None and course.end is not None and course.end <= now


def mark_of(mark: Mark | None, now: int, explained: int, at: float, rules: ShrinkRules) -> Mark:
    """The mark to judge by, after losses that explain themselves.

    What holds something does not grow old: only a person lets go of it.
    """
    before = ((mark.most, mark.at), *mark.later) if mark else ()
    steps = [(most - explained, when) for most, when in before if most - explained > now]
    while steps and at - steps[0][1] > rules.window and not too_few("", Mark(*steps[0]), now, rules):
        del steps[0]
    hour = rules.window / 24
    if steps and steps[-1][1] // hour == at // hour:
        # The larger one stands for both.
        steps[-1] = (steps[-1][0], at)
    else:
        steps.append((now, at))
    (most, when), *later = steps
    return Mark(most, when, tuple(later))


def too_few(what: str, mark: Mark, now: int, rules: ShrinkRules, check: str = "") -> str:
    """Why this is less than a normal day leaves, with what to check; empty where it is not."""
    lost = mark.most - now
    if lost <= rules.max_lost or lost <= mark.most * rules.max_share:
        return ""
    return f"Moodle shows {now} {what} where {mark.most} were within the last day. {check or _CHECK}"


def _holders(snapshot: SiteSnapshot) -> Counter[Role]:
    sets: Counter[frozenset[Role]] = Counter()
    for enrolments in snapshot.enrolments.values():
        sets.update(enrolment.roles for enrolment in enrolments)
    found: Counter[Role] = Counter()
    for roles, number in sets.items():
        for role in roles:
            found[role] += number
    return found


def _with_role(before: SiteSnapshot, role: Role) -> list[CourseId]:
    return [
        course_id
        for course_id, enrolments in before.enrolments.items()
        if any(role in enrolment.roles for enrolment in enrolments)
    ]
