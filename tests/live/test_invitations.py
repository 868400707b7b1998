"""That a course chat is ready is told once per person and course, by chat and inside Moodle, where that is on."""

from __future__ import annotations

from urllib.parse import quote

from moodle_appservice.demo.sandbox import rights
from tests.live.homeserver import Account, People
from tests.live.house import House

COURSE = 2
READY = "Your course chat is ready: "


async def enrolled(house: House, people: People, name: str, role: str) -> Account:
    account = await people.register(house.synapse, name)
    university = house.moodle.university
    university.enrol(university.add_person(account.localpart, name.title(), "Test").id, COURSE, role)
    return account


async def invited_to(house: House, account: Account) -> set[str]:
    told = await house.ask("GET", "/_matrix/client/v3/sync", token=account.access_token)
    return set(told["rooms"].get("invite", {}))


async def read(house: House, account: Account, room_id: str) -> list[str]:
    """Accept an invite, and read what the bot has said."""
    where = f"/_matrix/client/v3/rooms/{quote(room_id)}"
    await house.ask("POST", f"{where}/join", token=account.access_token, body={})
    told = await house.ask("GET", f"{where}/messages?dir=b&limit=50", token=account.access_token)
    return [event["content"]["body"] for event in told["chunk"] if event["type"] == "m.room.message"]


async def test_a_student_is_told_once_in_a_direct_chat_and_in_moodle_and_a_teacher_is_not(
    house: House, people: People
) -> None:
    university = house.moodle.university
    for person in list(university.people):
        for course in (2, 3):
            university.unenrol(person, course)
    student = await enrolled(house, people, "student", "student")
    teacher = await enrolled(house, people, "teacher", "editingteacher")
    house.moodle.site.service.functions.append("core_message_send_instant_messages")
    house.moodle.rights.grant(rights.MESSAGE_ANY_USER)
    house.overrides["bot"] = {"invite_message": True}
    house.overrides["moodle"] = {"invite_message": True}
    service = await house.start()
    await house.sync(COURSE)
    await service.talk.invitations.idle()
    room_id = await house.room_of(COURSE)
    (chat,) = await invited_to(house, student) - {room_id}
    assert await invited_to(house, teacher) == {room_id}
    (message,) = house.moodle.site.messages
    assert message.text.startswith(READY)
    assert quote(room_id) in message.text

    joined = await house.ask("GET", "/_matrix/client/v3/joined_rooms")
    before = set(joined["joined_rooms"])
    assert chat in before

    # A second invite, and a restart, tell it nobody again.
    where = f"/_matrix/client/v3/rooms/{quote(room_id)}/kick"
    await house.ask("POST", where, body={"user_id": student.user_id})
    await house.stop()
    service = await house.start()
    await house.sync(COURSE)
    await service.talk.invitations.idle()
    assert (await house.members(COURSE))[student.user_id] == "invite"
    said = await read(house, student, chat)
    assert [text for text in said if text.startswith(READY)] == [message.text]
    joined = await house.ask("GET", "/_matrix/client/v3/joined_rooms")
    assert set(joined["joined_rooms"]) == before, "no second chat"
    assert len(house.moodle.site.messages) == 1
