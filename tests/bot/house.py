"""The bot over the engine with fakes: who says what where, and what comes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from moodle_appservice.bot.chats import Chats
from moodle_appservice.bot.desk import Desk
from moodle_appservice.bot.limits import Limits
from moodle_appservice.bot.router import Router
from moodle_appservice.domain.model import CourseId, EventId, GroupId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.permissions import Level, Permissions
from moodle_appservice.domain.rooms import NO_GROUP, RoomKey, RoomKind
from moodle_appservice.engine.choosing import Choosing
from moodle_appservice.engine.explain import Explainer
from moodle_appservice.engine.lifecycle import Lifecycle
from moodle_appservice.engine.linking import Linking
from moodle_appservice.engine.management import ROOM
from moodle_appservice.engine.mine import Mine
from moodle_appservice.engine.notices import Notices
from moodle_appservice.engine.overview import Overview
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.engine.personal import Outside, Personal
from moodle_appservice.engine.readers import Reader, Readers
from moodle_appservice.engine.reminders import Reminders
from moodle_appservice.engine.worker import Workers
from moodle_appservice.languages import LANGUAGES
from moodle_appservice.ports import Event, Journal
from tests.engine.relay_desk import RelayDesk
from tests.engine.world import World
from tests.fakes import FakeInbox, FakeMessenger

COURSE = CourseId(42)
MANAGEMENT = RoomId("!management")
ADMIN = UserId("@root:uni.test")
BANNED = UserId("@p9:uni.test")


@dataclass(frozen=True)
class Finding:
    """What a check of the doctor has found."""

    name: str
    state: str
    said: str
    hint: str = ""


@dataclass
class Recorder(FakeMessenger):
    """What the bot sends: `messages` are (room, text, html, thread), `reactions` are emoji."""

    journal: Journal | None = None
    messages: list[tuple[RoomId, str, str, EventId | None]] = field(default_factory=list)
    reactions: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    files: list[tuple[RoomId, str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def notice(
        self, room_id: RoomId, text: str, html: str, *, key: str, thread: EventId | None = None
    ) -> EventId:
        if self._is_new(key):
            self.messages.append((room_id, text, html, thread))
            if self.journal is not None:
                await self.journal.sent(key, EventId(f"${key}"))
        return EventId(f"${key}")

    async def edit(self, room_id: RoomId, event_id: EventId, text: str, html: str, *, key: str) -> None:
        self.edits.append(text)

    async def file(self, room_id: RoomId, name: str, data: bytes, content_type: str, *, key: str) -> EventId:
        self.files.append((room_id, name, data))
        return EventId(f"${key}")

    async def react(self, room_id: RoomId, event_id: EventId, emoji: str, *, key: str) -> None:
        if self._is_new(key):
            self.reactions.append(emoji)


class House:
    """A course 42 with the teacher `p7` and the students `p8` and `p10`; `p9` is nobody's; `@root` looks after all."""

    def __init__(self, world: World, workers: Workers, language: str = "en") -> None:
        self.world = world
        self.messenger = Recorder(world.store.journal)
        store, clock, rules = world.store, world.clock, world.rules
        readers = Readers(store, Reader(LANGUAGES[language], "Europe/Berlin"))
        pauses = Pauses(store, world.queue, clock)
        self.operations = world.operations(workers)
        self.inbox = FakeInbox()
        linking = Linking(
            *(store, world.queue, world.facts, rules, clock, Notices(self.messenger, self.inbox)),
            secret=b"secret",
        )
        self.overview = Overview(
            *(store, world.queue, workers, world.troubles, world.facts, clock), interval=300.0
        )
        self.found = [
            Finding("Moodle", "ok", "It answers."),
            Finding("Time", "failed", "It is late.", "Wait."),
        ]
        outside = Outside(
            world.matrix,
            world.accounts,
            world.courses._hands,
            world.gate,
            self.inbox,
        )
        self.relaying = RelayDesk(world, site=False)
        self.desk = Desk(
            operations=self.operations,
            linking=linking,
            personal=Personal(store, world.queue, clock, linking, outside, readers),
            explainer=Explainer(
                *(store, world.planner, world.facts, world.troubles, pauses, rules, clock, workers)
            ),
            pauses=pauses,
            overview=self.overview,
            choosing=Choosing(store, world.facts, world.site, workers, rules, clock),
            lifecycle=Lifecycle(store, world.queue, rules, clock),
            mine=Mine(store, workers),
            reminders=Reminders(*(world.matrix, store, world.planner, world.gate, pauses, readers, clock)),
            relay_scope=self.relaying.scope,
            relay=self.relaying.relay,
            examine=self._examine,
            dashboard=self._dashboard,
            messenger=self.messenger,
            chats=Chats(self.messenger, store, readers, rules, clock),
            store=store,
            rules=rules,
            clock=clock,
            readers=readers,
            permissions=Permissions({ADMIN: Level.ADMIN, BANNED: Level.NONE}),
            prefix="!",
        )
        self.router = Router(self.desk, max_age=300.0, limits=Limits())
        self.main = RoomId("")
        self.rooms: dict[RoomKind, RoomId] = {}

    async def _dashboard(self, account: UserId, person: MoodleUserId | None) -> str:
        return f"https://chat.example.org/admin/enter/{account}"

    async def _examine(self) -> list[Finding]:
        return self.found

    def room(self, where: str, who: UserId) -> RoomId:
        """The room that a case names."""
        return {
            "course": self.main,
            "group": self.rooms.get(RoomKind.GROUP),
            "staff": self.rooms.get(RoomKind.STAFF),
            "management": MANAGEMENT,
            "elsewhere": RoomId("!elsewhere"),
        }.get(where) or RoomId(f"!direct-{who}")

    def event(self, room_id: RoomId, sender: UserId, text: str, **content: object) -> Event:
        """A message, not sent yet."""
        outbox = self.world.matrix.outbox
        event = self.world.matrix.say(room_id, sender, text)
        outbox[-1] = replace(
            event, timestamp=int(self.world.clock.now() * 1000), content={**event.content, **content}
        )
        return outbox[-1]

    async def say(self, who: UserId, where: str, text: str, **content: object) -> str:
        """Say something and wait until the bot has done what it does; all texts that it sent, in one."""
        before = len(self.messenger.messages)
        self.world.commands.clear()
        self.event(self.room(where, who), who, text, **content)
        await self.world.matrix.push()
        self.router.hear(self.world.commands)
        await self.router.idle()
        return "\n".join(text for _, text, _, _ in self.messenger.messages[before:])


@asynccontextmanager
async def open_house(world: World, language: str = "en") -> AsyncIterator[House]:
    """A house with its course, its rooms and everybody in them, and the bot at work."""
    world.use(existing_courses=True)
    workers = world.workers(2, pauses=Pauses(world.store, world.queue, world.clock))
    house = House(world, workers, language)
    house.main = await world.synced(students=[8, 10], teachers=[7])
    store = world.store
    for kind, group in ((RoomKind.STAFF, NO_GROUP), (RoomKind.GROUP, GroupId(7))):
        house.rooms[kind] = world.matrix.found(creator=world.rules.bot)
        await store.ledger.adopt(house.rooms[kind], RoomKey(kind, COURSE, group), at=0.0)
    await world.matrix.push()
    await store.settings.set(ROOM, MANAGEMENT)
    for number in (7, 8, 9, 10):
        await store.mirror.set_direct(world.user(number), RoomId(f"!direct-{world.user(number)}"))
    for other in (ADMIN, UserId("@stranger:uni.test")):
        await store.mirror.set_direct(other, RoomId(f"!direct-{other}"))
    workers.start()
    await house.router.start()
    try:
        yield house
    finally:
        await house.router.stop()
        await workers.stop()


def person(number: int) -> MoodleUserId:
    """A Moodle person of the house."""
    return MoodleUserId(number)
