"""The mirror over time: however the homeserver pushes (late, twice, in any parts), what was pushed to its end is
what is there, a restart forgets nothing, and a full reading is overwritten by nothing older.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from moodle_appservice.domain.model import RoomId, UserId
from moodle_appservice.ports import Event
from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.store_events import BOT, History

ROOM = RoomId("!room")
USERS = st.sampled_from([UserId(f"@u{number}:uni.test") for number in range(4)])


class MirrorMachine(RuleBasedStateMachine):
    """`waiting` was not pushed yet, `pushed` was; `truth` is the state at the homeserver."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.history = History(ROOM).created()
        self.waiting: list[Event] = []
        self.pushed: list[Event] = []
        self.truth: dict[tuple[str, str], Event] = {}
        self._open()
        self._happened()

    def _open(self) -> None:
        self.db = Db(f"sqlite:{Path(self.folder.name) / 'm.db'}")
        self.run(self.db.start())
        self.books = Books(self.db, bot=BOT, prefix="!")

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def _happened(self) -> None:
        for event in self.history.take():
            self.waiting.append(event)
            if event.state_key is not None:
                self.truth[event.type, event.state_key] = event

    @rule(who=USERS, membership=st.sampled_from(["invite", "join", "leave", "ban"]), by_bot=st.booleans())
    def a_member_changes(self, who: UserId, membership: str, by_bot: bool) -> None:
        if by_bot:
            self.history.member(who, membership, by=BOT)
        else:
            self.history.member(who, membership)
        self._happened()

    @rule(name=st.text(max_size=8), who=USERS)
    def somebody_renames_the_room(self, name: str, who: UserId) -> None:
        self.history.state(who, "m.room.name", {"name": name})
        self._happened()

    @rule(number=st.integers(1, 5))
    def some_are_pushed(self, number: int) -> None:
        part, self.waiting = self.waiting[:number], self.waiting[number:]
        self.pushed += part
        self.run(self.books.mirror.take_in(part))

    @rule(start=st.integers(0, 30), number=st.integers(1, 8))
    def some_are_pushed_again(self, start: int, number: int) -> None:
        self.run(self.books.mirror.take_in(self.pushed[start : start + number]))

    @rule()
    def the_service_restarts(self) -> None:
        self.run(self.db.stop())
        self._open()

    @rule()
    def the_room_is_read(self) -> None:
        guard = self.run(self.books.mirror.begin_read())
        self.run(self.books.mirror.replace(ROOM, list(self.truth.values()), guard=guard))
        self._is_the_truth()

    @rule()
    def everything_is_pushed(self) -> None:
        self.some_are_pushed(len(self.waiting))
        if not self.run(self.books.mirror.is_stale(ROOM)):
            self._is_the_truth()

    def _is_the_truth(self) -> None:
        room = self.run(self.books.mirror.room(ROOM))
        assert room is not None
        members = {
            key: event.content["membership"]
            for (kind, key), event in self.truth.items()
            if kind == "m.room.member"
        }
        assert {user: str(member.membership) for user, member in room.members.items()} == members
        names = [event for (kind, _), event in self.truth.items() if kind == "m.room.name"]
        assert room.content("m.room.name").get("name") == (names[0].content["name"] if names else None)

    def teardown(self) -> None:
        self.run(self.db.stop())
        self.runner.close()
        self.folder.cleanup()


TestMirror = MirrorMachine.TestCase
TestMirror.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
