"""Who of a course belongs in which of its rooms: from the members of the course to those of one room.

`members` says who counts in the course, and with what level; here each room takes its part. In a course space people
are invited to as few rooms as `rules.invite` says; the others let members of the space, and of the main room, in. Who
may come in that way is `free`: not invited, not removed. Staff rooms and the rooms of groups that are not open to the
whole course let nobody in by themselves, so their people are always invited. Virtual users hold places in the main
room and in groups, where a teacher looks for the whole class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from .life import Invited
from .members import DesiredMember, Members, level_of, roles_in
from .model import CourseFacts, Group, MoodleUserId, Role, UserId
from .power import MUTED_LEVEL, STAFF_LEVEL
from .rooms import RoomKey, RoomKind
from .rules import Rules
from .structure import is_open

NOT_IN_ROOM: Mapping[RoomKind, str] = {
    RoomKind.STAFF: "Has no role of the staff in this course any more.",
    RoomKind.GROUP: "Is not in this group any more.",
}


@dataclass(frozen=True, slots=True)
class Attendance:
    """The members of one room. `belonging`: the people who may be there; `is_free`: they may join by themselves."""

    members: Mapping[UserId, DesiredMember]
    belonging: frozenset[MoodleUserId]
    is_free: bool


class Attendances:
    """The members of all rooms of a course. `rules`: those of this course (`structure.rules_for`)."""

    def __init__(self, facts: CourseFacts, course: Members, rules: Rules) -> None:
        self._facts = facts
        self._course = course
        self._rules = rules
        self._roles = roles_in(facts, rules)
        self._groups = {group.id: group for group in facts.groups}
        self._in_groups = {one.user_id: one.groups for one in facts.enrolments}

    def of(self, key: RoomKey, *, closed: bool = False, invited: Invited = Invited.EVERYBODY) -> Attendance:
        """The members of one room. `closed`: nobody is invited any more, and who is there may stay.

        Of a group that is gone nobody knows any more who was in it, so everybody in the course may stay. `invited`:
        whom the stage of the course lets in; the others may stay where they are.
        """
        free = self._is_free(key) and not closed
        everybody = closed and key.kind is RoomKind.GROUP and key.group not in self._groups
        found: dict[UserId, DesiredMember] = {}
        for user, member in self._course.members.items():
            if not everybody and not self._belongs(key, member):
                continue
            comes = not closed and self._is_let_in(member, invited)
            required = member.required and comes and (not free or self._is_invited(key, member))
            level = self._level(key, member)
            is_free = free and comes and not member.virtual and not member.guest
            welcome = member.welcome and comes
            # A copy of each of thousands takes longer than everything else here.
            same = (level, required, is_free, welcome)
            if same == (member.level, member.required, member.free, member.welcome):
                found[user] = member
            else:
                found[user] = replace(member, level=level, required=required, free=is_free, welcome=welcome)
        belonging = {member.person for member in found.values()} | {
            person for person in self._course.counted if everybody or self._admits(key, person)
        }
        return Attendance(found, frozenset(belonging), free)

    def _is_free(self, key: RoomKey) -> bool:
        if self._rules.layout != "space" or self._rules.join_rule == "invite":
            return False
        match key.kind:
            case RoomKind.MAIN | RoomKind.ANNOUNCEMENTS:
                return True
            case RoomKind.GROUP:
                group = self._groups.get(key.group)
                return group is not None and is_open(group, self._facts.course.group_mode)
            case _:
                return False

    def _is_let_in(self, member: DesiredMember, invited: Invited) -> bool:
        """Whether the stage of the course lets somebody in: staff by their roles, whatever level the account has."""
        match invited:
            case Invited.EVERYBODY:
                return True
            case Invited.STAFF:
                return level_of(self._roles.get(member.person, ()), self._rules) >= STAFF_LEVEL
            case Invited.NOBODY:
                return False
            case _ as unreachable:
                assert_never(unreachable)

    def _is_invited(self, key: RoomKey, member: DesiredMember) -> bool:
        """Whether somebody is invited although the room lets them in."""
        if self._rules.invite == "all":
            return True
        if member.virtual:
            return key.kind is RoomKind.MAIN or self._is_in_group(key, member.person)
        return key.kind is RoomKind.MAIN and self._rules.invite == "space+main"

    def _belongs(self, key: RoomKey, member: DesiredMember) -> bool:
        if member.virtual and key.kind not in (RoomKind.MAIN, RoomKind.GROUP):
            return False
        if key.kind is RoomKind.STAFF:
            # What the staff say of students needs a level that the account may have, not only the role.
            return member.level >= STAFF_LEVEL
        return self._admits(key, member.person)

    def _admits(self, key: RoomKey, person: MoodleUserId) -> bool:
        """Whether a person may be in a room, whatever the account."""
        match key.kind:
            case RoomKind.STAFF:
                return level_of(self._roles.get(person, ()), self._rules) >= STAFF_LEVEL
            case RoomKind.GROUP:
                return self._is_in_group(key, person) or self._is_free(key)
            case _:
                return True

    def _is_in_group(self, key: RoomKey, person: MoodleUserId) -> bool:
        if key.kind is not RoomKind.GROUP:
            return False
        roles: frozenset[Role] = self._roles.get(person, frozenset())
        return key.group in self._in_groups.get(person, ()) or bool(roles & self._rules.all_groups_roles)

    def _level(self, key: RoomKey, member: DesiredMember) -> int:
        """The level in this room: that of the course, unless the rules give the roles another one here."""
        levels = self._rules.kind(key.kind).levels
        if not levels or member.level in (0, MUTED_LEVEL) or member.virtual:
            # Whose account is not trusted with a level has none in any room.
            return member.level
        own = {**self._rules.levels, **levels}
        return max((own.get(role, 0) for role in self._roles.get(member.person, ())), default=0)


def group_of(facts: CourseFacts, key: RoomKey) -> Group | None:
    """The group whose room this is."""
    return next((group for group in facts.groups if group.id == key.group), None) if key.group else None
