"""The judgement of `shrink` where courses are read one by one: each list as it comes, the site by what is known of it.

A list of participants is compared with the most that the course had within the window. The places of all courses
together are compared too, counting what was read last of each (after a start: its mark), so that many small courses
can't lose everybody one after the other; so are the people in them. A kind of role is lost when the courses of one
reading had it and none of them has it now, unless that is a single course and others still have it. A course that is
held keeps whom it had, still grows, and is free as soon as the loss is gone or a person has confirmed it. In a listing,
courses that vanished in great number are kept in the same way.

Besides, somebody who is missing but still has a place that is not active is kept for `FRESH` seconds: Moodle rounds the
time by which it tells who is active, so a place that has just begun, such as that of somebody who was enrolled anew,
looks like one that has not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .leavers import KnownLeavers
from .model import Course, CourseFacts, CourseId, Enrolment, MoodleUserId, Role
from .shrink import Mark, Marks, ShrinkRules, is_over, mark_of, too_few

Key = TypeVar("Key")

FRESH = 100.0
"""Seconds to which Moodle rounds "now" in lists of active participants."""
_CHECK = "Check in Moodle whether this is true, and with `doctor` whether our account has every right; then confirm."


@dataclass(slots=True)
class _Loss:
    """What one course has lost with a reading. `explained`: who left for a known reason."""

    gone: frozenset[MoodleUserId] = frozenset()
    explained: frozenset[MoodleUserId] = frozenset()


@dataclass(slots=True)
class _Sums:
    """All courses together, as they were read last."""

    places: int = 0
    people: Counter[MoodleUserId] = field(default_factory=Counter)
    roles: Counter[Role] = field(default_factory=Counter)

    def put(self, facts: CourseFacts | None, sign: int) -> None:
        """Add a course, or take it away."""
        if facts is None:
            return
        self.places += sign * len(facts.enrolments)
        for enrolment in facts.enrolments:
            _add(self.people, enrolment.user_id, sign)
            for role in enrolment.roles:
                _add(self.roles, role, sign)


def _add(counter: Counter[Key], key: Key, number: int) -> None:
    counter[key] += number
    if not counter[key]:
        del counter[key]


class ListJudge:
    """Remembers what was there. `marks` are to be stored, see `shrink.Marks`; people and roles are learnt anew."""

    def __init__(self, rules: ShrinkRules) -> None:
        self._rules = rules
        self._members: dict[CourseId, Mark] = {}
        self._site = Marks()
        self._facts: dict[CourseId, CourseFacts] = {}
        self._sums = _Sums()
        # How many are taken to be in a course of which there are no facts.
        self._unread: dict[CourseId, int] = {}
        self._missed: dict[CourseId, dict[MoodleUserId, float]] = {}
        self._lost_roles: dict[CourseId, frozenset[Role]] = {}
        self._confirmed: set[CourseId] = set()
        self._courses: Mapping[CourseId, Course] = {}
        self.leavers = KnownLeavers()
        self.held: dict[CourseId, str] = {}
        self.vanished: dict[CourseId, Course] = {}
        """Courses that are held because the listing does not have them any more, as they were."""
        self.again: dict[CourseId, float] = {}
        """Courses to be read again, and when (Unix seconds): somebody is kept for the moment."""

    @property
    def marks(self) -> Marks:
        """What was there at its fullest, to be stored."""
        return Marks(courses=self._site.courses, places=self._site.places, members=dict(self._members))

    def recall(self, marks: Marks) -> None:
        """Give back what an earlier run has stored, before the first reading."""
        self._site = Marks(courses=marks.courses, places=marks.places)
        self._members = dict(marks.members)
        self._unread = {course_id: _latest(mark) for course_id, mark in marks.members.items()}

    def confirm(self, course_ids: Iterable[CourseId]) -> None:
        """A person has confirmed the losses of these courses: the next reading is taken as it is for them."""
        self._confirmed |= self.held.keys() & set(course_ids)

    def last(self, course_id: CourseId) -> CourseFacts | None:
        """The course as it was accepted last."""
        return self._facts.get(course_id)

    # The listing

    def judge_listing(
        self, courses: Mapping[CourseId, Course], unreadable: Iterable[CourseId], at: float
    ) -> None:
        """Compare a listing with the last one: `vanished` are the courses that are kept all the same."""
        there = courses.keys() | set(unreadable)
        before = {**self._courses, **self.vanished}
        away = {course_id for course_id in before if course_id not in there}
        over = {course_id for course_id in away if is_over(before[course_id], at)}
        let_go = over | (away & self._confirmed)
        mark = mark_of(self._site.courses, len(there), len(over), at, self._rules)
        reason = too_few("courses", mark, len(there), self._rules, _CHECK)
        for course_id in self.vanished:
            self.held.pop(course_id, None)
        self.vanished = {one: before[one] for one in away - let_go} if reason else {}
        self.held.update(dict.fromkeys(self.vanished, reason))
        if away & self._confirmed and not self.vanished:
            mark = Mark(len(there), at)
        self._confirmed -= away
        self._site = replace(self._site, courses=mark)
        self._courses = {**courses, **self.vanished}
        self._forget((self._facts.keys() | self._members.keys()) - there - self.vanished.keys())

    def _forget(self, course_ids: Iterable[CourseId]) -> None:
        """Courses that are gone for good: their people are no loss."""
        people, places = len(self._sums.people), self._places()
        for course_id in course_ids:
            self._sums.put(self._facts.pop(course_id, None), -1)
            self._members.pop(course_id, None)
            self._unread.pop(course_id, None)
            self._missed.pop(course_id, None)
            self._lost_roles.pop(course_id, None)
            self.held.pop(course_id, None)
            self.again.pop(course_id, None)
        self._lower(places - self._places(), people - len(self._sums.people))

    def _lower(self, places: int, people: int) -> None:
        """Losses that explain themselves, taken off the marks of the site."""

        def lowered(mark: Mark | None, by: int) -> Mark | None:
            if mark is None or not by:
                return mark
            later = tuple((most - by, when) for most, when in mark.later)
            return Mark(mark.most - by, mark.at, later)

        self._site = replace(
            self._site, places=lowered(self._site.places, places), people=lowered(self._site.people, people)
        )

    # The lists

    def judge(
        self,
        fresh: Mapping[CourseId, CourseFacts],
        at: float,
        *,
        inactive: Mapping[CourseId, Set[MoodleUserId]] | None = None,
    ) -> dict[CourseId, CourseFacts | str]:
        """What is to be used of each course that was read: facts, or the reason why there are none to go on with.

        `inactive`: who has a place that is not active, in courses in which somebody is missed. A held course keeps
        what it had; after a start that is not known, and it has only a reason.
        """
        before = {course_id: self._facts[course_id] for course_id in fresh if course_id in self._facts}
        asleep = inactive or {}
        fresh = {
            course_id: self._with_inactive(facts, asleep.get(course_id, frozenset()), at)
            for course_id, facts in fresh.items()
        }
        losses = {
            course_id: _loss(before[course_id], facts, at) if course_id in before else _Loss()
            for course_id, facts in fresh.items()
        }
        self.leavers.add({one: loss.explained for one, loss in losses.items() if loss.explained}, at=at)
        reasons = self._judge_roles(before, fresh, at)
        for course_id, facts in fresh.items():
            why = self._judge_members(facts, losses[course_id], at)
            reasons[course_id] = why or reasons.get(course_id, "")
        for facts in fresh.values():
            self._take(facts)
        because_of_the_site = self._judge_site(losses, at)
        found: dict[CourseId, CourseFacts | str] = {}
        for course_id, facts in fresh.items():
            reason = reasons[course_id] or because_of_the_site.get(course_id, "")
            if not reason or course_id in self._confirmed:
                self.held.pop(course_id, None)
                found[course_id] = facts
            else:
                found[course_id] = self._hold(facts, before.get(course_id), losses[course_id], reason)
        self._let_go(self._confirmed & fresh.keys(), at)
        return found

    def _let_go(self, confirmed: Set[CourseId], at: float) -> None:
        """A confirmation counts once; when nothing is held any more, the site begins anew."""
        self._confirmed -= confirmed
        if confirmed and not self.held:
            self._site = replace(self._site, places=Mark(self._places(), at), people=None)

    def _judge_members(self, facts: CourseFacts, loss: _Loss, at: float) -> str:
        course_id = facts.course.id
        known = self._members.get(course_id)
        self._unread.pop(course_id, None)
        if course_id in self._confirmed or is_over(facts.course, at):
            known = None
        now = len(facts.enrolments)
        mark = self._members[course_id] = mark_of(known, now, len(loss.explained), at, self._rules)
        return too_few("members", mark, now, self._rules, _CHECK)

    def _judge_roles(
        self, before: Mapping[CourseId, CourseFacts], fresh: Mapping[CourseId, CourseFacts], at: float
    ) -> dict[CourseId, str]:
        judged = {
            course_id: _roles(facts)
            for course_id, facts in before.items()
            if course_id not in self._confirmed and not is_over(facts.course, at)
        }
        now = {role for course_id in judged for role in _roles(fresh[course_id])}
        had = sum(judged.values(), Counter[Role]())
        where = Counter(role for roles in judged.values() for role in roles)
        lost = {
            role
            for role, holders in had.items()
            if holders >= self._rules.min_holders
            and role not in now
            and (where[role] > 1 or self._sums.roles[role] == holders)
        }
        reasons: dict[CourseId, str] = {}
        for course_id in fresh:
            still = self._lost_roles.pop(course_id, frozenset()) | lost
            roles = (judged.get(course_id, Counter()).keys() & still) - _roles(fresh[course_id]).keys()
            if roles:
                self._lost_roles[course_id] = frozenset(roles)
                names = ", ".join(sorted(roles))
                reasons[course_id] = f"Moodle shows nobody with the role {names} any more. {_CHECK}"
        return reasons

    def _judge_site(self, losses: Mapping[CourseId, _Loss], at: float) -> dict[CourseId, str]:
        left = {user_id for loss in losses.values() for user_id in loss.explained} - self._sums.people.keys()
        explained = sum(len(loss.explained) for loss in losses.values())
        places = mark_of(self._site.places, self._places(), explained, at, self._rules)
        people = mark_of(self._site.people, len(self._sums.people), len(left), at, self._rules)
        self._site = replace(self._site, places=places, people=people)
        reason = too_few("places in courses", places, self._places(), self._rules, _CHECK) or too_few(
            "people", people, len(self._sums.people), self._rules, _CHECK
        )
        if not reason:
            return {}
        return dict.fromkeys((one for one, loss in losses.items() if loss.gone - loss.explained), reason)

    def _hold(
        self, facts: CourseFacts, before: CourseFacts | None, loss: _Loss, reason: str
    ) -> CourseFacts | str:
        course_id = facts.course.id
        self.held[course_id] = reason
        if before is None:
            self._sums.put(self._facts.pop(course_id), -1)
            self._unread[course_id] = self._members[course_id].most
            return reason
        kept = _grown(before, facts, without=loss.explained)
        self._take(kept)
        return kept

    def _take(self, facts: CourseFacts) -> None:
        before = self._facts.get(facts.course.id)
        if before is None or before.enrolments != facts.enrolments:
            self._sums.put(before, -1)
            self._sums.put(facts, 1)
        self._facts[facts.course.id] = facts

    def missing(self, facts: CourseFacts) -> frozenset[MoodleUserId]:
        """Who was in the course when it was accepted last, and is not in it now."""
        before = self._facts.get(facts.course.id)
        return _ids(before) - _ids(facts) if before is not None else frozenset()

    def _with_inactive(self, facts: CourseFacts, inactive: Set[MoodleUserId], at: float) -> CourseFacts:
        """The course with those who may only seem to be inactive."""
        course_id = facts.course.id
        missing = self.missing(facts)
        known = self._missed.pop(course_id, {})
        missed = {user: known.get(user, at) for user in missing & inactive}
        kept = frozenset(user for user, when in missed.items() if 0 <= at - when < FRESH)
        self.again.pop(course_id, None)
        if not kept:
            return facts
        self._missed[course_id] = {user: missed[user] for user in kept}
        self.again[course_id] = min(missed[user] for user in kept) + FRESH
        before = self._facts[course_id]
        return _grown(before, facts, without=_ids(before) - kept)

    def _places(self) -> int:
        return self._sums.places + sum(self._unread.values())


def _latest(mark: Mark) -> int:
    return mark.later[-1][0] if mark.later else mark.most


def _ids(facts: CourseFacts) -> frozenset[MoodleUserId]:
    return frozenset(enrolment.user_id for enrolment in facts.enrolments)


def _roles(facts: CourseFacts) -> Counter[Role]:
    return Counter(role for enrolment in facts.enrolments for role in enrolment.roles)


def _loss(before: CourseFacts, fresh: CourseFacts, at: float) -> _Loss:
    gone = _ids(before) - _ids(fresh)
    if is_over(fresh.course, at):
        return _Loss(gone, gone)
    unusable = (user for user in gone if (person := before.people.get(user)) and not person.usable)
    return _Loss(gone, frozenset(unusable))


def _grown(before: CourseFacts, fresh: CourseFacts, *, without: frozenset[MoodleUserId]) -> CourseFacts:
    """`fresh` with everybody and everything that `before` had, but those who are left out of it."""
    found = {one.user_id: one for one in before.enrolments if one.user_id not in without}
    for one in fresh.enrolments:
        old = found.get(one.user_id, one)
        found[one.user_id] = Enrolment(one.user_id, one.roles | old.roles, one.groups | old.groups)
    people = {user: before.people[user] for user in found if user in before.people}
    groups = {group.id: group for group in (*before.groups, *fresh.groups)}
    return replace(
        fresh,
        enrolments=tuple(found[user] for user in sorted(found)),
        people={**people, **fresh.people},
        groups=tuple(groups[number] for number in sorted(groups)),
    )
