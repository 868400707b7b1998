"""Events as a homeserver would push them, for tests of the store; and actions as the engine would book them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from itertools import count
from typing import Any

from moodle_appservice.domain.actions import Action, CreateRoom, Invite, Remove, SetPower, SetState
from moodle_appservice.domain.model import CourseId, EventId, MoodleUserId, RoomAlias, RoomId, UserId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.ports import Before, Done, Event
from moodle_appservice.store.books import Books

BOT = UserId("@moodle:uni.test")
SAM = UserId("@sam:uni.test")
TESS = UserId("@tess:uni.test")
ROOM = RoomId("!room")
COURSE = CourseId(42)
_numbers = count(1)


class History:
    """What happens in one room, one millisecond after the other, each state event with the one that it replaced."""

    def __init__(self, room_id: RoomId = ROOM, *, began: int = 1_000) -> None:
        self.room_id = room_id
        self.now = began
        self.last: dict[tuple[str, str], EventId] = {}
        self.events: list[Event] = []
        self.was: dict[str, Any] = {}
        """Who had which membership last."""

    def state(
        self, sender: UserId, event_type: str, content: Mapping[str, Any], state_key: str = ""
    ) -> Event:
        self.now += 1
        event = Event(
            event_id=EventId(f"$e{next(_numbers)}"),
            room_id=self.room_id,
            type=event_type,
            sender=sender,
            content=content,
            timestamp=self.now,
            state_key=state_key,
            replaces=self.last.get((event_type, state_key)),
            prev_membership=self.was.get(state_key) if event_type == "m.room.member" else None,
        )
        if event_type == "m.room.member":
            self.was[state_key] = content.get("membership")
        self.last[event_type, state_key] = event.event_id
        self.events.append(event)
        return event

    def member(self, user: UserId, membership: str, *, by: UserId | None = None) -> Event:
        return self.state(by or user, "m.room.member", {"membership": membership}, user)

    def message(self, sender: UserId, text: str, /, **content: Any) -> Event:
        self.now += 1
        event = Event(
            EventId(f"$e{next(_numbers)}"),
            self.room_id,
            "m.room.message",
            sender,
            {"msgtype": "m.text", "body": text, **content},
            self.now,
        )
        self.events.append(event)
        return event

    def created(self, course_id: CourseId = COURSE, *, generation: int = 1) -> History:
        """A new course room: made by the bot, with name, levels and marker."""
        self.state(BOT, "m.room.create", {"room_version": "12"})
        self.member(BOT, "join")
        self.state(BOT, "m.room.power_levels", {"users": {}})
        self.state(BOT, "m.room.name", {"name": "Algebra"})
        marker = {"site": "uni", "kind": "course", "moodle_id": int(course_id), "generation": generation}
        self.state(BOT, MARKER, marker)
        return self

    def take(self) -> list[Event]:
        """All events since the last take."""
        taken, self.events = self.events, []
        return taken


def lively() -> History:
    """A room with a past in which much was changed more than once."""
    history = History().created()
    for user in (SAM, TESS):
        history.member(user, "invite", by=BOT)
        history.member(user, "join")
    history.state(TESS, "m.room.name", {"name": "Ours"})
    history.member(SAM, "leave")
    history.state(BOT, "m.room.name", {"name": "Algebra II"})
    history.member(SAM, "invite", by=BOT)
    history.state(BOT, "m.room.power_levels", {"users": {TESS: 60}})
    history.member(SAM, "ban", by=TESS)
    return history


def done(action: Action, room_id: RoomId = ROOM, **given: Any) -> Done:
    """An action that was carried out."""
    usual: dict[str, Any] = {"course_id": COURSE, "at": 5_000.0, "signal": "pass"}
    return Done(action=action, room_id=room_id, **{**usual, **given})


def create(course_id: CourseId = COURSE, **levels: int) -> CreateRoom:
    users = {f"@{name}:uni.test": level for name, level in levels.items()}
    content = {
        "room_version": "12",
        "name": "Algebra",
        "topic": "Numbers",
        "power_level_content_override": {"users": users, "ban": 50},
        "initial_state": [
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
            {
                "type": MARKER,
                "state_key": "",
                "content": {"site": "uni", "moodle_id": int(course_id), "generation": 1},
            },
        ],
    }
    return CreateRoom(
        main_room(course_id), RoomAlias(f"#moodle_uni_course_{course_id}:uni.test"), content, "It is on."
    )


def invite(user: UserId = SAM, person: int = 8) -> Invite:
    return Invite(user, MoodleUserId(person), 0, "Active enrolment (student).")


def remove(user: UserId = SAM, person: int = 8) -> Remove:
    return Remove(user, MoodleUserId(person), "No active enrolment in this course.")


def set_name(name: str) -> SetState:
    return SetState("m.room.name", "", {"name": name}, "The name follows Moodle.")


def set_topic(topic: str) -> SetState:
    return SetState("m.room.topic", "", {"topic": topic}, "The topic follows Moodle.")


def set_power(levels: Mapping[UserId, int]) -> SetPower:
    return SetPower({"users": dict(levels), "ban": 50}, levels, "Roles in Moodle changed for 1 people.")


NEW = Before(None, False)


def connections_left_open(before: set[threading.Thread]) -> list[threading.Thread]:
    """Threads of SQLite connections that were opened since and do not end: they keep a process alive."""
    opened = [one for one in threading.enumerate() if one not in before and "connection" in one.name]
    for one in opened:
        one.join(timeout=10)
    return [one for one in opened if one.is_alive()]


async def memberships(books: Books, room_id: RoomId = ROOM) -> dict[str, str]:
    """Everybody but the bot, as the mirror has them."""
    room = await books.mirror.room(room_id)
    assert room is not None
    return {user: str(member.membership) for user, member in room.members.items() if user != BOT}


async def name_of(books: Books) -> Any:
    """The name of the room, as the mirror has it."""
    room = await books.mirror.room(ROOM)
    assert room is not None
    return room.content("m.room.name").get("name")
