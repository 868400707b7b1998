"""What can happen to a university in a term: one `Change` is one thing, at one moment, and `make` does it.

A change names its course and its people by id and a group by its name, so that a history can be written before any
of it has happened. What somebody else's hand has made impossible meanwhile (the course was deleted, the person has
left) does nothing, as a clerk who comes too late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from .records import Group
from .university import University


class Kind(StrEnum):
    """What happens; the comment says which fields of a `Change` tell more."""

    ENROLLED = "enrolled"  # text: the role; until: the end of the enrolment, 0 for none
    LEFT = "left"
    PAUSED = "enrolment suspended"
    RESUMED = "enrolment resumed"
    ROLE_GIVEN = "role given"  # text: the role
    ROLE_TAKEN = "role taken"  # text: the role
    GROUP_MADE = "group made"  # text: its name
    GROUP_RENAMED = "group renamed"  # text: its name, to: the new one
    GROUP_JOINED = "group joined"  # text: its name
    GROUP_LEFT = "group left"  # text: its name
    ACCOUNT_SUSPENDED = "account suspended"
    ACCOUNT_RESTORED = "account restored"
    NAME_CHANGED = "name changed"  # text: the new last name
    COURSE_RENAMED = "course renamed"  # text: the new full name
    COURSE_DATED = "course dated"  # until: its end
    COURSE_HIDDEN = "course hidden"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happens; `at` and `until` are Unix seconds, `course` and `user` are 0 where there is none."""

    at: int
    kind: Kind
    course: int = 0
    user: int = 0
    text: str = ""
    to: str = ""
    until: int = 0


def make(university: University, change: Change) -> None:
    """Let it happen; nothing happens where it is not possible any more."""
    if change.course and change.course not in university.courses:
        return
    if change.user and (change.user not in university.people or university.people[change.user].deleted):
        return
    _MAKE[change.kind](university, change)


def _enrol(university: University, change: Change) -> None:
    university.enrol(change.user, change.course, change.text, timeend=change.until)


def _leave(university: University, change: Change) -> None:
    university.unenrol(change.user, change.course)


def _pause(university: University, change: Change) -> None:
    for enrolment in university.enrolments(change.course, change.user):
        enrolment.suspended = change.kind is Kind.PAUSED


def _role(university: University, change: Change) -> None:
    if change.kind is Kind.ROLE_TAKEN:
        university.unassign_role(change.user, change.course, change.text)
    elif university.enrolments(change.course, change.user):
        university.assign_role(change.user, change.course, change.text)


def _make_group(university: University, change: Change) -> None:
    if _group(university, change) is None:
        university.add_group(change.course, change.text)


def _change_group(university: University, change: Change) -> None:
    group = _group(university, change)
    if group is None:
        return
    if change.kind is Kind.GROUP_RENAMED:
        group.name = change.to
    elif change.kind is Kind.GROUP_LEFT:
        group.members.discard(change.user)
    elif university.enrolments(change.course, change.user):
        group.members.add(change.user)


def _group(university: University, change: Change) -> Group | None:
    return next((group for group in university.groups_in(change.course) if group.name == change.text), None)


def _account(university: University, change: Change) -> None:
    person = university.people[change.user]
    if change.kind is Kind.NAME_CHANGED:
        person.lastname = change.text
    else:
        person.suspended = change.kind is Kind.ACCOUNT_SUSPENDED
    person.timemodified = university.now()


def _course(university: University, change: Change) -> None:
    course = university.courses[change.course]
    if change.kind is Kind.COURSE_RENAMED:
        course.fullname = change.text
    elif change.kind is Kind.COURSE_DATED:
        course.enddate = change.until
    else:
        university.hide_course(course.id)
    course.timemodified = course.cacherev = university.now()


_MAKE: dict[Kind, Callable[[University, Change], None]] = {
    Kind.ENROLLED: _enrol,
    Kind.LEFT: _leave,
    Kind.PAUSED: _pause,
    Kind.RESUMED: _pause,
    Kind.ROLE_GIVEN: _role,
    Kind.ROLE_TAKEN: _role,
    Kind.GROUP_MADE: _make_group,
    Kind.GROUP_RENAMED: _change_group,
    Kind.GROUP_JOINED: _change_group,
    Kind.GROUP_LEFT: _change_group,
    Kind.ACCOUNT_SUSPENDED: _account,
    Kind.ACCOUNT_RESTORED: _account,
    Kind.NAME_CHANGED: _account,
    Kind.COURSE_RENAMED: _course,
    Kind.COURSE_DATED: _course,
    Kind.COURSE_HIDDEN: _course,
}
"""What each kind does; a kind without an entry is a test that fails."""
