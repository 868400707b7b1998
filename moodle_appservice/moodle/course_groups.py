"""The groups of a course as the per-course functions tell them: ids and names from the roster, the rest if permitted.

A list of participants names the groups that somebody is in, also those that only their members see, and never says who
may see them. Since Moodle 4.2 only `core_group_get_course_groups` tells that; it needs moodle/course:managegroups, so
it is used where our account has it and never asked for: one refusal, and it is left alone until the next start. Before
Moodle 4.2 every group is visible to all and takes part in activities.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from ..domain.groups import VISIBILITY_SINCE, SeenGroup
from ..domain.model import CourseFacts, CourseId, Enrolment, Group, GroupId, GroupVisibility, MoodleUserId
from . import errors
from .bulk import Call, Outcome
from .group_register import GroupRegister
from .shapes import COURSE_GROUPS, Roster, course_groups

logger = logging.getLogger(__name__)

WHY_UNKNOWN = (
    "Who may see a group in Moodle is not known, so no group gets a room: lists of participants do not tell it. A "
    "report of groups does (moodle.source: reports), or the function core_group_get_course_groups in the service with "
    "the right moodle/course:managegroups, with which our account could also change groups."
)


class CourseGroups:
    """What is known of groups beside the rosters. `register` gives each group its number."""

    def __init__(self, register: GroupRegister | None = None) -> None:
        self.register = register or GroupRegister()
        self.version: tuple[int, int] = (999, 0)
        """Of Moodle; until it is known, groups may be hidden."""
        self.are_listed: bool | None = None
        """Whether our account may list groups; None before it has asked."""

    def why_unknown(self) -> str:
        """Why it is not known who may see a group; empty where it is known."""
        return "" if self.version < VISIBILITY_SINCE or self.are_listed else WHY_UNKNOWN

    def parse(self, course_id: CourseId, answer: Outcome, language: str) -> tuple[Group, ...] | None:
        """The groups that an answer lists; None where it lists none of them, for whatever reason."""
        if not isinstance(answer, errors.MoodleError):
            try:
                found = course_groups(answer, language)
            except errors.BadAnswer as error:
                answer = error
            else:
                self.are_listed = True
                return found
        if isinstance(answer, (errors.MissingCapability, errors.AccessDenied, errors.FunctionMissing)):
            if self.are_listed is None:
                self.are_listed = False
            return None
        logger.info(
            "The groups of course %d could not be listed, so they get no rooms: %s", course_id, answer
        )
        return None

    def place(self, course_id: CourseId, roster: Roster, listed: tuple[Group, ...] | None) -> Roster:
        """A roster whose groups have their own numbers, and all that is known about them."""
        members: dict[GroupId, set[MoodleUserId]] = {group.id: set() for group in roster.groups}
        for enrolment in roster.enrolments:
            for group_id in enrolment.groups:
                members[group_id].add(enrolment.user_id)
        seen = {group.id: self._of_old(group) for group in roster.groups}
        for group in listed or ():
            seen[group.id] = self._of_old(group)
        there = [SeenGroup(seen[number], frozenset(members.get(number, ()))) for number in sorted(seen)]
        placed = self.register.take(course_id, there, whole=False)
        numbers = {before.group.id: after.group.id for before, after in zip(there, placed, strict=True)}
        return replace(
            roster,
            enrolments=_renumbered(roster.enrolments, numbers),
            groups=tuple(one.group for one in placed),
        )

    def _of_old(self, group: Group) -> Group:
        if self.version >= VISIBILITY_SINCE:
            return group
        return replace(group, visibility=GroupVisibility.ALL, participation=True)


def groups_call(course_id: CourseId) -> Call:
    """The call that lists the groups of a course."""
    return COURSE_GROUPS, {"courseid": course_id}


def _renumbered(
    enrolments: tuple[Enrolment, ...], numbers: Mapping[GroupId, GroupId]
) -> tuple[Enrolment, ...]:
    if all(before == after for before, after in numbers.items()):
        return enrolments
    return tuple(
        replace(enrolment, groups=frozenset(numbers[number] for number in enrolment.groups))
        if enrolment.groups
        else enrolment
        for enrolment in enrolments
    )


def fit_groups(facts: CourseFacts, before: CourseFacts) -> tuple[tuple[Group, ...], tuple[Enrolment, ...]]:
    """Groups and enrolments of a single reading, with what only the reports tell.

    Who may see a group and its id number come from the reports; a group that they have not shown yet has none of that.
    Lists of participants leave hidden groups out: who was in one still is.
    """
    fresh = {group.id: group for group in facts.groups}
    told = {group.id: group for group in before.groups}
    groups = [
        replace(group, name=fresh[number].name, moodle_id=fresh[number].moodle_id)
        if number in fresh
        else group
        for number, group in told.items()
    ]
    groups += [group for number, group in fresh.items() if number not in told]
    hidden = {number for number, group in told.items() if group.visibility is GroupVisibility.NONE}
    kept = {one.user_id: one.groups & hidden for one in before.enrolments}
    enrolments = tuple(
        replace(one, groups=one.groups | kept.get(one.user_id, frozenset())) for one in facts.enrolments
    )
    return tuple(groups), enrolments
