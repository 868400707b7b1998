"""What we write into Moodle, against the sandbox: messages to people's inboxes, and their Matrix ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import Fault, SandboxMoodle, University, rights
from moodle_appservice.demo.sandbox.records import ProfileField as Definition
from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.errors import PermanentFailure, Refused, TemporaryFailure
from moodle_appservice.moodle.client import MoodleClient
from moodle_appservice.moodle.functions import REMEMBERED, SEND_MESSAGES, UPDATE_USERS, Functions
from moodle_appservice.moodle.messages import MoodleMessages
from moodle_appservice.moodle.profile import ProfileField
from moodle_appservice.moodle.read import MoodleFacts
from moodle_appservice.store.books import Books
from tests.fakes import FakeClock


@dataclass
class Desk:
    moodle: SandboxMoodle
    clock: FakeClock
    client: MoodleClient
    functions: Functions
    messages: MoodleMessages
    field: ProfileField

    @property
    def people(self) -> list[MoodleUserId]:
        return [
            MoodleUserId(person.id)
            for person in self.moodle.university.people.values()
            if person.username.startswith("s")
        ]

    def value(self, user_id: MoodleUserId) -> str:
        return self.moodle.university.people[user_id].profile.get("matrixid", "")

    def texts(self) -> list[tuple[int, str]]:
        return [(message.to, message.text) for message in self.moodle.site.messages]


@pytest.fixture
async def desk(books: Books) -> AsyncIterator[Desk]:
    university = University()
    university.profile_fields["matrixid"] = Definition("matrixid", "Matrix ID")
    for number in range(1, 121):
        university.add_person(f"s{number}", "Stu", f"Dent {number}")
    async with SandboxMoodle(university) as moodle, aiohttp.ClientSession() as session:
        moodle.site.service.functions += [SEND_MESSAGES, UPDATE_USERS]
        moodle.rights.grant(rights.USER_UPDATE, rights.MESSAGE_ANY_USER)
        clock = FakeClock()
        client = MoodleClient(moodle.url, moodle.token, session=session)
        functions = Functions(MoodleFacts(client, clock=clock), clock)
        yield Desk(
            *(moodle, clock, client, functions),
            MoodleMessages(client, functions, books),
            ProfileField(client, functions, "matrixid"),
        )


async def test_a_message_arrives_as_it_was_written_and_once(desk: Desk) -> None:
    anna = desk.people[0]
    for _ in range(3):
        await desk.messages.send(anna, "Your code: ABCD-EFGH <b>&amp;", key="one")
    await desk.messages.send(anna, "Another", key="two")
    assert desk.texts() == [(anna, "Your code: ABCD-EFGH <b>&amp;"), (anna, "Another")]


async def test_messages_are_off_unless_the_function_is_in_the_service(desk: Desk) -> None:
    desk.moodle.site.service.functions.remove(SEND_MESSAGES)
    assert not await desk.messages.is_on()
    with pytest.raises(
        Refused, match=r"core_message_send_instant_messages is not in the service.*nothing was sent"
    ):
        await desk.messages.send(desk.people[0], "Hello", key="one")
    desk.moodle.site.service.functions.append(SEND_MESSAGES)
    assert not await desk.messages.is_on()
    desk.clock.advance(REMEMBERED)
    assert await desk.messages.is_on()


async def test_a_message_that_moodle_does_not_deliver_is_an_error_with_moodle_s_reason(desk: Desk) -> None:
    with pytest.raises(PermanentFailure, match=r"user ID \(99999\) that doesn't exist"):
        await desk.messages.send(MoodleUserId(99999), "Hello", key="one")
    desk.moodle.rights.revoke(rights.MESSAGE_ANY_USER)
    with pytest.raises(PermanentFailure, match=r"message preferences.*Nothing was sent.*messageanyuser"):
        await desk.messages.send(desk.people[0], "Hello", key="two")
    assert desk.texts() == []
    desk.moodle.rights.grant(rights.MESSAGE_ANY_USER)
    await desk.messages.send(desk.people[0], "Hello", key="two")
    assert len(desk.texts()) == 1


async def test_without_the_right_no_message_is_sent(desk: Desk) -> None:
    desk.moodle.rights.revoke(rights.SEND_MESSAGE)
    with pytest.raises(PermanentFailure, match=r"lacks moodle/site:sendmessage, so nothing was sent"):
        await desk.messages.send(desk.people[0], "Hello", key="one")


async def test_a_message_whose_answer_is_lost_is_not_sent_again_by_itself(desk: Desk) -> None:
    await desk.messages.is_on()
    before = desk.client.requests
    desk.moodle.faults.fail(Fault.HANG_UP, times=5)
    with pytest.raises(TemporaryFailure):
        await desk.messages.send(desk.people[0], "Hello", key="one")
    assert desk.client.requests == before + 1
    assert len(desk.texts()) == 1


async def test_ids_are_written_fifty_in_a_request_and_read_back(desk: Desk) -> None:
    values = {user_id: f"@s{user_id}:uni.test" for user_id in desk.people}
    assert await desk.field.write(values) == {}
    assert {user_id: desk.value(user_id) for user_id in values} == values
    assert await desk.field.read(desk.people[:2]) == {one: values[one] for one in desk.people[:2]}
    assert desk.moodle.calls[UPDATE_USERS] == 3


async def test_who_can_not_be_changed_is_named_and_the_others_are_written(desk: Desk) -> None:
    admin, deleted, anna = desk.people[:3]
    desk.moodle.site.administrators = frozenset({admin})
    desk.moodle.university.delete_person(deleted)
    missing = MoodleUserId(99999)
    refused = await desk.field.write(dict.fromkeys((admin, deleted, anna, missing), "@x:uni.test"))
    assert set(refused) == {admin, deleted, missing}
    assert "site administrator" in refused[admin]
    assert "the account is deleted" in refused[deleted]
    assert "there is no such account" in refused[missing]
    assert [desk.value(one) for one in (admin, deleted, anna)] == ["", "", "@x:uni.test"]


async def test_a_field_that_does_not_exist_is_noticed_although_moodle_says_nothing(desk: Desk) -> None:
    field = ProfileField(desk.client, desk.functions, "matrx")
    anna, bert = desk.people[:2]
    refused = await field.write({anna: "@x:uni.test"})
    assert "Is there a field with this short name" in refused[anna]
    with pytest.raises(PermanentFailure, match=r"kept none of 2 Matrix ids.*field with this short name"):
        await field.write({anna: "@x:uni.test", bert: "@y:uni.test"})


async def test_without_the_right_nothing_is_written(desk: Desk) -> None:
    desk.moodle.rights.revoke(rights.USER_UPDATE)
    with pytest.raises(PermanentFailure, match=r"lacks moodle/user:update, so no Matrix id was written"):
        await desk.field.write({desk.people[0]: "@x:uni.test"})
    assert desk.value(desk.people[0]) == ""


async def test_whether_we_may_write_is_found_out_without_writing(desk: Desk) -> None:
    assert await desk.field.may_write()
    desk.moodle.rights.revoke(rights.USER_UPDATE)
    assert not await desk.field.may_write()
    assert {desk.value(one) for one in desk.people} == {""}


async def test_writing_is_off_unless_the_function_is_in_the_service(desk: Desk) -> None:
    assert await desk.field.is_on()
    desk.moodle.site.service.functions.remove(UPDATE_USERS)
    desk.clock.advance(REMEMBERED)
    assert not await desk.field.is_on()
