"""Proving an account: what the bot says, what is stored and told, and every way to take somebody else's account."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import pytest

from moodle_appservice.domain.linking import CARE, CODE_LIFE, LOCK, QUESTION_LIFE
from moodle_appservice.domain.model import CourseId, MoodleUserId, Resolution, Role, Trust, UserId
from moodle_appservice.engine.linking import Linking
from moodle_appservice.engine.notices import Notices
from moodle_appservice.errors import PermanentFailure, Refused, TemporaryFailure
from moodle_appservice.ports import person_key
from tests.engine.world import World
from tests.fakes import FakeInbox, FakeMessenger

ANNA, BERT = MoodleUserId(5), MoodleUserId(6)
MINE, OLD, OTHER = UserId("@mine:uni.test"), UserId("@old:uni.test"), UserId("@other:uni.test")


@dataclass
class Chat:
    """The operations over a real store, with everything that is said and told."""

    world: World
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    inbox: FakeInbox = field(default_factory=FakeInbox)
    numbers: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        world = self.world
        self.linking = Linking(
            *(world.store, world.queue, world.facts, world.rules, world.clock),
            Notices(self.messenger, self.inbox),
            secret=b"secret",
        )

    async def know(self, user_id: MoodleUserId, account: UserId, trust: Trust = Trust.DERIVED) -> None:
        person = self.world.facts.people[user_id]
        await self.world.store.people.save(person, Resolution(user_id, account, trust), at=1.0)

    async def code(self, user_id: MoodleUserId = ANNA) -> str:
        return (await self.linking.give_code(user_id, signal="cli")).text

    async def send(self, sender: UserId, code: str, *, direct: bool = True) -> str | None:
        return await self.linking.link(sender, code, direct=direct, reference=f"$m{next(self.numbers)}")

    async def say(self, sender: UserId, word: str) -> str | None:
        return await self.linking.answer(sender, yes=word == "yes", reference=f"$m{next(self.numbers)}")

    async def prove(self, sender: UserId, user_id: MoodleUserId = ANNA) -> str:
        await self.send(sender, await self.code(user_id))
        said = await self.say(sender, "yes")
        assert said is not None and said.startswith("Done")
        return said

    async def account_of(self, user_id: MoodleUserId = ANNA) -> UserId | None:
        link = (await self.world.store.links.of([user_id])).get(user_id)
        return link.counts_at(self.world.clock.now()) if link else None

    async def noted(self) -> list[tuple[str, str]]:
        """Kind and reason of all lines of the audit log, oldest first."""
        return [(line.kind, line.why) for line in reversed(await self.world.store.journal.audit())]

    async def make_moderator(self, user_id: MoodleUserId = ANNA) -> None:
        roles = {user_id: frozenset({Role("editingteacher")})}
        await self.world.store.courses.set_enrolments(CourseId(42), roles, facts_hash="")


@pytest.fixture
async def chat(world: World) -> Chat:
    world.facts.add_person(5, full_name="Anna Arendt")
    world.facts.add_person(6, full_name="Bert Brecht")
    made = Chat(world)
    await made.know(ANNA, OLD)
    return made


async def test_a_code_a_question_and_a_yes_make_the_account_the_person_s(chat: Chat) -> None:
    asked = await chat.send(MINE, await chat.code())
    assert asked == "Link this account to the Moodle person Anna Arendt? Answer yes or no, within 15 minutes."
    assert await chat.account_of() is None
    said = await chat.say(MINE, "yes")
    assert said is not None and said.startswith("Done: this account is linked to you.")
    assert await chat.account_of() == MINE
    assert await chat.world.due() == {person_key(ANNA): frozenset({"link"})}
    assert [kind for kind, _ in await chat.noted()] == ["LinkCode", "Link"]
    assert {line.person for line in await chat.world.store.journal.audit()} == {ANNA}


async def test_the_old_account_and_the_moodle_inbox_hear_of_a_link(chat: Chat) -> None:
    await chat.prove(MINE)
    ((to, text),) = chat.messenger.direct_to
    assert (to, "@mine:uni.test" in text, "counts now" in text) == (OLD, True, True)
    ((person, told),) = chat.inbox.sent
    assert (person, "@mine:uni.test" in told) == (ANNA, True)


@pytest.mark.parametrize("trouble", [PermanentFailure("blocked"), TemporaryFailure("away")])
async def test_who_can_t_be_told_does_not_stop_a_link(chat: Chat, trouble: PermanentFailure) -> None:
    chat.messenger.trouble = chat.inbox.trouble = trouble
    await chat.prove(MINE)
    assert await chat.account_of() == MINE


async def test_where_moodle_takes_no_messages_none_is_tried(chat: Chat) -> None:
    chat.inbox.on = False
    await chat.prove(MINE)
    assert chat.inbox.sent == []


async def test_a_no_changes_nothing_and_the_code_is_used_up(chat: Chat) -> None:
    code = await chat.code()
    await chat.send(MINE, code)
    assert await chat.say(MINE, "no") == "Nothing was changed. The code can't be used again."
    assert "was used before" in str(await chat.send(MINE, code))
    assert await chat.say(MINE, "yes") is None
    assert await chat.account_of() is None


async def test_a_code_in_a_room_is_burnt_and_refused(chat: Chat) -> None:
    code = await chat.code()
    assert "Others could read that code" in str(await chat.send(MINE, code, direct=False))
    assert "was used before" in str(await chat.send(MINE, code))
    assert (
        "LinkRefused",
        "The code was sent in a room, where others read it; it can't be used any more.",
    ) in (await chat.noted())


async def test_a_code_that_was_asked_about_and_then_shown_in_a_room_links_nobody(chat: Chat) -> None:
    code = await chat.code()
    await chat.send(MINE, code)
    await chat.send(OTHER, code, direct=False)
    assert await chat.say(MINE, "yes") is None
    assert await chat.account_of() is None


async def test_a_code_that_somebody_was_asked_about_is_no_use_to_anybody_else(chat: Chat) -> None:
    code = await chat.code()
    await chat.send(MINE, code)
    assert "sent from another account" in str(await chat.send(OTHER, code))
    assert await chat.say(OTHER, "yes") is None
    assert await chat.send(MINE, code) == (
        "Link this account to the Moodle person Anna Arendt? Answer yes or no, within 15 minutes."
    )
    await chat.say(MINE, "yes")
    assert await chat.account_of() == MINE


async def test_a_code_that_was_used_can_t_be_replayed(chat: Chat) -> None:
    code = await chat.code()
    await chat.send(MINE, code)
    await chat.say(MINE, "yes")
    for sender in (MINE, OTHER):
        assert "was used before" in str(await chat.send(sender, code))
        assert await chat.say(sender, "yes") is None
    assert await chat.account_of() == MINE


async def test_a_yes_counts_once(chat: Chat) -> None:
    await chat.prove(MINE)
    assert await chat.say(MINE, "yes") is None


async def test_a_new_code_ends_the_earlier_ones(chat: Chat) -> None:
    first, second = await chat.code(), await chat.code()
    assert first != second
    assert "was used before" in str(await chat.send(MINE, first))
    assert "Anna Arendt" in str(await chat.send(MINE, second))


async def test_codes_and_answers_run_out(chat: Chat) -> None:
    code = await chat.code()
    chat.world.clock.advance(CODE_LIFE)
    assert "older than 15 minutes" in str(await chat.send(MINE, code))
    await chat.send(MINE, await chat.code())
    chat.world.clock.advance(QUESTION_LIFE)
    assert "more than 15 minutes ago" in str(await chat.say(MINE, "yes"))
    assert await chat.account_of() is None


async def test_the_fifth_wrong_code_locks_the_sender_and_nobody_else_for_an_hour(chat: Chat) -> None:
    good = await chat.code()
    for _ in range(4):
        assert "I know no such code" in str(await chat.send(OTHER, "ABCD-EFGH"))
    assert "no code from you for an hour" in str(await chat.send(OTHER, "rubbish"))
    lines = len(await chat.noted())
    for _ in range(50):
        assert await chat.send(OTHER, good) is None
    assert len(await chat.noted()) == lines
    assert "Anna Arendt" in str(await chat.send(MINE, good))
    chat.world.clock.advance(LOCK)
    assert "Anna Arendt" in str(await chat.send(OTHER, await chat.code()))


async def test_an_account_that_another_has_proven_is_refused(chat: Chat) -> None:
    await chat.prove(MINE, BERT)
    assert "Another Moodle person has proven this account" in str(await chat.send(MINE, await chat.code()))
    assert await chat.account_of() is None
    assert await chat.account_of(BERT) == MINE


async def test_an_account_that_another_proves_between_question_and_answer_is_refused(chat: Chat) -> None:
    first, second = await chat.code(ANNA), await chat.code(BERT)
    await chat.send(MINE, first)
    await chat.send(MINE, second)
    # The second question has taken the place of the first.
    await chat.say(MINE, "yes")
    assert [await chat.account_of(ANNA), await chat.account_of(BERT)] == [None, MINE]
    assert "was used before" in str(await chat.send(MINE, first))


async def test_an_account_that_was_only_taken_for_another_s_is_displaced(chat: Chat) -> None:
    await chat.know(BERT, MINE)
    asked = await chat.send(MINE, await chat.code())
    assert "So far it is taken for another Moodle person's" in str(asked)
    assert "Bert" not in str(asked)
    await chat.say(MINE, "yes")
    assert set(await chat.world.due()) == {person_key(ANNA), person_key(BERT)}


async def test_an_account_that_can_be_nobody_s_is_refused_and_the_code_stays_good(chat: Chat) -> None:
    code = await chat.code()
    for sender in (chat.world.rules.bot, UserId("@moodle_uni_9:uni.test"), UserId("@mine:far.test")):
        assert "Nothing was changed" in str(await chat.send(sender, code))
    assert "Anna Arendt" in str(await chat.send(MINE, code))


async def test_a_moderator_s_change_waits_a_day_and_then_counts_by_itself(chat: Chat) -> None:
    await chat.prove(OLD)
    await chat.make_moderator()
    assert "with a delay" in await chat.prove(MINE)
    assert await chat.account_of() == OLD
    assert "Answer no to stop that" in chat.messenger.direct_to[-1][1]
    await chat.know(ANNA, OLD, Trust.PROVEN)
    await chat.world.due()
    await chat.linking.wake()
    assert await chat.world.due() == {}
    chat.world.clock.advance(CARE)
    await chat.linking.wake()
    assert await chat.world.due() == {person_key(ANNA): frozenset({"link"})}
    assert await chat.account_of() == MINE


async def test_the_old_account_lets_a_change_count_at_once(chat: Chat) -> None:
    await chat.prove(OLD)
    await chat.make_moderator()
    await chat.prove(MINE)
    assert await chat.say(MINE, "yes") is None
    assert await chat.say(OTHER, "yes") is None
    assert await chat.account_of() == OLD
    assert "counts now" in str(await chat.say(OLD, "yes"))
    assert await chat.account_of() == MINE


async def test_the_old_account_stops_a_change(chat: Chat) -> None:
    await chat.prove(OLD)
    await chat.make_moderator()
    await chat.prove(MINE)
    assert "Stopped" in str(await chat.say(OLD, "no"))
    chat.world.clock.advance(2 * CARE)
    assert await chat.account_of() == OLD
    assert await chat.linking.unlink(MINE) is None
    await chat.prove(MINE, BERT)


async def test_who_has_stolen_a_moderator_s_moodle_session_can_not_shorten_the_wait(chat: Chat) -> None:
    await chat.prove(OLD)
    await chat.make_moderator()
    await chat.prove(MINE)
    await chat.prove(OTHER)
    assert await chat.account_of() == OLD
    await chat.linking.unlink(OTHER)
    await chat.say(OTHER, "yes")
    assert await chat.account_of() == OLD
    chat.world.clock.advance(CARE)
    assert await chat.account_of() == OLD


async def test_while_a_change_waits_nobody_else_gets_either_account(chat: Chat) -> None:
    await chat.prove(OLD)
    await chat.make_moderator()
    await chat.prove(MINE)
    for account in (OLD, MINE):
        assert "has proven this account" in str(await chat.send(account, await chat.code(BERT)))


async def test_unlink_asks_and_undoes_the_link(chat: Chat) -> None:
    await chat.prove(MINE)
    asked = await chat.linking.unlink(MINE)
    assert "Undo the link of this account to the Moodle person Anna Arendt?" in str(asked)
    assert await chat.account_of() == MINE
    await chat.world.due()
    assert await chat.say(MINE, "yes") == "Done: this account is not linked any more."
    assert await chat.account_of() is None
    assert set(await chat.world.due()) == {person_key(ANNA)}
    assert "was undone" in chat.inbox.sent[-1][1]


async def test_a_replaced_account_can_not_undo_the_new_link(chat: Chat) -> None:
    await chat.prove(OLD)
    await chat.linking.unlink(OLD)
    await chat.prove(MINE)
    assert "linked to nobody by now" in str(await chat.say(OLD, "yes"))
    assert await chat.account_of() == MINE


async def test_an_administrator_undoes_a_link(chat: Chat) -> None:
    assert not await chat.linking.undo(ANNA, reference="cli")
    await chat.prove(MINE)
    assert await chat.linking.undo(ANNA, reference="cli")
    assert await chat.account_of() is None


async def test_no_code_is_given_to_somebody_who_could_not_sign_in(chat: Chat) -> None:
    chat.world.facts.add_person(7, suspended=True)
    chat.world.facts.hidden.add(BERT)
    for user_id in (MoodleUserId(7), BERT):
        with pytest.raises(Refused, match="No code was made"):
            await chat.code(user_id)
    await chat.world.store.people.exclude(ANNA, at=1.0)
    with pytest.raises(Refused, match="was erased here"):
        await chat.code(ANNA)


async def test_no_code_lies_in_the_database(chat: Chat) -> None:
    code = await chat.code()
    await chat.send(MINE, code)
    rows = await chat.world.db.fetch("SELECT * FROM link_code")
    text = repr([dict(row) for row in rows]).upper()
    assert len(rows) == 1
    assert code not in text and code.replace("-", "") not in text
