"""From Moodle's facts and the rules to what the rooms of a course should be: names, settings, and who belongs there.

`desired_course` gives all rooms of a course. What one room needs of another (its space, the rooms whose members may
join) is told by the other's key, and by its Matrix id as soon as there is one (`markers.stand_in`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .actions import Note
from .attendance import NOT_IN_ROOM, Attendance, Attendances, group_of
from .choices import INTERNAL, chosen_text
from .life import GENERATION, RUNNING, Phase, Stage, marked, stage_of, strictest, word_of
from .markers import alias_of, marker, stand_in
from .members import Circumstances, DesiredMember, Members, Treatment, members_of
from .model import (
    Category,
    CourseFacts,
    CourseId,
    MoodleUserId,
    Resolution,
    RoomAlias,
    RoomId,
    UserId,
    nothing,
)
from .power import BRIDGE, MARKER, Voice, creator_is_above
from .rooms import RoomKey, RoomKind, course_space, main_room
from .rules import Rules
from .shown import shown
from .structure import rooms_of, rules_for
from .tree import entry_of

MAX_NAME = 200
MAX_TOPIC = 1000
TOMBSTONE = "m.room.tombstone"
REPLACED = "This room has been replaced. The course goes on in another one."
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
_GROUP_ORDER = 1000


@dataclass(frozen=True, slots=True)
class DesiredRoom:
    """What one room should be. `rules`: those of its course."""

    key: RoomKey
    alias: RoomAlias
    name: str
    topic: str
    avatar: str
    """`mxc://…`; empty: nothing is said about it."""
    members: Mapping[UserId, DesiredMember]
    notes: tuple[Note, ...]
    rules: Rules
    enrolled: frozenset[MoodleUserId] = frozenset()
    """Everybody who counts in the course, by a role from above too."""
    belonging: frozenset[MoodleUserId] = frozenset()
    """Who of them may be in this room."""
    treatments: Mapping[MoodleUserId, Treatment] = field(default_factory=dict)
    """What happens to accounts of people who are not simply members, and are not simply gone."""
    state: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """Type and state key → what a state event has to say, at least."""
    creation: Mapping[str, Any] = field(default_factory=nothing)
    """`creation_content`: can't be changed in a room that exists."""
    children: Mapping[RoomId, Mapping[str, Any]] = field(default_factory=nothing)
    """Of a space: the rooms below it, with the content of their `m.space.child`."""
    generation: int = 1
    voice: Voice = Voice.ALL
    is_free: bool = False
    """Whether who is in the space, or in the main room, may join without an invite."""
    is_listed: bool = True
    """Whether it hangs in the space above it."""
    is_frozen: bool = False
    """Whether people stay in it who do not belong to the course any more, with their levels."""
    is_made: bool = True
    """Whether it is made where there is none."""
    why: str = ""
    """Why it is not simply open, a sentence."""
    next_look: float | None = None
    """Unix seconds: when the clock alone makes something else of it."""

    @property
    def address(self) -> RoomAlias:
        """The alias under which people find it, whatever its generation."""
        return alias_of(self.key, self.rules)

    @property
    def levels(self) -> dict[UserId, int]:
        """The people whose level differs from the default."""
        return {user: member.level for user, member in self.members.items() if member.level != 0}

    @property
    def not_in_room(self) -> str:
        """Why somebody of the course does not belong in this room, a sentence."""
        return NOT_IN_ROOM.get(self.key.kind, "")


@dataclass(frozen=True, slots=True)
class DesiredCourse:
    """All rooms of a course, in the order in which they are made. `course`: who counts in it, and as what."""

    course_id: CourseId
    rules: Rules
    rooms: tuple[DesiredRoom, ...]
    course: Members
    stage: Stage = RUNNING

    @property
    def entry(self) -> RoomKey:
        """The room that hangs in a space above the course."""
        return entry_of(self.course_id, self.rules.layout)


def desired_course(
    facts: CourseFacts,
    category: Category | None,
    resolutions: Mapping[MoodleUserId, Resolution],
    rules: Rules,
    *,
    choices: Mapping[str, Any] | None = None,
    existing: Mapping[RoomKey, RoomId] | None = None,
    image: str = "",
    circumstances: Circumstances | None = None,
    above: RoomId | None = None,
) -> DesiredCourse:
    """The rooms of a course. `above`: the space of a category, or of the site, in which it hangs.

    `resolutions` holds what is known about the Matrix ids of the people in `facts`; `choices` what people have chosen
    for the course; `existing` the rooms that there are; `image` the picture of the course at the homeserver. A room
    that the course is not to have any more is closed: nobody writes there, nobody is invited, and it hangs in no space.
    One that another has replaced after a reset says so.
    """
    own = rules_for(facts.course, category, rules, choices)
    around = circumstances or Circumstances()
    course = members_of(facts, resolutions, own, around)
    stage = stage_of(facts.course, own.life, now=around.now, archived=word_of(choices or {}))
    builder = _Builder(facts, category, own, choices or {}, dict(existing or {}), course, stage, image, above)
    wanted = rooms_of(facts, own)
    others = sorted(set(existing or {}) - set(wanted), key=lambda key: key.rank)
    rooms = [builder.room(key) for key in wanted]
    rooms += [builder.room(key, closed=True) for key in others if not key.retired]
    rooms += [builder.retired(key) for key in others if key.retired]
    return DesiredCourse(facts.course.id, own, tuple(builder.with_children(rooms)), course, stage)


class _Builder:
    """Builds the rooms of one course."""

    def __init__(
        self,
        facts: CourseFacts,
        category: Category | None,
        rules: Rules,
        choices: Mapping[str, Any],
        existing: Mapping[RoomKey, RoomId],
        course: Members,
        stage: Stage,
        image: str,
        above: RoomId | None,
    ) -> None:
        self._stage = stage
        self._image = image if rules.avatar else ""
        self._above = above
        self._facts = facts
        self._category = category
        self._rules = rules
        self._choices = choices
        self._existing = existing
        self._course = course
        self._attendances = Attendances(facts, course, rules)
        self._has_space = rules.layout == "space"
        self._generation = int(choices.get(GENERATION, 1))

    def room(self, key: RoomKey, *, closed: bool = False) -> DesiredRoom:
        stage = self._stage
        attendance = self._attendances.of(key, closed=closed, invited=stage.invited)
        is_top = key.kind is (RoomKind.SPACE if self._has_space else RoomKind.MAIN)
        return DesiredRoom(
            key=key,
            alias=alias_of(key, self._rules, self._generation),
            name=self._marked(cut(self._name(key), MAX_NAME)),
            topic=cut(self._topic(key), MAX_TOPIC),
            avatar=self._image if key.kind in (RoomKind.SPACE, RoomKind.MAIN) else "",
            members=attendance.members,
            # Each person is spoken of once, and not in every room again.
            notes=self._notes() if key.kind is RoomKind.MAIN else (),
            rules=self._rules,
            enrolled=self._course.counted,
            belonging=attendance.belonging,
            treatments=self._course.treatments,
            state=self._state(key, is_free=attendance.is_free, closed=closed),
            creation=self._creation(key),
            generation=self._generation,
            voice=self._voice(key, closed=closed),
            is_free=attendance.is_free,
            is_listed=not closed and (stage.is_listed or not is_top),
            is_frozen=stage.is_frozen,
            is_made=stage.is_made,
            why=stage.why,
            next_look=stage.until,
        )

    def retired(self, key: RoomKey) -> DesiredRoom:
        """A room that another has replaced: it leads there, and nobody writes in it any more."""
        nobody = Attendance({}, frozenset(), is_free=False)
        current = key.current if key.current in self._existing or self._is_wanted(key.current) else self._main
        said = {"body": REPLACED, "replacement_room": self._id(current)}
        return DesiredRoom(
            key=key,
            alias=alias_of(key, self._rules, key.retired),
            name="",
            topic="",
            avatar="",
            members=nobody.members,
            notes=(),
            rules=self._rules,
            enrolled=self._course.counted,
            state={(TOMBSTONE, ""): said},
            generation=key.retired,
            voice=Voice.NOBODY,
            is_listed=False,
            is_frozen=True,
            is_made=False,
            why=REPLACED,
        )

    def _is_wanted(self, key: RoomKey) -> bool:
        return key in rooms_of(self._facts, self._rules)

    @property
    def _main(self) -> RoomKey:
        return main_room(self._facts.course.id)

    def _marked(self, name: str) -> str:
        """The name, which says of an archived room that it is one."""
        return marked(name, self._rules.life) if self._stage.is_marked else name

    def _notes(self) -> tuple[Note, ...]:
        if self._stage.phase is Phase.RUNNING:
            return tuple(self._course.notes)
        return (*self._course.notes, Note(None, self._stage.why, "phase"))

    def with_children(self, rooms: list[DesiredRoom]) -> list[DesiredRoom]:
        """Hang the rooms into the space of the course, each at its place."""
        children = {
            self._id(room.key): self._child(room.key)
            for room in rooms
            if self._has_space and room.key.kind is not RoomKind.SPACE and room.is_listed
        }
        return [
            replace(room, children=children)
            if room.key.kind is RoomKind.SPACE and not room.key.retired
            else room
            for room in rooms
        ]

    def _child(self, key: RoomKey) -> dict[str, Any]:
        order = key.rank[0] * _GROUP_ORDER
        if key.group:
            groups = sorted(self._facts.groups, key=lambda group: (group.name, group.id))
            order += 1 + [group.id for group in groups].index(key.group)
        via = [self._rules.domain]
        return {"via": via, "order": f"{order:06d}", "suggested": key.kind is RoomKind.MAIN}

    def _name(self, key: RoomKey) -> str:
        own = self._rules.kind(key.kind).name_template
        return self._fill(own, key) if own else self._text("name", self._rules.name_template, key)

    def _topic(self, key: RoomKey) -> str:
        own = self._rules.kind(key.kind).topic_template
        return self._fill(own, key) if own else self._text("topic", self._rules.topic_template, key)

    def _text(self, what: str, template: str, key: RoomKey) -> str:
        chosen = chosen_text(what, self._choices, self._facts.course, self._rules.fields)
        return chosen or self._fill(template, key)

    def _fill(self, template: str, key: RoomKey) -> str:
        course, group = self._facts.course, group_of(self._facts, key)
        text = template.format(
            shortname=course.shortname,
            fullname=course.fullname,
            idnumber=course.idnumber,
            category=self._category.name if self._category else "",
            site=self._rules.site,
            url=self._url,
            group=group.name if group else "",
        )
        return " ".join(text.split())

    @property
    def _url(self) -> str:
        return f"{self._rules.site_url}/course/view.php?id={self._facts.course.id}"

    def _state(self, key: RoomKey, *, is_free: bool, closed: bool) -> dict[tuple[str, str], dict[str, Any]]:
        rules = self._rules
        state: dict[tuple[str, str], dict[str, Any]] = {
            ("m.room.join_rules", ""): self._join_rules(key, is_free=is_free),
            ("m.room.history_visibility", ""): {"history_visibility": rules.history_visibility},
            ("m.room.guest_access", ""): {"guest_access": rules.guest_access},
            (MARKER, ""): marker(
                key,
                rules,
                generation=self._generation,
                choices=self._kept_choices() if key.kind is RoomKind.MAIN else None,
            ),
            (BRIDGE, f"org.moodle_appservice/{rules.site}/course/{key.owner}"): self._bridge(),
        }
        if self._has_space and key.kind is not RoomKind.SPACE and not closed:
            parent = self._id(course_space(self._facts.course.id))
            state["m.space.parent", parent] = {"via": [rules.domain], "canonical": True}
        if (
            self._above is not None
            and self._stage.is_listed
            and key == entry_of(self._facts.course.id, rules.layout)
        ):
            state["m.space.parent", self._above] = {"via": [rules.domain], "canonical": True}
        if rules.retention is not None and not key.kind.is_space:
            state["m.room.retention", ""] = {"max_lifetime": int(rules.retention * 1000)}
        if rules.encryption and not key.kind.is_space:
            state["m.room.encryption", ""] = dict(MEGOLM)
        return state

    def _kept_choices(self) -> dict[str, Any]:
        return {setting: value for setting, value in self._choices.items() if setting not in INTERNAL}

    def _join_rules(self, key: RoomKey, *, is_free: bool) -> dict[str, Any]:
        knock = self._rules.join_rule == "knock_restricted" and key.kind is not RoomKind.STAFF
        if not is_free:
            return {"join_rule": "knock" if knock else "invite"}
        allowed = [course_space(self._facts.course.id)]
        if key.kind is not RoomKind.MAIN:
            allowed.append(main_room(self._facts.course.id))
        return {
            "join_rule": "knock_restricted" if knock else "restricted",
            "allow": [{"type": "m.room_membership", "room_id": self._id(other)} for other in allowed],
        }

    def _bridge(self) -> dict[str, Any]:
        # Nothing that changes with the name of the course, which stands in the room's own name.
        rules = self._rules
        return {
            "bridgebot": rules.bot,
            "creator": rules.bot,
            "protocol": {"id": "moodle", "displayname": "Moodle", "external_url": rules.site_url},
            "channel": {"id": str(self._facts.course.id), "external_url": self._url},
        }

    def _creation(self, key: RoomKey) -> dict[str, Any]:
        content: dict[str, Any] = {"m.federate": self._rules.federate}
        if key.kind.is_space:
            content["type"] = "m.space"
        if self._rules.additional_creators and creator_is_above(self._rules.room_version):
            content["additional_creators"] = list(self._rules.additional_creators)
        before = [
            (old.retired, room_id)
            for old, room_id in self._existing.items()
            if old.retired and old.current == key
        ]
        if before:
            content["predecessor"] = {"room_id": max(before)[1]}
        return content

    def _voice(self, key: RoomKey, *, closed: bool) -> Voice:
        if closed or key.kind.is_space:
            return Voice.NOBODY
        if key.kind is RoomKind.STAFF and self._stage.phase is not Phase.ARCHIVED:
            # What staff say to each other does not end with the course.
            return Voice.ALL
        usual = Voice.STAFF if key.kind is RoomKind.ANNOUNCEMENTS else Voice.ALL
        return strictest(usual, self._stage.voice)

    def _id(self, key: RoomKey) -> RoomId:
        return self._existing.get(key, stand_in(key))


def cut(text: str, limit: int) -> str:
    """A name or topic as it may be shown, of so many characters at most."""
    text = shown(text)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
