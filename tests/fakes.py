"""The outside world in memory, behind the ports: a clock that tests move, a Moodle, and a small homeserver.

`FakeHomeserver` knows what unit tests need of rooms: state with its chain of replacements, memberships with the
refusals that matter, aliases. What happens in it waits in `outbox` until `push` (or a ping, as at a real one) hands it
to `sink`. Every request of the bot is in `requests`; `refuse` makes one of them fail; `before` runs ahead of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from types import MappingProxyType
from typing import Any

from moodle_appservice.domain.model import (
    Category,
    CategoryId,
    Course,
    CourseFacts,
    CourseId,
    Enrolment,
    EventId,
    Group,
    GroupId,
    GroupVisibility,
    MoodleUserId,
    Person,
    Role,
    RoomAlias,
    RoomId,
    SiteFacts,
    SiteInfo,
    UserId,
)
from moodle_appservice.domain.power import power_levels
from moodle_appservice.domain.rooms import RoomKey
from moodle_appservice.domain.rules import Rules
from moodle_appservice.errors import (
    AliasTaken,
    AlreadyThere,
    AppError,
    CourseGone,
    NoAdminRights,
    NotThere,
    PermanentFailure,
    RoomGone,
)
from moodle_appservice.ports import Event

Sink = Callable[[Sequence[Event]], Awaitable[None]]
MEMBER = "m.room.member"
_COPIED = frozenset(
    {
        *(
            "m.room.join_rules",
            "m.room.name",
            "m.room.topic",
            "m.room.history_visibility",
            "m.room.guest_access",
        ),
        *("m.room.power_levels", "m.room.canonical_alias", "m.space.child"),
    }
)
"""What comes along when a room is replaced."""


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


class FakeFacts:
    """A Moodle in memory. `trouble`: what a reading raises, by course id, user id (`person:5`) or `site`."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.url = "https://moodle.uni.test"
        self.courses: dict[CourseId, Course] = {}
        self.categories: dict[CategoryId, Category] = {}
        self.add_category("Mathematics", 1, 3)
        self.enrolments: dict[CourseId, dict[MoodleUserId, frozenset[Role]]] = {}
        self.groups: dict[CourseId, dict[GroupId, tuple[Group, frozenset[MoodleUserId]]]] = {}
        """Of each course: the groups with those who are in them."""
        self.people: dict[MoodleUserId, Person] = {}
        self.hidden: set[MoodleUserId] = set()
        self.apart: dict[MoodleUserId, Person | None] = {}
        """What `person` says where it is not what a course says: one of the two is an older reading."""
        self.unreadable: set[CourseId] = set()
        self.doubts: dict[CourseId, str] = {}
        self.confirmed: list[CourseId] = []
        self.known_leavers: dict[CourseId, frozenset[MoodleUserId]] = {}
        self.trouble: dict[str, AppError] = {}
        self.expected = ""
        self.readings: list[tuple[str, float]] = []
        self.ahead: list[frozenset[CourseId]] = []
        """The courses of each reading in bulk."""
        self.memory: dict[CourseId, CourseFacts] = {}
        """What was read ahead."""

    def add_course(self, number: int, **given: Any) -> CourseId:
        course_id = CourseId(number)
        usual = {"shortname": f"C{number}", "fullname": f"Course {number}", "category_id": 3, "visible": True}
        self.courses[course_id] = Course(id=course_id, **{**usual, **given})
        self.enrolments[course_id] = {}
        return course_id

    def add_category(self, name: str, *path: int, **given: Any) -> CategoryId:
        """A category, or another version of it. `path`: the numbers from the top down to itself."""
        numbers = tuple(CategoryId(one) for one in path)
        parent = numbers[-2] if len(numbers) > 1 else None
        usual = {"sort_order": numbers[-1] * 10_000}
        self.categories[numbers[-1]] = Category(numbers[-1], name, parent, numbers, **{**usual, **given})
        return numbers[-1]

    def add_person(self, number: int, **given: Any) -> MoodleUserId:
        usual: dict[str, Any] = {
            "username": f"p{number}",
            "full_name": f"Person {number}",
            "suspended": False,
            "confirmed": True,
            "auth": "manual",
        }
        self.people[MoodleUserId(number)] = Person(id=MoodleUserId(number), **{**usual, **given})
        return MoodleUserId(number)

    def enrol(self, course_id: CourseId, *numbers: int, role: str = "student") -> None:
        for number in numbers:
            if MoodleUserId(number) not in self.people:
                self.add_person(number)
            self.enrolments[course_id][MoodleUserId(number)] = frozenset({Role(role)})

    def group(self, course_id: CourseId, number: int, name: str, *members: int, **given: Any) -> GroupId:
        """A group that everybody in the course sees, with these people in it."""
        usual = {"visibility": GroupVisibility.ALL, "participation": True, "moodle_id": number}
        group = Group(GroupId(number), name, **{**usual, **given})
        people = frozenset(MoodleUserId(member) for member in members)
        self.groups.setdefault(course_id, {})[group.id] = (group, people)
        return group.id

    def unenrol(self, course_id: CourseId, *numbers: int) -> None:
        for number in numbers:
            del self.enrolments[course_id][MoodleUserId(number)]

    async def explained(self, course_id: CourseId) -> frozenset[MoodleUserId]:
        return self.known_leavers.get(course_id, frozenset())

    async def site_info(self) -> SiteInfo:
        return SiteInfo(self.url, "Uni", "5.1", MoodleUserId(2), frozenset())

    def expect(self, url: str) -> None:
        self.expected = url

    async def site(self, *, not_older_than: float) -> SiteFacts:
        self._read("site", not_older_than)
        readable = {
            number: course for number, course in self.courses.items() if number not in self.unreadable
        }
        return SiteFacts(
            await self.site_info(),
            dict(self.categories),
            readable,
            self.clock.now(),
            frozenset(self.unreadable),
        )

    async def course_facts(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts:
        self._read(str(course_id), not_older_than)
        if course_id not in self.courses:
            raise CourseGone(f"Course {course_id} does not exist.")
        return self._facts(course_id)

    def _facts(self, course_id: CourseId) -> CourseFacts:
        groups = self.groups.get(course_id, {})
        enrolments = tuple(
            Enrolment(
                user, roles, frozenset(number for number, (_, there) in groups.items() if user in there)
            )
            for user, roles in self.enrolments[course_id].items()
        )
        people = {user: self.people[user] for user in self.enrolments[course_id] if user not in self.hidden}
        shown = tuple(group for group, _ in groups.values())
        return CourseFacts(self.courses[course_id], enrolments, people, shown, self.clock.now())

    async def person(self, user_id: MoodleUserId, *, not_older_than: float) -> Person | None:
        self._read(f"person:{user_id}", not_older_than)
        return None if user_id in self.hidden else self.apart.get(user_id, self.people.get(user_id))

    @property
    def held(self) -> Mapping[CourseId, str]:
        return self.doubts

    async def confirm(self, course_ids: Iterable[CourseId]) -> None:
        self.confirmed += course_ids

    def remembered(self, course_id: CourseId, *, not_older_than: float) -> CourseFacts | None:
        facts = self.memory.get(course_id)
        return facts if facts is not None and facts.read_at >= not_older_than else None

    async def prefetch(
        self, course_ids: Sequence[CourseId], *, not_older_than: float, thorough: bool = False
    ) -> None:
        self._read("prefetch", not_older_than)
        self.ahead.append(frozenset(course_ids))
        for course_id in course_ids:
            self.memory.pop(course_id, None)
            if str(course_id) not in self.trouble:
                self.memory[course_id] = self._facts(course_id)

    def _read(self, what: str, not_older_than: float) -> None:
        self.readings.append((what, not_older_than))
        if what in self.trouble:
            raise self.trouble[what]


class FakeHomeserver:
    """Implements `ports.Matrix` and `ports.RoomOffice`; `at`: its clock in milliseconds, one more with every event."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.bot = rules.bot
        self.rooms: dict[RoomId, dict[tuple[str, str], Event]] = {}
        self.aliases: dict[str, RoomId] = {}
        self.outbox: list[Event] = []
        self.sink: Sink | None = None
        self.requests: list[tuple[str, ...]] = []
        self.sent: list[Mapping[str, Any]] = []
        """Contents of messages."""
        self.timeline: list[Event] = []
        """Messages that are there, the oldest first."""
        self.at = 1_000_000_000
        self.pushes_on_ping = True
        self.is_admin = False
        """Whether the bot is an administrator of this homeserver."""
        self._refusals: dict[tuple[str, ...], list[Exception | None]] = {}
        self._before: dict[str, Callable[[], Awaitable[None]]] = {}
        self._numbers = count(1)

    # What tests do

    def refuse(self, *request: str, error: Exception, times: int = 1_000_000, after: int = 0) -> None:
        """Requests that begin with these words fail: `refuse("invite", "!r1", "@p1:uni.test", error=…)`."""
        self._refusals[request] = [*([None] * after), *([error] * min(times, 1000))]

    def allow(self, *request: str) -> None:
        """Take a refusal back."""
        del self._refusals[request]

    def before(self, kind: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run something when the next request of a kind has arrived and nothing of it is done yet."""
        self._before[kind] = run

    def made(self, kind: str) -> list[tuple[str, ...]]:
        """The requests of one kind so far, without the kind."""
        return [request[1:] for request in self.requests if request[0] == kind]

    def forget_requests(self) -> list[tuple[str, ...]]:
        """All requests so far; the list is empty afterwards."""
        seen, self.requests = self.requests, []
        return seen

    async def push(self) -> None:
        """Hand over what has happened, in one batch; where the sink fails, it stays for the next push."""
        events = list(self.outbox)
        if events and self.sink is not None:
            await self.sink(events)
            self.outbox = self.outbox[len(events) :]

    def room_under(self, alias: str) -> RoomId:
        return self.aliases[alias]

    def members(self, room_id: RoomId) -> dict[str, str]:
        """Everybody but the bot with their membership."""
        return {
            key: event.content["membership"]
            for (kind, key), event in self.rooms[room_id].items()
            if kind == MEMBER and key != self.bot
        }

    def content(self, room_id: RoomId, event_type: str) -> Mapping[str, Any]:
        return self.rooms[room_id][event_type, ""].content

    def act(
        self, room_id: RoomId, sender: str, event_type: str, state_key: str, content: Mapping[str, Any]
    ) -> EventId:
        """A state event by anybody."""
        state = self.rooms[room_id]
        before = state.get((event_type, state_key))
        if before is not None and before.content == content and before.sender == sender:
            return before.event_id
        self.at += 1
        event = Event(
            event_id=EventId(f"$e{next(self._numbers)}"),
            room_id=room_id,
            type=event_type,
            sender=UserId(sender),
            content=MappingProxyType(dict(content)),
            timestamp=self.at,
            state_key=state_key,
            replaces=before.event_id if before else None,
            prev_membership=before.content.get("membership") if before else None,
        )
        state[event_type, state_key] = event
        self.outbox.append(event)
        return event.event_id

    def member(self, room_id: RoomId, user: str, membership: str, *, by: str | None = None) -> None:
        """A change of membership; by the person where nobody else is named."""
        self.act(room_id, by or user, MEMBER, user, {"membership": membership})

    def admit(self, room_id: RoomId, user: str) -> None:
        """Somebody joins without an invite, as a member of another room (a restricted join)."""
        vouched = {"membership": "join", "join_authorised_via_users_server": self.bot}
        self.act(room_id, user, MEMBER, user, vouched)

    def say(self, room_id: RoomId, sender: str, text: str) -> Event:
        """A message by anybody."""
        self.at += 1
        event = Event(
            EventId(f"$e{next(self._numbers)}"),
            room_id,
            "m.room.message",
            UserId(sender),
            {"msgtype": "m.text", "body": text},
            self.at,
        )
        self.outbox.append(event)
        return event

    def found(
        self,
        *,
        creator: str,
        alias: str | None = None,
        version: str = "12",
        predecessor: RoomId | None = None,
        content: Mapping[str, Any] = MappingProxyType({}),
    ) -> RoomId:
        """A room with nothing in it but its creator."""
        room_id = RoomId(f"!r{next(self._numbers)}")
        self.rooms[room_id] = {}
        created: dict[str, Any] = {**content, "room_version": version}
        if predecessor is not None:
            created["predecessor"] = {"room_id": predecessor}
        self.act(room_id, creator, "m.room.create", "", created)
        self.member(room_id, creator, "join")
        if alias is not None:
            self.aliases[alias] = room_id
            self.act(room_id, creator, "m.room.canonical_alias", "", {"alias": alias})
        return room_id

    def upgraded(self, room_id: RoomId, version: str, *, by: str, into: RoomId | None = None) -> RoomId:
        """Somebody replaces a room by another, as Synapse does it; `into`: by one that exists."""
        old = dict(self.rooms[room_id])
        new = into or self.found(creator=by, version=version, predecessor=room_id)
        if into is None:
            for (kind, key), event in old.items():
                is_ban = kind == MEMBER and event.content["membership"] == "ban"
                if is_ban or kind in _COPIED:
                    content = dict(event.content)
                    if kind == "m.room.power_levels" and int(version) >= 12:
                        users = {user: level for user, level in content["users"].items() if user != by}
                        content["users"] = users
                    self.act(new, by, kind, key, content)
            self.aliases = {name: new if room == room_id else room for name, room in self.aliases.items()}
        self.act(room_id, by, "m.room.tombstone", "", {"body": "", "replacement_room": new})
        return new

    def found_as(self, room_id: RoomId, *, creator: str) -> None:
        """The same under an id of the test's, with the bot invited, and without a push."""
        self.rooms[room_id] = {}
        self.member(room_id, creator, "join")
        self.member(room_id, self.bot, "invite", by=creator)
        del self.outbox[-2:]

    def lose(self, room_id: RoomId, *, alias: bool = True) -> None:
        """The homeserver does not have this room any more, nor (`alias`) an alias that leads to it."""
        del self.rooms[room_id]
        if alias:
            self.aliases = {name: room for name, room in self.aliases.items() if room != room_id}

    # What the bot asks for

    async def create_room(self, content: Mapping[str, Any]) -> RoomId:
        alias = f"#{content['room_alias_name']}:{self.rules.domain}"
        await self._arrives("create_room", alias)
        if alias in self.aliases:
            raise AliasTaken(f"The alias {alias} exists already.")
        version = content["room_version"]
        creation = content.get("creation_content", {})
        room_id = self.found(creator=self.bot, alias=alias, version=version, content=creation)
        levels = {**power_levels(version, self.rules, {}), "historical": 100}
        levels.update(content.get("power_level_content_override", {}))
        self.act(room_id, self.bot, "m.room.power_levels", "", levels)
        for event in content.get("initial_state", ()):
            self.act(room_id, self.bot, event["type"], event["state_key"], event["content"])
        for key in ("name", "topic"):
            if key in content:
                self.act(room_id, self.bot, f"m.room.{key}", "", {key: content[key]})
        self.act(room_id, self.bot, "m.room.canonical_alias", "", {"alias": alias})
        return room_id

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        await self._arrives("resolve_alias", alias)
        return self.aliases.get(alias)

    async def delete_alias(self, alias: RoomAlias) -> None:
        await self._arrives("delete_alias", alias)
        self.aliases.pop(alias, None)

    async def put_alias(self, alias: RoomAlias, room_id: RoomId) -> None:
        await self._arrives("put_alias", alias, room_id)
        if self.aliases.setdefault(alias, room_id) != room_id:
            raise AliasTaken(f"The alias {alias} leads elsewhere.")

    async def joined_rooms(self) -> frozenset[RoomId]:
        await self._arrives("joined_rooms")
        return frozenset(room_id for room_id in self.rooms if self._is_in(room_id))

    async def give_power(self, room_id: RoomId, user_id: UserId) -> None:
        await self._arrives("give_power", room_id)
        if not self.is_admin:
            raise NoAdminRights("The bot is no server administrator. Nothing was changed.")
        power = dict(self.content(room_id, "m.room.power_levels"))
        version = str(self.content(room_id, "m.room.create")["room_version"])
        creator = self.rooms[room_id]["m.room.create", ""].sender
        powerful = {user for user, level in power["users"].items() if level >= 100}
        powerful |= {creator} if int(version) >= 12 else set()
        there = {user for user, membership in self.members(room_id).items() if membership == "join"}
        if not powerful & there:
            raise PermanentFailure("No local admin user in room")
        by = sorted(powerful & there)[0]
        power["users"] = {**power["users"], user_id: 100}
        self.act(room_id, by, "m.room.power_levels", "", power)
        if not self._is_in(room_id):
            self.member(room_id, user_id, "invite", by=by)

    async def state_of(self, room_id: RoomId) -> Sequence[Event]:
        await self._arrives("state_of", room_id)
        if not self.is_admin:
            raise NoAdminRights("The bot is no server administrator. Nothing was changed.")
        # What was there before is told by a push alone.
        return [replace(event, prev_membership=None) for event in self.rooms[room_id].values()]

    async def upgrade(self, room_id: RoomId, version: str) -> RoomId:
        await self._arrives("upgrade", room_id, version)
        self._must_be_in(room_id)
        return self.upgraded(room_id, version, by=self.bot)

    async def read_state(self, room_id: RoomId) -> Sequence[Event]:
        await self._arrives("read_state", room_id)
        self._must_be_in(room_id)
        return [replace(event, prev_membership=None) for event in self.rooms[room_id].values()]

    async def get_state(
        self, room_id: RoomId, event_type: str, state_key: str = ""
    ) -> Mapping[str, Any] | None:
        await self._arrives("get_state", room_id, event_type)
        if not self._is_in(room_id):
            return None
        event = self.rooms[room_id].get((event_type, state_key))
        return event.content if event else None

    async def get_state_event(self, room_id: RoomId, event_type: str, state_key: str) -> Event | None:
        await self._arrives("get_state", room_id, event_type)
        event = self.rooms[room_id].get((event_type, state_key)) if self._is_in(room_id) else None
        return replace(event, prev_membership=None) if event else None

    async def set_state(
        self, room_id: RoomId, event_type: str, state_key: str, content: Mapping[str, Any]
    ) -> EventId:
        await self._arrives("set_state", room_id, event_type)
        self._must_be_in(room_id)
        return self.act(room_id, self.bot, event_type, state_key, content)

    async def invite(self, room_id: RoomId, user_id: UserId, reason: str = "") -> None:
        await self._arrives("invite", room_id, user_id, *([reason] if reason else []))
        self._must_be_in(room_id)
        if self.members(room_id).get(user_id) == "join":
            raise AlreadyThere(f"{user_id} is in the room already.")
        self.act(room_id, self.bot, MEMBER, user_id, {"membership": "invite"})

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str) -> None:
        await self._arrives("kick", room_id, user_id)
        self._must_be_in(room_id)
        if self.members(room_id).get(user_id) not in ("join", "invite", "knock"):
            raise NotThere(f"{user_id} is not in the room.")
        self.act(room_id, self.bot, MEMBER, user_id, {"membership": "leave", "reason": reason})

    async def ban(self, room_id: RoomId, user_id: UserId, reason: str) -> None:
        await self._arrives("ban", room_id, user_id)
        self._must_be_in(room_id)
        self.act(room_id, self.bot, MEMBER, user_id, {"membership": "ban", "reason": reason})

    async def unban(self, room_id: RoomId, user_id: UserId) -> None:
        await self._arrives("unban", room_id, user_id)
        self._must_be_in(room_id)
        if self.members(room_id).get(user_id) != "ban":
            raise NotThere(f"{user_id} is not banned.")
        self.act(room_id, self.bot, MEMBER, user_id, {"membership": "leave"})

    async def purge(self, room_id: RoomId) -> None:
        await self._arrives("purge", room_id)
        if room_id in self.rooms:
            self.lose(room_id)

    async def export(self, room_id: RoomId, key: RoomKey) -> None:
        await self._arrives("export", room_id, str(key))
        self._must_be_in(room_id)

    async def join_as(self, room_id: RoomId, user_id: UserId) -> None:
        await self._arrives("join_as", room_id, user_id)
        if self.members(room_id).get(user_id) not in ("invite", "join") and self._lets_in(room_id, user_id):
            self.admit(room_id, user_id)
            return
        if self.members(room_id).get(user_id) not in ("invite", "join"):
            raise PermanentFailure(f"{user_id} is not invited to the room {room_id}.")
        self.member(room_id, user_id, "join")

    async def force_join(self, room_id: RoomId, user_id: UserId) -> None:
        await self._arrives("force_join", room_id, user_id)
        self._must_be_in(room_id)
        if self.members(room_id).get(user_id) != "invite":
            self.member(room_id, user_id, "invite", by=self.bot)
        self.member(room_id, user_id, "join")

    async def join(self, room_id: RoomId) -> None:
        await self._arrives("join", room_id)
        if room_id not in self.rooms or not any(
            kind == MEMBER and event.content["membership"] == "join"
            for (kind, _), event in self.rooms[room_id].items()
        ):
            raise RoomGone(f"Nobody is in {room_id}.")
        if not self._may_join(room_id):
            raise PermanentFailure(f"The bot is not invited to {room_id}.")
        self.member(room_id, self.bot, "join")

    async def leave(self, room_id: RoomId) -> None:
        await self._arrives("leave", room_id)
        self.member(room_id, self.bot, "leave")

    async def send(
        self, room_id: RoomId, content: Mapping[str, Any], txn_id: str, *, as_user: UserId | None = None
    ) -> EventId:
        await self._arrives("send", room_id, txn_id, str(content.get("body")))
        self.sent.append(content)
        event_id = EventId(f"$m{next(self._numbers)}")
        sender = as_user or self.bot
        self.timeline.append(Event(event_id, room_id, "m.room.message", sender, content, self.at))
        return event_id

    async def redact(
        self, room_id: RoomId, event_id: EventId, txn_id: str, *, as_user: UserId | None = None
    ) -> None:
        await self._arrives("redact", room_id, event_id)
        self.timeline = [event for event in self.timeline if event.event_id != event_id]

    async def messages(
        self, room_id: RoomId, *, senders: Collection[UserId], since: float, most: int = 1000
    ) -> Sequence[Event]:
        await self._arrives("messages", room_id)
        return [
            event
            for event in reversed(self.timeline)
            if event.room_id == room_id and event.sender in senders and event.timestamp >= since * 1000
        ][:most]

    async def react(self, room_id: RoomId, event_id: EventId, key: str, txn_id: str) -> EventId:
        await self._arrives("react", room_id, event_id, key, txn_id)
        return EventId(f"$m{next(self._numbers)}")

    async def direct_room(self, user_id: UserId) -> RoomId:
        await self._arrives("direct_room", user_id)
        room_id = self.found(creator=self.bot)
        self.member(room_id, user_id, "invite", by=self.bot)
        return room_id

    async def upload(self, data: bytes, content_type: str) -> str:
        await self._arrives("upload", content_type)
        return f"mxc://uni.test/{next(self._numbers)}"

    async def ping(self) -> None:
        await self._arrives("ping")
        if self.pushes_on_ping:
            await self.push()

    async def _arrives(self, *request: str) -> None:
        self.requests.append(request)
        run = self._before.pop(request[0], None)
        if run is not None:
            await run()
        for length in range(len(request), 0, -1):
            answers = self._refusals.get(request[:length])
            if answers:
                error = answers.pop(0)
                if error is not None:
                    raise error
                break

    def _lets_in(self, room_id: RoomId, user_id: UserId) -> bool:
        """Whether the join rules of a room admit who is in another one."""
        rules = self.content(room_id, "m.room.join_rules")
        rooms = [allowed["room_id"] for allowed in rules.get("allow", ())]
        return any(self.members(RoomId(room)).get(user_id) == "join" for room in rooms if room in self.rooms)

    def _is_in(self, room_id: RoomId) -> bool:
        bot = self.rooms.get(room_id, {}).get((MEMBER, self.bot))
        return bot is not None and bot.content["membership"] == "join"

    def _may_join(self, room_id: RoomId) -> bool:
        state = self.rooms[room_id]
        here = state.get((MEMBER, self.bot))
        if here is not None and here.content["membership"] in ("invite", "join"):
            return True
        rules = state.get(("m.room.join_rules", ""))
        allowed = rules.content.get("allow", ()) if rules else ()
        banned = here is not None and here.content["membership"] == "ban"
        return not banned and any(self._is_in(one["room_id"]) for one in allowed)

    def _must_be_in(self, room_id: RoomId) -> None:
        if not self._is_in(room_id):
            raise PermanentFailure(f"The bot is not in the room {room_id}.")


class FakeMessenger:
    """Implements `ports.Messenger`: `said` and `direct_to` hold what was sent, each key once."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        """(room, text)."""
        self.direct_to: list[tuple[UserId, str]] = []
        self.trouble: AppError | None = None
        self.encrypted: set[RoomId] = set()
        self._keys: set[str] = set()

    async def notice(
        self, room_id: RoomId, text: str, html: str, *, key: str, thread: EventId | None = None
    ) -> EventId:
        del html, thread
        if self._is_new(key):
            self.said.append((room_id, text))
        return EventId(f"${key}")

    async def direct(self, user_id: UserId, text: str, html: str, *, key: str) -> EventId:
        del html
        if self._is_new(key):
            self.direct_to.append((user_id, text))
        return EventId(f"${key}")

    async def open(self, user_id: UserId, *, but_not: RoomId | None = None) -> RoomId:
        del but_not
        return RoomId(f"!direct-{user_id}")

    async def edit(self, room_id: RoomId, event_id: EventId, text: str, html: str, *, key: str) -> None:
        del html
        if self._is_new(key):
            self.said.append((room_id, f"{event_id} is now {text}"))

    async def file(self, room_id: RoomId, name: str, data: bytes, content_type: str, *, key: str) -> EventId:
        if self._is_new(key):
            self.said.append((room_id, f"{name}, {content_type}, {len(data)} bytes"))
        return EventId(f"${key}")

    async def is_encrypted(self, room_id: RoomId) -> bool:
        return room_id in self.encrypted

    async def react(self, room_id: RoomId, event_id: EventId, emoji: str, *, key: str) -> None:
        if self._is_new(key):
            self.said.append((room_id, f"{emoji} {event_id}"))

    def _is_new(self, key: str) -> bool:
        if self.trouble is not None:
            raise self.trouble
        is_new = key not in self._keys
        self._keys.add(key)
        return is_new


class FakeInbox:
    """Implements `ports.MoodleInbox`. `trouble`: what sending raises."""

    def __init__(self, *, on: bool = True) -> None:
        self.on = on
        self.sent: list[tuple[MoodleUserId, str]] = []
        self.trouble: AppError | None = None
        self._keys: set[str] = set()

    async def is_on(self) -> bool:
        return self.on

    async def send(self, user_id: MoodleUserId, text: str, *, key: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        if key not in self._keys:
            self._keys.add(key)
            self.sent.append((user_id, text))
