"""The relay over a room that forgets nothing and a Moodle in memory; tests turn its cycles by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moodle_appservice.domain.deadlines import Dated, DateKind, ModuleId
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId
from moodle_appservice.domain.relay import Announcement, DiscussionId, PostId
from moodle_appservice.domain.relay_choice import RelayRules
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.engine.announcing import Announcer
from moodle_appservice.engine.enclosures import Enclosures
from moodle_appservice.engine.relay import Pace, Relay
from moodle_appservice.engine.relay_scope import RelayScope
from moodle_appservice.engine.relay_sender import Senders
from moodle_appservice.engine.relay_words import Wording
from moodle_appservice.engine.reminding import Reminders
from moodle_appservice.languages import ENGLISH
from moodle_appservice.matrix.markup import Markup
from tests.engine.world import World
from tests.fake_relay import FakeContent, FakeRelayMessenger, Told

COURSE = CourseId(42)
ROOM = RoomId("!room")
HOUR, DAY = 3600, 86_400


class RelayDesk:
    """A course that relays, its room, and what Moodle shows of it."""

    def __init__(self, world: World, **rules: Any) -> None:
        self.world = world
        self.content = FakeContent()
        self.room = FakeRelayMessenger()
        self.rules = replace(RelayRules(), **{"site": True, **rules})
        self.restart()

    def restart(self) -> None:
        """The relay anew: only the database, the room and Moodle stay."""
        world, rules = self.world, self.rules
        self.scope = RelayScope(world.facts, world.store, rules, world.rules, world.clock, is_possible=True)
        markup = Markup("https://moodle.uni.test")
        wording = Wording(ENGLISH, markup, "https://moodle.uni.test", rules.most_text)
        enclosures = Enclosures(self.content, self.room, world.store, rules, site="uni")
        announcer = Announcer(
            self.room,
            world.store,
            markup,
            wording,
            Senders(world.store, bot=world.rules.bot),
            enclosures,
            rules,
            world.clock,
            site="uni",
        )
        reminders = Reminders(
            self.room, world.store, wording, rules, world.clock, site="uni", bot=world.rules.bot
        )
        self.relay = Relay(
            self.content,
            self.scope,
            announcer,
            reminders,
            world.store,
            rules,
            world.clock,
            pace=Pace(180, 1200, 3600),
            zone="Europe/Berlin",
        )

    async def begin(self) -> None:
        """The course is switched on now."""
        self.world.facts.add_course(COURSE)
        await self.world.switch_on(COURSE)
        await self.world.store.ledger.adopt(ROOM, main_room(COURSE), at=0.0)
        self.content.add_forum(COURSE)
        await self.relay.cycle()

    async def later(self, seconds: float = 180.0) -> None:
        """A cycle some time later."""
        self.world.clock.advance(seconds)
        await self.relay.cycle()

    def post(self, number: int = 14, **given: Any) -> None:
        """Somebody posts, or changes a post."""
        forum = self.content.forums_of[COURSE][0]
        now = self.world.clock.now()
        values: dict[str, Any] = {
            "subject": f"News {number}",
            "html": f"<p>Text {number}</p>",
            "author_id": MoodleUserId(5),
            "author": "Teach One",
            "created": now,
            "modified": now,
            "mailed": True,
        }
        self.content.posts_of.setdefault(forum.id, {})[PostId(number)] = Announcement(
            id=PostId(number),
            discussion_id=DiscussionId(number - 1),
            forum_id=forum.id,
            course_id=COURSE,
            **{**values, **given},
        )

    def change(self, number: int, **given: Any) -> None:
        posts = self.content.posts_of[self.content.forums_of[COURSE][0].id]
        posts[PostId(number)] = replace(posts[PostId(number)], **given)

    def delete(self, number: int) -> None:
        del self.content.posts_of[self.content.forums_of[COURSE][0].id][PostId(number)]

    def due(self, hours: float, number: int = 16, name: str = "Sheet 1") -> None:
        """A date so many hours from now."""
        at = int(self.world.clock.now() + hours * HOUR)
        date = Dated(ModuleId(number), "duedate", at, DateKind.DUE, name, f"https://moodle.uni.test/{number}")
        self.content.dates_of.setdefault(COURSE, {})[date.module_id] = date

    @property
    def told(self) -> list[Told]:
        return list(self.room.rooms.get(ROOM, {}).values())

    @property
    def shown(self) -> list[str]:
        """What stands in the room now."""
        return [one.now.text for one in self.told if not one.is_redacted]
