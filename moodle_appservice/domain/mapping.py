"""From Moodle's facts and the rules to what a course's room should be.

A person is `required` when the enrolment is active and the account usable; `allowed` (neither invited nor removed)
when Moodle did not tell the account's state: an answer with a hole in it must not remove anybody. A person without a
Matrix id is a note. The level is the highest that any of the person's roles gives, those from above the course too;
who has such a role and is not enrolled is `allowed`, or what `rules.inherited` says, if the role gives a level at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .actions import Note
from .model import (
    Category,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    MoodleUserId,
    Resolution,
    Role,
    RoomAlias,
    UserId,
)
from .power import MARKER
from .rules import Rules

MAX_NAME = 200
MAX_TOPIC = 1000
SCHEMA = 1
_NOT_SHOWN = frozenset(map(chr, (*range(0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Control characters, and those with which a name could turn the text around it."""


@dataclass(frozen=True, slots=True)
class DesiredMember:
    """Somebody who belongs in the room; not `required` means: may be there, is neither invited nor removed."""

    person: MoodleUserId
    level: int
    why: str
    required: bool = True
    guest: bool = False
    """Not enrolled and not invited: counts while in the room."""


@dataclass(frozen=True, slots=True)
class DesiredRoom:
    """What the room of a course should be."""

    course_id: CourseId
    alias: RoomAlias
    name: str
    topic: str
    members: Mapping[UserId, DesiredMember]
    notes: tuple[Note, ...]

    @property
    def levels(self) -> dict[UserId, int]:
        """The people whose level differs from the default."""
        return {user: member.level for user, member in self.members.items() if member.level > 0}


def desired_room(
    facts: CourseFacts,
    category: Category | None,
    resolutions: Mapping[MoodleUserId, Resolution],
    rules: Rules,
    *,
    generation: int = 1,
) -> DesiredRoom:
    """The whole-course room. `resolutions` holds what is known about the Matrix ids of the people in `facts`."""
    members: dict[UserId, DesiredMember] = {}
    notes: list[Note] = []
    for enrolment in facts.enrolments:
        found = _member(enrolment, facts, resolutions.get(enrolment.user_id), rules)
        if isinstance(found, Note):
            notes.append(found)
        else:
            members[found[0]] = found[1]
    for user_id in _from_above(facts, rules):
        found = _member_from_above(user_id, facts, resolutions.get(user_id), rules)
        if isinstance(found, Note):
            # Whom nobody wants to invite is not missed either.
            notes += [found] if rules.inherited == "invite" else []
        elif found[0] not in members:
            members[found[0]] = found[1]
    course = facts.course
    return DesiredRoom(
        course_id=course.id,
        alias=rules.course_alias(course.id, generation),
        name=_cut(
            course.custom_fields.get(rules.fields.name, "")
            or _fill(rules.name_template, course, category, rules),
            MAX_NAME,
        ),
        topic=_cut(
            course.custom_fields.get(rules.fields.topic, "")
            or _fill(rules.topic_template, course, category, rules),
            MAX_TOPIC,
        ),
        members=members,
        notes=tuple(notes),
    )


def _member(
    enrolment: Enrolment, facts: CourseFacts, resolution: Resolution | None, rules: Rules
) -> tuple[UserId, DesiredMember] | Note:
    person = facts.people.get(enrolment.user_id)
    if person is not None and not person.usable:
        return Note(enrolment.user_id, _why_unusable(person.suspended, person.confirmed), "unusable")
    if resolution is None or resolution.matrix_id is None:
        reason = resolution.reason if resolution else "The Matrix account has not been looked up yet."
        return Note(enrolment.user_id, reason, "unresolved")
    above = _roles_above(enrolment.user_id, facts, rules)
    level = level_of(enrolment.roles | above, rules)
    roles = ", ".join(sorted(enrolment.roles)) or "no role"
    known = person is not None
    why = (
        f"Active enrolment ({roles}){_said_of(above - enrolment.roles)}."
        if known
        else "Enrolled, but Moodle did not tell the state of the account."
    )
    return resolution.matrix_id, DesiredMember(enrolment.user_id, level, why, required=known)


def _member_from_above(
    user_id: MoodleUserId, facts: CourseFacts, resolution: Resolution | None, rules: Rules
) -> tuple[UserId, DesiredMember] | Note:
    person = facts.people.get(user_id)
    if person is not None and not person.usable:
        return Note(user_id, _why_unusable(person.suspended, person.confirmed), "unusable")
    if resolution is None or resolution.matrix_id is None:
        reason = resolution.reason if resolution else "The Matrix account has not been looked up yet."
        return Note(user_id, reason, "unresolved")
    roles = facts.inherited[user_id]
    why = f"Not enrolled; a role in a category above or in the whole site ({', '.join(sorted(roles))})."
    required = rules.inherited == "invite" and person is not None
    guest = rules.inherited != "invite"
    return resolution.matrix_id, DesiredMember(user_id, level_of(roles, rules), why, required, guest)


def _said_of(above: frozenset[Role]) -> str:
    return f", and from above ({', '.join(sorted(above))})" if above else ""


def _roles_above(user_id: MoodleUserId, facts: CourseFacts, rules: Rules) -> frozenset[Role]:
    return frozenset() if rules.inherited == "ignore" else facts.inherited.get(user_id, frozenset())


def _from_above(facts: CourseFacts, rules: Rules) -> list[MoodleUserId]:
    """Who is not enrolled and may be there because of a role from above: only one that gives a level counts."""
    if rules.inherited == "ignore":
        return []
    enrolled = {enrolment.user_id for enrolment in facts.enrolments}
    return sorted(
        user_id
        for user_id, roles in facts.inherited.items()
        if user_id not in enrolled and level_of(roles, rules) > 0
    )


def roles_in(facts: CourseFacts, rules: Rules) -> dict[MoodleUserId, frozenset[Role]]:
    """Everybody who counts in the course, with all roles: the enrolled, and who may be there from above."""
    found = {one.user_id: one.roles | _roles_above(one.user_id, facts, rules) for one in facts.enrolments}
    return found | {user_id: facts.inherited[user_id] for user_id in _from_above(facts, rules)}


def level_of(roles: Iterable[Role], rules: Rules) -> int:
    """The highest level that any of these roles gives; unknown roles give 0."""
    return max((rules.levels.get(role, 0) for role in roles), default=0)


def marker(course_id: CourseId, rules: Rules, *, generation: int = 1) -> dict[str, Any]:
    """Content of our marker state event: what makes a room ours, and which one it is."""
    return {
        "site": rules.site,
        "kind": "course",
        "room": "main",
        "moodle_id": int(course_id),
        "generation": generation,
        "schema": SCHEMA,
    }


def creation_content(
    room: DesiredRoom, power: Mapping[str, Any], rules: Rules, *, generation: int = 1
) -> dict[str, Any]:
    """Body of the one createRoom request (client-server API, `POST /createRoom`)."""
    localpart = room.alias[1:].split(":", 1)[0]
    return {
        "room_version": rules.room_version,
        "room_alias_name": localpart,
        "visibility": "private",
        "preset": "private_chat",
        "name": room.name,
        "topic": room.topic,
        "creation_content": {"m.federate": rules.federate},
        "power_level_content_override": dict(power),
        "initial_state": [
            _state("m.room.join_rules", {"join_rule": rules.join_rule}),
            _state("m.room.history_visibility", {"history_visibility": rules.history_visibility}),
            _state("m.room.guest_access", {"guest_access": rules.guest_access}),
            _state(MARKER, marker(room.course_id, rules, generation=generation)),
        ],
    }


def _state(event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": event_type, "state_key": "", "content": dict(content)}


def _why_unusable(suspended: bool, confirmed: bool) -> str:
    if suspended:
        return "The Moodle account is suspended."
    if not confirmed:
        return "The Moodle account is not confirmed."
    return "The Moodle account can't sign in (nologin)."


def _fill(template: str, course: Course, category: Category | None, rules: Rules) -> str:
    text = template.format(
        shortname=course.shortname,
        fullname=course.fullname,
        idnumber=course.idnumber,
        category=category.name if category else "",
        site=rules.site,
        url=f"{rules.site_url}/course/view.php?id={course.id}",
    )
    return " ".join(text.split())


def _cut(text: str, limit: int) -> str:
    text = "".join(letter for letter in text if letter not in _NOT_SHOWN).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
