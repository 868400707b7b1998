"""The history of one term, written before it happens: who enrols, leaves, changes, and when.

Whoever is a student at the beginning is one in the end, or was for a while: most enrol in the first weeks, first many
and then fewer, some late; some drop out, and a few of them come back. A third of the courses form groups, whose members
are shuffled later, and some groups are renamed; a few courses change a teacher, give a student a tutor's role, or take
another name. Accounts are suspended
and restored, people take another name, courses get a date of their end, and after it some are hidden.

All times are parts of the term, so that a short one holds as much as a long one. The same university, length and seed
give the same history: chance is one row of numbers, used in the order of ids.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeAlias, TypeVar

from .changes import Change, Kind
from .records import SITE_COURSE_ID
from .university import University

Value = TypeVar("Value")
_Noted: TypeAlias = tuple[float, Change]
"""A change, and when it happens as a part of the term."""

WAVE = 0.15
"""The part of the term in which nearly all enrol."""
_LATE, _TIMED, _PAUSED, _DROPPED, _BACK = 0.03, 0.05, 0.02, 0.08, 0.25
_GROUPED, _SHUFFLED, _MOVED, _REGROUPED = 0.34, 0.5, 0.2, 0.15
_NEW_TEACHER, _TUTOR, _RENAMED, _HIDDEN = 0.03, 0.1, 0.02, 0.3
_SUSPENDED, _RESTORED, _MARRIED = 0.01, 0.6, 0.007
_NAMES = (
    "Abendroth",
    "Benoît",
    "Černý",
    "D'Amico",
    "Eğilmez",
    "Fjeld",
    "Γεωργίου",
    "Hồ",
    "Ivanova",
    "Öz",
    "李",
)


def students_of(university: University) -> dict[int, list[int]]:
    """Course → its ordinary students: enrolled once, active, with no role but `student`."""
    now = university.now()
    found: dict[int, list[int]] = {}
    for course in sorted(university.courses):
        if course != SITE_COURSE_ID:
            roles = university.role_holders(course)
            found[course] = [
                user
                for user in sorted(university.enrolled(course))
                if roles.get(user) == {"student"}
                and len(university.enrolments(course, user)) == 1
                and university.active(course, user, now)
            ]
    return found


def write_history(
    university: University, students: Mapping[int, Sequence[int]], *, begins: int, seconds: int, seed: int
) -> tuple[Change, ...]:
    """All changes of a term in their order. `students`: who will be one, by course (see `students_of`)."""
    chance = random.Random(seed)
    everybody = sorted({user for there in students.values() for user in there})
    changes: list[_Noted] = []
    for course, there in students.items():
        writer = _Course(university, course, begins, seconds, chance, everybody)
        changes += writer.write(there)
    changes += _accounts(everybody, begins, seconds, chance)
    # By the exact moment: in a short term many changes share a second.
    changes.sort(key=itemgetter(0))
    return tuple(change for _, change in changes)


def _accounts(everybody: Iterable[int], begins: int, seconds: int, chance: random.Random) -> Iterator[_Noted]:
    def noted(when: float, kind: Kind, user: int, text: str = "") -> _Noted:
        return when, Change(begins + int(when * seconds), kind, user=user, text=text)

    for user in everybody:
        if chance.random() < _SUSPENDED:
            since = chance.random() * 0.8
            yield noted(since, Kind.ACCOUNT_SUSPENDED, user)
            if chance.random() < _RESTORED:
                yield noted(since + (1 - since) * chance.random(), Kind.ACCOUNT_RESTORED, user)
        if chance.random() < _MARRIED:
            yield noted(chance.random(), Kind.NAME_CHANGED, user, _one_of(_NAMES, chance))


def _one_of(values: Sequence[Value], chance: random.Random) -> Value:
    return values[int(chance.random() * len(values))]


@dataclass(slots=True)
class _Groups:
    """The groups of one course: since when there are any, when they are shuffled, which one is renamed and when."""

    names: list[str]
    made: float = 0.0
    shuffled: float = 1.0
    renamed: tuple[float, str, str] = (1.0, "", "")

    def called(self, name: str, when: float) -> str:
        """The name of a group at a moment."""
        since, old, new = self.renamed
        return new if name == old and when >= since else name


@dataclass(slots=True)
class _Course:
    """Writes what happens in one course; moments are parts of the term, from 0 to 1."""

    university: University
    course: int
    begins: int
    seconds: int
    chance: random.Random
    everybody: Sequence[int]
    changes: list[_Noted] = field(default_factory=list)

    def write(self, students: Sequence[int]) -> list[_Noted]:
        ends = self._between(0.85, 0.97)
        self._note(self._between(0, 0.05), Kind.COURSE_DATED, until=self._at(ends))
        groups = self._groups()
        for user in students:
            for since, until in self._presence(user, ends):
                if groups.names:
                    self._join(user, groups, max(since, groups.made), until)
        self._teachers()
        if students and self._happens(_TUTOR):
            self._tutor(_one_of(students, self.chance))
        if self._happens(_RENAMED):
            name = f"{self.university.courses[self.course].fullname} (revised)"
            self._note(self._between(0.1, 0.8), Kind.COURSE_RENAMED, text=name)
        if self._happens(_HIDDEN):
            self._note(self._between(ends, 1), Kind.COURSE_HIDDEN)
        return self.changes

    def _presence(self, user: int, ends: float) -> list[tuple[float, float]]:
        """From when to when the student is in the course."""
        late = self._happens(_LATE)
        since = self._between(WAVE, 0.5) if late else WAVE * self.chance.random() ** 2
        timed = self._at(ends) if self._happens(_TIMED) else 0
        self._note(since, Kind.ENROLLED, user, text="student", until=timed)
        if not self._happens(_DROPPED):
            if self._happens(_PAUSED):
                paused = self._between(since, ends)
                self._note(paused, Kind.PAUSED, user)
                self._note(self._between(paused, ends), Kind.RESUMED, user)
            return [(since, 1.0)]
        left = self._between(since, max(since, 0.7))
        self._note(left, Kind.LEFT, user)
        if not self._happens(_BACK):
            return [(since, left)]
        back = self._between(left, ends)
        self._note(back, Kind.ENROLLED, user, text="student", until=timed)
        return [(since, left), (back, 1.0)]

    def _groups(self) -> _Groups:
        """Those that there are, or new ones."""
        groups = _Groups([group.name for group in self.university.groups_in(self.course)])
        if not groups.names and self._happens(_GROUPED):
            groups.made = self._between(0.01, 0.1)
            groups.names = [f"Tutorial {letter}" for letter in "ABCD"[: 2 + int(self.chance.random() * 3)]]
            for name in groups.names:
                self._note(groups.made, Kind.GROUP_MADE, text=name)
        if groups.names and self._happens(_SHUFFLED):
            groups.shuffled = self._between(0.35, 0.6)
        if groups.names and self._happens(_REGROUPED):
            old = _one_of(groups.names, self.chance)
            groups.renamed = (self._between(0.2, 0.8), old, f"{old} (Room {len(old)})")
            self._note(groups.renamed[0], Kind.GROUP_RENAMED, text=old, to=groups.renamed[2])
        return groups

    def _join(self, user: int, groups: _Groups, since: float, until: float) -> None:
        """Be in a group a little later than in the course, and perhaps in another one when all are shuffled."""
        joined = since + 0.03 * self.chance.random()
        if joined >= until:
            return
        name = _one_of(groups.names, self.chance)
        self._note(joined, Kind.GROUP_JOINED, user, text=groups.called(name, joined))
        if joined < groups.shuffled < until and self._happens(_MOVED):
            other, when = _one_of(groups.names, self.chance), groups.shuffled
            self._note(when, Kind.GROUP_LEFT, user, text=groups.called(name, when))
            self._note(when, Kind.GROUP_JOINED, user, text=groups.called(other, when))

    def _teachers(self) -> None:
        teachers = sorted(
            user
            for user, roles in self.university.role_holders(self.course).items()
            if "editingteacher" in roles
        )
        if teachers and self._happens(_NEW_TEACHER):
            when = self._between(0.1, 0.7)
            self._note(when, Kind.ENROLLED, _one_of(self.everybody, self.chance), text="editingteacher")
            self._note(self._between(when, 0.8), Kind.LEFT, _one_of(teachers, self.chance))

    def _tutor(self, user: int) -> None:
        since = self._between(0.2, 0.6)
        self._note(since, Kind.ROLE_GIVEN, user, text="teacher")
        if self._happens(0.5):
            self._note(self._between(since, 0.9), Kind.ROLE_TAKEN, user, text="teacher")

    def _note(
        self, when: float, kind: Kind, user: int = 0, *, text: str = "", to: str = "", until: int = 0
    ) -> None:
        self.changes.append((when, Change(self._at(when), kind, self.course, user, text, to, until)))

    def _at(self, when: float) -> int:
        return self.begins + int(when * self.seconds)

    def _between(self, first: float, last: float) -> float:
        return first + (last - first) * self.chance.random()

    def _happens(self, share: float) -> bool:
        return self.chance.random() < share
