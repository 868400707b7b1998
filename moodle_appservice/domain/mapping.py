"""From Moodle's facts and the rules to what a course's room should be: name, settings, and who belongs in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .actions import Note
from .members import Circumstances, DesiredMember, Treatment, members_of
from .model import (
    Category,
    Course,
    CourseFacts,
    CourseId,
    MoodleUserId,
    Resolution,
    RoomAlias,
    UserId,
)
from .power import MARKER
from .rules import Rules
from .shown import shown

MAX_NAME = 200
MAX_TOPIC = 1000
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class DesiredRoom:
    """What the room of a course should be."""

    course_id: CourseId
    alias: RoomAlias
    name: str
    topic: str
    members: Mapping[UserId, DesiredMember]
    notes: tuple[Note, ...]
    enrolled: frozenset[MoodleUserId] = frozenset()
    """Everybody who counts in the course, by a role from above too."""
    treatments: Mapping[MoodleUserId, Treatment] = field(default_factory=dict)
    """What happens to accounts of people who are not simply members, and are not simply gone."""

    @property
    def levels(self) -> dict[UserId, int]:
        """The people whose level differs from the default."""
        return {user: member.level for user, member in self.members.items() if member.level != 0}


def desired_room(
    facts: CourseFacts,
    category: Category | None,
    resolutions: Mapping[MoodleUserId, Resolution],
    rules: Rules,
    *,
    generation: int = 1,
    circumstances: Circumstances | None = None,
) -> DesiredRoom:
    """The whole-course room. `resolutions` holds what is known about the Matrix ids of the people in `facts`."""
    found = members_of(facts, resolutions, rules, circumstances or Circumstances())
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
        members=found.members,
        notes=tuple(found.notes),
        enrolled=found.counted,
        treatments=found.treatments,
    )


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
    text = shown(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
