"""What an administrator asks about one person: shown, handed out, given a code, and erased from the outside in."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, Trust, UserId
from moodle_appservice.engine.apply import Hands
from moodle_appservice.engine.personal import Outside, Personal
from moodle_appservice.engine.readers import Reader, Readers
from moodle_appservice.engine.waves import Waves
from moodle_appservice.errors import NoAdminRights, PermanentFailure, Refused
from moodle_appservice.languages import ENGLISH
from moodle_appservice.ports import SITE, AccountKind, AccountRow, AccountState
from tests.engine.test_linking import Chat
from tests.engine.world import World

ANNA, BERT, COURSE = MoodleUserId(8), MoodleUserId(9), CourseId(42)


class Deactivating:
    """The one method of `ports.Accounts` that erasing needs."""

    def __init__(self) -> None:
        self.gone: list[tuple[UserId, bool]] = []
        self.trouble: Exception | None = None

    async def deactivate(self, user_id: UserId, *, erase: bool) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.gone.append((user_id, erase))


class Profile:
    """`ports.ProfileWriter` in memory."""

    def __init__(self) -> None:
        self.values: dict[MoodleUserId, str] = {}
        self.on = True

    async def is_on(self) -> bool:
        return self.on

    async def read(self, user_ids: list[MoodleUserId]) -> dict[MoodleUserId, str]:
        return {user_id: self.values.get(user_id, "") for user_id in user_ids}

    async def write(self, values: dict[MoodleUserId, str]) -> dict[MoodleUserId, str]:
        self.values.update(values)
        return {}


@dataclass
class Office:
    world: World
    chat: Chat
    accounts: Deactivating
    profile: Profile
    personal: Personal


@pytest.fixture
async def office(world: World) -> Office:
    chat = Chat(world)
    accounts, profile = Deactivating(), Profile()
    hands = Hands(
        *(world.matrix, world.matrix, world.store, world.rooms, world.rules, world.clock, world.limits),
        world.matrix,
        Waves(lambda: 16, lambda: 16),
    )
    outside = Outside(world.matrix, accounts, hands, world.gate, chat.inbox, profile)  # type: ignore[arg-type]

    async def idle() -> None:
        await world.work()

    world.queue.idle = idle  # type: ignore[method-assign]
    readers = Readers(world.store, Reader(ENGLISH, "Europe/Berlin"))
    personal = Personal(world.store, world.queue, world.clock, chat.linking, outside, readers)
    return Office(world, chat, accounts, profile, personal)


async def everything(world: World) -> str:
    """The whole database as text."""
    tables = await world.db.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
    rows = [dict(row) for table in tables for row in await world.db.fetch(f"SELECT * FROM {table['name']}")]
    return json.dumps(rows, default=str)


async def test_what_is_known_is_told_in_sentences(office: Office) -> None:
    await office.world.synced(students=[8, 9])
    said = await office.personal.show("p8")
    assert said[0] == "Moodle user 8: Person 8, user name p8."
    assert said[1] == "The Matrix account is @p8:uni.test (trust: derived, ready)."
    assert "Enrolled in courses that we know: 1 (42). Joined or invited in rooms: 1." in said
    assert "Lines of the audit log: 1; see the export." in said
    assert await office.personal.show("8") == said == await office.personal.show("@p8:uni.test")


@pytest.mark.parametrize("words", ["nobody", "77", "@nobody:uni.test"])
async def test_somebody_of_whom_nothing_is_known_is_refused(office: Office, words: str) -> None:
    for asking in (
        office.personal.show,
        office.personal.export,
        office.personal.erase,
        office.personal.unlink,
    ):
        with pytest.raises(Refused, match="Nothing is stored about"):
            await asking(words)
    assert await office.world.store.people.excluded([MoodleUserId(77)]) == frozenset()


async def test_a_word_that_can_mean_two_people_is_refused(office: Office) -> None:
    office.world.facts.add_person(8)
    office.world.facts.add_person(9, username="8")
    for number in (ANNA, BERT):
        await office.chat.know(number, UserId(f"@p{number}:uni.test"))
    with pytest.raises(Refused, match="can mean the Moodle users 8 and 9, so nothing was done"):
        await office.personal.erase("8")


async def test_everything_is_handed_out_as_json(office: Office) -> None:
    await office.world.synced(students=[8, 9])
    await office.world.store.people.wrote_field(ANNA, "@p8:uni.test")
    found = json.loads(json.dumps(await office.personal.export("p8")))
    assert found["moodle_id"] == 8
    assert found["sent"]["into_the_moodle_profile"] == "@p8:uni.test"
    assert {"person", "enrolment", "place", "mirror_member", "audit"} <= set(found["stored"])
    assert "p9" not in json.dumps(found)


async def test_an_erased_person_is_gone_from_rooms_and_books_and_does_not_come_back(office: Office) -> None:
    world = office.world
    room_id = await world.synced(students=[9], teachers=[8])
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {world.user(8): 60}
    said = await office.personal.erase("p8")
    assert said[0] == "Moodle user 8 was taken out of the rooms. Rooms: 1."
    assert world.matrix.members(room_id)[world.user(8)] == "leave"
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {}
    assert world.user(8) not in await everything(world)
    assert "Person 8" not in await everything(world)
    await world.pass_over_site()
    await world.sync(COURSE)
    assert world.matrix.members(room_id) == {world.user(8): "leave", world.user(9): "join"}
    assert await world.store.courses.courses_of(ANNA) == {}
    assert "Person 8" not in await everything(world)


async def test_an_erasure_waits_for_no_writes_of_other_rooms(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    waves: list[object] = []
    turn = Waves.turn

    def counted(self: Waves, room: object, **more: float) -> AbstractAsyncContextManager[None]:
        waves.append(room)
        return turn(self, room, **more)

    room_id = await office.world.synced(students=[8, 9])
    monkeypatch.setattr(Waves, "turn", counted)
    await office.personal.erase("p8")
    assert office.world.matrix.members(room_id)[office.world.user(8)] == "leave"
    assert waves == []


async def test_who_was_erased_and_is_readmitted_is_invited_again(office: Office) -> None:
    world = office.world
    room_id = await world.synced(students=[8, 9])
    await office.personal.erase("p8")
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "leave"
    (said,) = await office.personal.readmit("8")
    assert said.startswith("Moodle user 8 takes part again as Moodle says.")
    assert await world.due() == {SITE: frozenset({"cli"})}, "everything is looked at anew"
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(8)] == "invite"
    assert await office.personal.readmit("8") == ["Moodle user 8 was not erased here, so nothing was done."]
    assert [line.kind for line in await world.store.journal.audit()].count("Readmitted") == 1


async def test_who_is_readmitted_is_named_by_the_number_in_moodle(office: Office) -> None:
    await office.world.synced(students=[8])
    await office.personal.erase("p8")
    with pytest.raises(Refused, match="Nothing is stored about “p8”, and nothing was done"):
        await office.personal.readmit("p8")
    assert await office.world.store.people.excluded([ANNA]) == {ANNA}


async def test_a_number_is_that_of_whoever_was_erased_though_somebody_else_is_called_so(
    office: Office,
) -> None:
    await office.world.synced(students=[8])
    await office.personal.erase("p8")
    office.world.facts.add_person(9, username="8")
    await office.chat.know(BERT, UserId("@p9:uni.test"))
    (said,) = await office.personal.readmit(" 8 ")
    assert said.startswith("Moodle user 8 takes part again as Moodle says.")
    with pytest.raises(Refused, match="Nothing is stored about"):
        await office.personal.readmit("9" * 5000)


async def test_accounts_that_we_made_are_deactivated_and_others_are_not(office: Office) -> None:
    world = office.world
    await world.synced(students=[8])
    ours = UserId("@moodle_uni_8:uni.test")
    row = AccountRow(ours, ANNA, AccountKind.VIRTUAL, AccountState.MADE, 1.0)
    await world.store.accounts.put(row)
    said = await office.personal.erase("p8")
    assert office.accounts.gone == [(ours, True)]
    assert f"The account {ours}, which we had made, was deactivated and erased." in said


async def test_without_admin_rights_it_is_said_what_to_do_by_hand(office: Office) -> None:
    await office.world.synced(students=[8])
    ours = UserId("@p8:uni.test")
    await office.world.store.accounts.put(AccountRow(ours, ANNA, AccountKind.REAL, AccountState.MADE, 1.0))
    office.accounts.trouble = NoAdminRights("No rights.")
    assert "@p8:uni.test was not deactivated; do that at the homeserver. No rights." in (
        await office.personal.erase("p8")
    )


async def test_what_we_wrote_into_moodle_is_taken_out_and_what_others_wrote_stays(office: Office) -> None:
    await office.world.synced(students=[8, 9])
    for user_id in (ANNA, BERT):
        await office.world.store.people.wrote_field(user_id, f"@p{user_id}:uni.test")
    office.profile.values = {ANNA: "@p8:uni.test", BERT: "@elsewhere:uni.test"}
    assert "The Matrix id was taken out of the Moodle profile." in await office.personal.erase("p8")
    await office.personal.erase("p9")
    assert office.profile.values == {ANNA: "", BERT: "@elsewhere:uni.test"}


async def test_what_fails_is_said_and_can_be_done_again(office: Office) -> None:
    world = office.world
    room_id = await world.synced(students=[8])
    world.matrix.refuse("kick", error=PermanentFailure("no power"), times=1)
    with pytest.raises(
        PermanentFailure, match=r"could not be taken out of every room.*no power.*erase again"
    ):
        await office.personal.erase("p8")
    assert world.matrix.members(room_id)[world.user(8)] == "join"
    assert await world.store.people.excluded([ANNA]) == {ANNA}
    await office.personal.erase("p8")
    assert world.matrix.members(room_id)[world.user(8)] == "leave"
    assert world.user(8) not in await everything(world)


async def test_a_code_is_shown_or_sent_but_never_both(office: Office) -> None:
    office.world.facts.add_person(8)
    shown = await office.personal.give_code("8", message=False)
    assert "The code for Moodle user 8 is " in shown[0]
    sent = await office.personal.give_code("8", message=True)
    ((to, text),) = office.chat.inbox.sent
    code = text.partition("link ")[2][:9]
    assert to == ANNA and code not in " ".join(sent)
    assert "Person 8" in str(await office.chat.send(UserId("@mine:uni.test"), code))


@pytest.mark.parametrize(
    ("language", "until"),
    [("en", "The code is good until 1 Jul 2026, 00:45."), ("de", "Der Code gilt bis 01.07.2026, 00:45.")],
)
async def test_the_end_of_a_code_is_told_to_its_person_by_the_own_clock_and_to_the_administrator_in_utc(
    office: Office, language: str, until: str
) -> None:
    world = office.world
    await world.synced(students=[8, 9])
    world.clock.advance(1_782_858_600.0 - world.clock.now())
    await world.store.readers.choose(ANNA, language)
    said = await office.personal.give_code("8", message=True)
    assert said == [
        "A code was sent to Moodle user 8 as a Moodle message. It is good until 2026-06-30 22:45 UTC."
    ]
    ((_, text),) = office.chat.inbox.sent
    assert until in text


async def test_where_moodle_takes_no_messages_no_code_is_made(office: Office) -> None:
    office.world.facts.add_person(8)
    office.chat.inbox.on = False
    with pytest.raises(Refused, match="No code was made"):
        await office.personal.give_code("8", message=True)
    assert await office.world.db.fetch("SELECT * FROM link_code") == []


async def test_a_link_is_undone(office: Office) -> None:
    office.world.facts.add_person(5)
    await office.chat.know(MoodleUserId(5), UserId("@p5:uni.test"), Trust.DERIVED)
    assert "nothing to undo" in (await office.personal.unlink("p5"))[0]
    await office.chat.prove(UserId("@mine:uni.test"))
    assert "was undone" in (await office.personal.unlink("p5"))[0]
    assert await office.chat.account_of() is None
