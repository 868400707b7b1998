"""The bot, asked by real clients: direct chats, course rooms, who may ask what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import nio
import pytest

from moodle_appservice.errors import TemporaryFailure
from tests.live.homeserver import Account, People
from tests.live.house import House, until


@dataclass
class Chatter:
    """A person with a client, in one room."""

    client: nio.AsyncClient
    account: Account
    house: House

    async def open_direct_chat(self) -> str:
        """Invite the bot to a direct chat; does not wait for it."""
        answer = await self.client.room_create(is_direct=True, invite=[self.house.seat.sender])
        assert isinstance(answer, nio.RoomCreateResponse), answer
        return str(answer.room_id)

    async def bot_is_in(self, room_id: str) -> bool:
        answer = await self.client.joined_members(room_id)
        assert isinstance(answer, nio.JoinedMembersResponse), answer
        return any(member.user_id == self.house.seat.sender for member in answer.members)

    async def say(self, room_id: str, text: str, **content: Any) -> str:
        answer = await self.client.room_send(
            room_id, "m.room.message", {"msgtype": "m.text", "body": text, **content}
        )
        assert isinstance(answer, nio.RoomSendResponse), answer
        return str(answer.event_id)

    async def messages(self, room_id: str) -> list[dict[str, Any]]:
        """The bot's notices in a room, oldest first, without its welcome."""
        return [one for one in await self.everything(room_id) if not one["body"].startswith("Hello ")]

    async def everything(self, room_id: str) -> list[dict[str, Any]]:
        """The bot's notices in a room, oldest first."""
        answer = await self.client.room_messages(room_id, "", limit=300)
        assert isinstance(answer, nio.RoomMessagesResponse), answer
        events = [event.source for event in reversed(answer.chunk)]
        return [
            event["content"]
            for event in events
            if event["sender"] == self.house.seat.sender and event["type"] == "m.room.message"
        ]

    async def answer(self, room_id: str, number: int = 1) -> dict[str, Any]:
        """The bot's n-th notice in a room, waited for."""

        async def there() -> bool:
            return len(await self.messages(room_id)) >= number

        await until(there, f"{number} answers of the bot", patience=120)
        return (await self.messages(room_id))[number - 1]

    async def direct_rooms(self) -> list[str]:
        """Rooms to which the bot has invited this person as a direct chat."""
        answer = await self.client.sync(timeout=0, full_state=True)
        assert isinstance(answer, nio.SyncResponse), answer
        return [
            room_id
            for room_id, info in answer.rooms.invite.items()
            if any(
                isinstance(event, nio.InviteMemberEvent)
                and event.sender == self.house.seat.sender
                and event.content.get("is_direct")
                for event in info.invite_state
            )
        ]


@dataclass
class Cast:
    """A teacher, a student and a stranger, and the course room in which the first two are."""

    house: House
    teacher: Chatter
    student: Chatter
    stranger: Chatter
    room_id: str


@pytest.fixture
async def cast(house: House, people: People) -> AsyncIterator[Cast]:
    async def chatter(name: str) -> Chatter:
        account = await people.register(house.synapse, name)
        return Chatter(await people.client(house.synapse, account), account, house)

    teacher, student, stranger = await chatter("teacher"), await chatter("student"), await chatter("stranger")
    university = house.moodle.university
    for who, role in ((teacher, "editingteacher"), (student, "student")):
        person = university.add_person(who.account.localpart, who.account.localpart.capitalize(), "Person")
        university.enrol(person.id, 2, role)
    await house.start()
    await house.sync()
    room_id = await house.room_of(2)
    for who in (teacher, student):
        await who.client.join(room_id)
    yield Cast(house, teacher, student, stranger, room_id)


async def test_the_bot_joins_a_teachers_direct_chat_and_tells_the_status_with_names(cast: Cast) -> None:
    room_id = await cast.teacher.open_direct_chat()
    await until(lambda: cast.teacher.bot_is_in(room_id), "the bot joins")
    await cast.teacher.say(room_id, "!status")
    answer = await cast.teacher.answer(room_id)
    assert answer["msgtype"] == "m.notice"
    assert answer["m.mentions"] == {}
    for part in (
        "C1",
        "expected 6",
        "joined 2",
        "invited 4",
        "missing 0",
        "last sync just now",
        "errors none",
    ):
        assert part in answer["body"]
    assert "<strong>expected</strong> 6" in answer["formatted_body"]


async def test_a_status_in_the_course_room_holds_numbers_only(cast: Cast) -> None:
    university = cast.house.moodle.university
    ghost = university.add_person("admin", "Secret", "Name")
    university.enrol(ghost.id, 2, "student")
    await cast.house.sync(2)
    await cast.teacher.say(cast.room_id, "!status")
    answer = await cast.teacher.answer(cast.room_id)
    assert "missing 1" in answer["body"]
    assert "Secret" not in str(answer)
    room_id = await cast.teacher.open_direct_chat()
    await until(lambda: cast.teacher.bot_is_in(room_id), "the bot joins")
    await cast.teacher.say(room_id, "status C1")
    told = (await cast.teacher.answer(room_id))["body"]
    assert "Secret Name – The account name admin is reserved" in told


async def test_an_error_of_the_course_stays_out_of_the_course_room(cast: Cast) -> None:
    running = cast.house.running
    assert running is not None
    await running.store.courses.synced(2, at=running.clock.now(), error="Anna could not be invited")  # type: ignore[arg-type]
    await cast.teacher.say(cast.room_id, "!status")
    body = (await cast.teacher.answer(cast.room_id))["body"]
    assert "errors 1" in body
    assert "Anna" not in body


async def test_a_teachers_sync_brings_a_new_enrolment_into_the_room(cast: Cast) -> None:
    university = cast.house.moodle.university
    late = university.add_person("late", "Late", "Comer")
    university.enrol(late.id, 2, "student")
    await cast.teacher.say(cast.room_id, "!moodle sync")
    answer = await cast.teacher.answer(cast.room_id)
    assert "expected 7" in answer["body"]
    assert (await cast.house.members(2))[cast.house.mxid("late")] == "invite"


async def test_a_student_who_asks_for_the_status_is_refused_in_a_direct_chat(cast: Cast) -> None:
    await cast.student.say(cast.room_id, "!status")

    found: list[str] = []

    async def invited() -> bool:
        found.extend(await cast.student.direct_rooms())
        return bool(found)

    await until(invited, "the bot opens a direct chat with the student")
    (room_id,) = found
    await cast.student.client.join(room_id)
    assert "for the teachers of this course" in (await cast.student.answer(room_id))["body"]
    assert await cast.teacher.messages(cast.room_id) == []


async def test_help_shows_only_what_the_person_may_use(cast: Cast) -> None:
    bodies = []
    for who in (cast.teacher, cast.student):
        room_id = await who.open_direct_chat()
        await until(lambda who=who, room_id=room_id: who.bot_is_in(room_id), "the bot joins")  # type: ignore[misc]
        await who.say(room_id, "help")
        bodies.append((await who.answer(room_id))["body"])
    assert "status" in bodies[0]
    assert "sync" in bodies[0]
    assert "status" not in bodies[1]


async def test_an_unknown_word_is_answered_in_a_direct_chat_and_nowhere_else(cast: Cast) -> None:
    await cast.teacher.say(cast.room_id, "!dance")
    await cast.teacher.say(cast.room_id, "hello bot, status please")
    room_id = await cast.teacher.open_direct_chat()
    await until(lambda: cast.teacher.bot_is_in(room_id), "the bot joins")
    await cast.teacher.say(room_id, "dance")
    assert "“dance”" in (await cast.teacher.answer(room_id))["body"]
    assert await cast.teacher.messages(cast.room_id) == []


async def test_the_bot_leaves_invites_to_ordinary_rooms_unanswered(cast: Cast) -> None:
    answer = await cast.teacher.client.room_create(invite=[cast.house.seat.sender])
    assert isinstance(answer, nio.RoomCreateResponse)
    direct = await cast.teacher.open_direct_chat()
    await until(lambda: cast.teacher.bot_is_in(direct), "the bot joins the direct chat")
    assert not await cast.teacher.bot_is_in(answer.room_id)


async def test_a_stranger_is_told_once_how_to_link_an_account_and_nothing_else(cast: Cast) -> None:
    room_id = await cast.stranger.open_direct_chat()
    await until(lambda: cast.stranger.bot_is_in(room_id), "the bot joins")
    for text in ("hello", "status C1", "help"):
        await cast.stranger.say(room_id, text)
    await cast.stranger.say(room_id, "link ABCD-EFGH")

    async def refused() -> bool:
        return any("I know no such code" in one["body"] for one in await cast.stranger.messages(room_id))

    await until(refused, "the bot refuses the code")
    bodies = [one["body"] for one in await cast.stranger.messages(room_id)]
    assert sum("I do not know this account yet" in body for body in bodies) == 1
    assert len(bodies) == 2


async def test_a_command_in_a_thread_is_answered_in_the_thread(cast: Cast) -> None:
    root = await cast.teacher.say(cast.room_id, "a question")
    relation = {"rel_type": "m.thread", "event_id": root}
    await cast.teacher.say(cast.room_id, "!help", **{"m.relates_to": relation})
    answer = await cast.teacher.answer(cast.room_id)
    assert answer["m.relates_to"]["event_id"] == root


async def test_a_command_is_answered_once_even_when_it_is_pushed_twice_and_over_a_restart(cast: Cast) -> None:
    room_id = await cast.teacher.open_direct_chat()
    await until(lambda: cast.teacher.bot_is_in(room_id), "the bot joins")
    await cast.house.stop()
    await cast.teacher.say(room_id, "help")
    running = await cast.house.start()
    # The pass opens the gate, and for that the homeserver pushes what it has kept for us.
    await cast.house.sync()
    await cast.teacher.answer(room_id)
    assert await running.store.journal.new_commands(sent_after=0) == []
    await cast.house.stop()
    await cast.house.start()
    await cast.teacher.say(room_id, "help")
    await cast.house.sync()
    await cast.teacher.answer(room_id, 2)
    assert len(await cast.teacher.messages(room_id)) == 2


async def test_a_sync_that_moodle_can_not_answer_is_tried_again_and_then_answered(cast: Cast) -> None:
    running = cast.house.running
    assert running is not None
    failures = [TemporaryFailure("Moodle is away.", retry_after=0.1)]
    course_facts = running.facts.course_facts

    async def once_away(*args: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return await course_facts(*args, **named)

    running.facts.course_facts = once_away  # type: ignore[method-assign]
    await cast.teacher.say(cast.room_id, "!sync")
    async with asyncio.timeout(30):
        assert "expected 6" in (await cast.teacher.answer(cast.room_id))["body"]


async def test_who_takes_no_invites_leaves_no_room_of_the_bot_behind(cast: Cast) -> None:
    blocked = {"default_action": "block"}
    path = f"/_matrix/client/v3/user/{quote(cast.student.account.user_id)}/account_data/m.invite_permission_config"
    await cast.house.ask("PUT", path, token=cast.student.account.access_token, body=blocked)
    before = await cast.house.ask("GET", "/_matrix/client/v3/joined_rooms")
    mark = cast.house.synapse.mark()
    await cast.student.say(cast.room_id, "!status")

    async def left() -> bool:
        # The bot may try again, to say that it failed: each room that it makes must be left.
        sent = cast.house.sent_since(mark)
        made = [request for request in sent if request.path.endswith("/createRoom")]
        gone = [request for request in sent if request.path.endswith("/leave")]
        after = await cast.house.ask("GET", "/_matrix/client/v3/joined_rooms")
        return len(made) == len(gone) > 0 and sorted(after["joined_rooms"]) == sorted(before["joined_rooms"])

    await until(left, "the bot leaves the rooms that it has made for nobody")


async def test_who_has_left_the_direct_chat_is_answered_in_a_new_one(cast: Cast) -> None:
    room_id = await cast.student.open_direct_chat()
    await until(lambda: cast.student.bot_is_in(room_id), "the bot joins the direct chat")
    await cast.student.say(room_id, "help")
    await cast.student.answer(room_id)
    await cast.student.client.room_leave(room_id)
    await cast.student.say(cast.room_id, "!status")

    async def invited() -> bool:
        return bool(await cast.student.direct_rooms())

    await until(invited, "the bot opens another direct chat with the student")


async def test_in_an_encrypted_direct_chat_the_bot_says_so_and_opens_one_that_it_can_read(cast: Cast) -> None:
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    made = await cast.student.client.room_create(
        is_direct=True, invite=[cast.house.seat.sender], initial_state=[encryption]
    )
    assert isinstance(made, nio.RoomCreateResponse), made
    found: list[str] = []

    async def invited() -> bool:
        found.extend(await cast.student.direct_rooms())
        return bool(found)

    await until(invited, "the bot opens another chat")
    said = (await cast.student.answer(made.room_id))["body"]
    assert "encrypted, and I can't read it" in said
    assert "https://matrix.to/#/" in said
    other = found[0]
    await cast.student.client.join(other)

    async def welcomed() -> bool:
        return any(one["body"].startswith("Hello ") for one in await cast.student.everything(other))

    await until(welcomed, "the welcome in the readable chat")
    await cast.student.say(other, "whoami")
    assert cast.student.account.user_id in (await cast.student.answer(other))["body"]
    assert len(await cast.student.everything(made.room_id)) == 1


async def test_edits_and_notices_are_not_answered(cast: Cast) -> None:
    root = await cast.teacher.say(cast.room_id, "!help")
    await cast.teacher.answer(cast.room_id)
    edit = {"m.new_content": {"msgtype": "m.text", "body": "!status"}}
    await cast.teacher.say(
        cast.room_id, "* !status", **edit, **{"m.relates_to": {"rel_type": "m.replace", "event_id": root}}
    )
    await cast.teacher.say(cast.room_id, "!status", msgtype="m.notice")
    await cast.teacher.say(cast.room_id, "!moodle whoami")
    direct = await _direct(cast.teacher)
    assert "user number" in (await cast.teacher.answer(direct))["body"]
    assert len(await cast.teacher.messages(cast.room_id)) == 1


async def _direct(who: Chatter) -> str:
    found: list[str] = []

    async def invited() -> bool:
        found.extend(await who.direct_rooms())
        return bool(found)

    await until(invited, "the bot opens a direct chat")
    await who.client.join(found[0])
    return found[0]
