"""Proving an account with real clients on a real homeserver, and every way to take somebody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.service import Service
from tests.live.homeserver import People
from tests.live.house import House, until
from tests.live.test_bot import Chatter


@dataclass
class Talk:
    """A person's direct chat with the bot; `heard` counts the answers so far."""

    who: Chatter
    room_id: str
    heard: int = 0

    async def say(self, text: str) -> str:
        """Say something and wait for the answer."""
        await self.who.say(self.room_id, text)
        self.heard += 1
        return str((await self.who.answer(self.room_id, self.heard))["body"])


@dataclass
class Cast:
    """A student who is in the course room, and two accounts that nobody knows."""

    house: House
    service: Service
    person: MoodleUserId
    old: Chatter
    new: Chatter
    thief: Chatter
    room_id: str

    async def code(self) -> str:
        return (await self.service.linking.give_code(self.person, signal="test")).text

    async def talk(self, who: Chatter) -> Talk:
        room_id = await who.open_direct_chat()
        await until(lambda: who.bot_is_in(room_id), "the bot joins the direct chat")
        return Talk(who, room_id)

    async def linked(self) -> str | None:
        link = (await self.service.store.links.of([self.person])).get(self.person)
        return link.counts_at(self.service.clock.now()) if link else None

    async def refusals(self) -> list[str]:
        lines = await self.service.store.journal.audit()
        return [line.why for line in reversed(lines) if line.kind == "LinkRefused"]


@pytest.fixture
async def cast(house: House, people: People) -> AsyncIterator[Cast]:
    async def chatter(name: str) -> Chatter:
        account = await people.register(house.synapse, name)
        return Chatter(await people.client(house.synapse, account), account, house)

    old, new, thief = await chatter("student"), await chatter("mine"), await chatter("thief")
    person = house.moodle.university.add_person(old.account.localpart, "Anna", "Arendt")
    house.moodle.university.enrol(person.id, 2, "student")
    service = await house.start()
    await house.sync()
    room_id = await house.room_of(2)
    await old.client.join(room_id)
    yield Cast(house, service, MoodleUserId(person.id), old, new, thief, room_id)


async def test_a_code_from_a_new_account_and_a_yes_make_it_the_person_s(cast: Cast) -> None:
    talk = await cast.talk(cast.new)
    asked = await talk.say(f"link {await cast.code()}")
    assert asked.startswith("Link this account to the Moodle person Anna Arendt?")
    assert await cast.linked() is None
    assert (await talk.say("yes")).startswith("Done: this account is linked to you.")
    assert await cast.linked() == cast.new.account.user_id
    found: list[str] = []

    async def told() -> bool:
        found.extend(await cast.old.direct_rooms())
        return bool(found)

    await until(told, "the old account is told in a direct chat")

    async def changed_places() -> bool:
        members = await cast.house.members(2)
        mine, old = cast.new.account.user_id, cast.old.account.user_id
        return (members.get(mine), members[old]) == ("invite", "leave")

    await until(changed_places, "the new account is invited and the old one leaves")
    await cast.old.client.join(found[0])
    assert cast.new.account.user_id in (await cast.old.answer(found[0]))["body"]


async def test_every_way_to_take_the_account_ends_in_a_refusal_that_is_noted(cast: Cast) -> None:
    thief, mine = await cast.talk(cast.thief), await cast.talk(cast.new)
    assert "I know no such code" in await thief.say("link ABCD-EFGH")
    code = await cast.code()
    assert "Anna Arendt" in await mine.say(f"link {code}")
    assert "sent from another account" in await thief.say(f"link {code}")
    assert "Nothing was changed" in await mine.say("no")
    assert "was used before" in await mine.say(f"link {code}")
    code = await cast.code()
    await mine.say(f"link {code}")
    await mine.say("yes")
    assert "was used before" in await thief.say(f"link {code}")
    assert await cast.linked() == cast.new.account.user_id
    assert await cast.refusals() == [
        "There is no such code.",
        *["The code was used before, or sent from another account."] * 3,
    ]


async def test_a_code_that_is_sent_in_the_course_room_is_burnt(cast: Cast) -> None:
    code = await cast.code()
    await cast.old.say(cast.room_id, f"!link {code}")
    found: list[str] = []

    async def told() -> bool:
        found.extend(await cast.old.direct_rooms())
        return bool(found)

    await until(told, "the bot says so in a direct chat")
    await cast.old.client.join(found[0])
    assert "Others could read that code" in (await cast.old.answer(found[0]))["body"]
    assert await cast.old.messages(cast.room_id) == []
    assert "was used before" in await (await cast.talk(cast.thief)).say(f"link {code}")
    assert await cast.linked() is None


async def test_five_wrong_codes_lock_the_sender(cast: Cast) -> None:
    thief = await cast.talk(cast.thief)
    for _ in range(4):
        assert "I know no such code" in await thief.say("link ABCD-EFGH")
    assert "for an hour" in await thief.say("link ABCD-EFGH")
    await thief.who.say(thief.room_id, f"link {await cast.code()}")
    mine = await cast.talk(cast.new)
    assert "Anna Arendt" in await mine.say(f"link {await cast.code()}")
    assert len(await thief.who.messages(thief.room_id)) == 5


async def test_unlink_gives_the_account_back(cast: Cast) -> None:
    talk = await cast.talk(cast.new)
    await talk.say(f"link {await cast.code()}")
    await talk.say("yes")
    assert "Undo the link" in await talk.say("unlink")
    assert "not linked any more" in await talk.say("yes")
    assert await cast.linked() is None


async def test_a_moderator_s_change_waits_for_the_old_account_and_takes_the_level_along(cast: Cast) -> None:
    cast.house.moodle.university.assign_role(int(cast.person), 2, "editingteacher")
    await cast.house.sync()
    old, new = await cast.talk(cast.old), await cast.talk(cast.new)
    await old.say(f"link {await cast.code()}")
    assert (await old.say("yes")).startswith("Done: this account is linked to you.")

    async def ask_for_a_change() -> None:
        await new.say(f"link {await cast.code()}")
        assert (await new.say("yes")).startswith("Done, with a delay")
        old.heard += 1
        told = (await cast.old.answer(old.room_id, old.heard))["body"]
        assert cast.new.account.user_id in told and "Answer no to stop that" in told
        assert await cast.linked() == cast.old.account.user_id

    await ask_for_a_change()
    assert (await old.say("no")).startswith("Stopped")
    assert await cast.linked() == cast.old.account.user_id
    await ask_for_a_change()
    assert "counts now" in await old.say("yes")
    assert await cast.linked() == cast.new.account.user_id

    async def changed_places() -> bool:
        members = await cast.house.members(2)
        mine, before = cast.new.account.user_id, cast.old.account.user_id
        return (members.get(mine), members[before]) == ("invite", "leave")

    await until(changed_places, "the new account is invited and the old one leaves")
    levels = (await cast.house.state(2))["m.room.power_levels", ""]["users"]
    assert levels.get(cast.new.account.user_id) == 60
    assert cast.old.account.user_id not in levels
