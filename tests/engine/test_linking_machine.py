"""Whatever is sent in whatever order: an account becomes a person's only by that person's code and its own yes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from moodle_appservice.domain.linking import CARE, CODE_LIFE, LOCK, QUESTION_LIFE
from moodle_appservice.domain.model import MoodleUserId, UserId
from tests.engine.test_linking import Chat
from tests.engine.world import World

T = TypeVar("T")
PEOPLE = (MoodleUserId(5), MoodleUserId(6), MoodleUserId(7))
ACCOUNTS = tuple(UserId(f"@{name}:uni.test") for name in ("a", "b", "c", "d"))
people, accounts = st.sampled_from(PEOPLE), st.sampled_from(ACCOUNTS)


class Linkings(RuleBasedStateMachine):
    """`allowed`: who may have come to which account, by a code of that person that the account sent and affirmed."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "store.db")
        self.loop.run_until_complete(self.world.db.start())
        self.codes: list[tuple[MoodleUserId, str, float]] = []
        self.sent: dict[UserId, tuple[MoodleUserId, float]] = {}
        self.dead: set[str] = set()
        """Codes that were shown in a room, answered, or followed by a newer one."""
        self.asked_by: dict[str, UserId] = {}
        self.asks: dict[UserId, str] = {}
        """Which code an account was asked about last, and has not answered."""
        self.allowed: set[tuple[MoodleUserId, UserId]] = set()

    @initialize(moderator=people)
    def begin(self, moderator: MoodleUserId) -> None:
        for number in PEOPLE:
            self.world.facts.add_person(number)
        self.chat = Chat(self.world)
        self.moderator = moderator
        self.run(self.chat.make_moderator(moderator))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.world.db.stop())
        self.loop.close()
        self.folder.cleanup()

    @rule(person=people)
    def give_a_code(self, person: MoodleUserId) -> None:
        earlier = {code for owner, code, _ in self.codes if owner == person}
        # Who was asked already may still answer: only new askers are too late.
        self.dead |= {code for code in earlier if code not in self.asked_by}
        self.codes.append((person, self.run(self.chat.code(person)), self.world.clock.now()))

    @rule(account=accounts, which=st.integers(0, 30), direct=st.sampled_from([True, True, True, False]))
    def send_a_code(self, account: UserId, which: int, direct: bool) -> None:
        if not self.codes:
            return
        person, code, given = self.codes[which % len(self.codes)]
        said = self.run(self.chat.send(account, code, direct=direct))
        if said is not None and said.startswith("Link this account"):
            assert direct
            assert code not in self.dead, "a code that is used up is asked about"
            assert self.asked_by.setdefault(code, account) == account, "two accounts are asked about one code"
            assert self.world.clock.now() < given + CODE_LIFE
            self.forget_question(account, unless=code)
            self.sent[account] = (person, self.world.clock.now())
            self.asks[account] = code
        if not direct:
            self.dead.add(code)
            for asked, about in list(self.asks.items()):
                if about == code:
                    self.sent.pop(asked, None)

    def forget_question(self, account: UserId, *, unless: str = "") -> None:
        """What the account was asked is answered, or another question has taken its place."""
        code = self.asks.pop(account, None)
        if code is not None and code != unless:
            self.dead.add(code)

    @rule(account=accounts)
    def send_a_wrong_code(self, account: UserId) -> None:
        said = self.run(self.chat.send(account, "ABCD-EFGX"))
        assert said is None or "I know no such code" in said

    @rule(account=accounts, yes=st.booleans())
    def answer(self, account: UserId, yes: bool) -> None:
        before = self.links()
        asked = self.sent.pop(account, None)
        self.forget_question(account)
        said = self.run(self.chat.say(account, "yes" if yes else "no"))
        after = self.links()
        for person in PEOPLE:
            if after[person] == before[person] or after[person] is None:
                continue
            assert yes, "a no has given an account away"
            if asked == (person, asked[1] if asked else 0) and after[person] == account:
                assert asked is not None and self.world.clock.now() < asked[1] + QUESTION_LIFE
                assert person != self.moderator or before[person] is None, "a moderator's change did not wait"
            else:
                assert before[person] == account, "somebody else's yes moved an account"
        if asked is not None and said is not None and said.startswith("Nothing was changed"):
            assert after == before
        if yes and asked is not None and said is not None and said.startswith("Done"):
            self.allowed.add((asked[0], account))

    @rule(person=people, account=accounts)
    def go_all_the_way(self, person: MoodleUserId, account: UserId) -> None:
        self.give_a_code(person)
        self.send_a_code(account, len(self.codes) - 1, direct=True)
        self.answer(account, yes=True)

    @rule(account=accounts)
    def unlink(self, account: UserId) -> None:
        before = self.links()
        said = self.run(self.chat.linking.unlink(account))
        assert self.links() == before
        if said is not None and said.startswith("Undo"):
            self.sent.pop(account, None)
            self.forget_question(account)

    @rule(seconds=st.sampled_from([60.0, CODE_LIFE, LOCK, CARE]))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def links(self) -> dict[MoodleUserId, UserId | None]:
        return {person: self.run(self.chat.account_of(person)) for person in PEOPLE}

    @invariant()
    def nobody_shares_and_nobody_has_what_was_not_proven(self) -> None:
        if not hasattr(self, "chat"):
            return
        held = {person: account for person, account in self.links().items() if account is not None}
        assert len(set(held.values())) == len(held), "two people have the same account"
        assert set(held.items()) <= self.allowed


Linkings.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLinkings = Linkings.TestCase
