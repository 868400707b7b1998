"""Whose account has a place, on a real Synapse: virtual users that give way, and what follows a suspended account."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.model import Membership, RoomId, UserId
from tests.live.homeserver import People
from tests.live.house import House, until

COURSE = 2


def person(house: House, username: str) -> Any:
    return next(one for one in house.moodle.university.people.values() if one.username == username)


async def levels(house: House) -> dict[str, int]:
    content = (await house.state(COURSE))["m.room.power_levels", ""]
    return dict(content.get("users", {}))


async def test_a_teacher_sees_the_whole_class_and_each_virtual_user_gives_way_to_an_account(
    house: House, people: People
) -> None:
    house.overrides["accounts"] = {"mode": "virtual"}
    teacher = await people.register(house.synapse, "teacher")
    university = house.moodle.university
    university.enrol(university.add_person(teacher.localpart, "Tea", "Cher").id, COURSE, "editingteacher")
    await house.start()
    await house.sync()
    everybody = {
        user: one for user, one in university.people.items() if one.username in ("t1", "s1", "s2", "s3")
    }
    virtual = {house.mxid(f"moodle_{house.seat.site}_{number}"): one for number, one in everybody.items()}
    assert await house.members(COURSE) == {**dict.fromkeys(virtual, "join"), teacher.user_id: "invite"}
    names = {
        key: content.get("displayname")
        for (kind, key), content in (await house.state(COURSE)).items()
        if kind == "m.room.member" and key in virtual
    }
    assert names == {user: f"{one.firstname} {one.lastname}" for user, one in virtual.items()}
    assert await levels(house) == {teacher.user_id: 60}, "a virtual teacher has no level"
    mark = house.synapse.mark()
    await house.sync()
    assert [one for one in house.sent_since(mark) if one.method != "GET"] == []

    localpart = f"late-{house.seat.site}"
    sam = university.add_person(localpart, "Sam", "Late")
    university.enrol(sam.id, COURSE, "student")
    await house.sync()
    held = house.mxid(f"moodle_{house.seat.site}_{sam.id}")
    assert (await house.members(COURSE))[held] == "join"
    await house.synapse.register(localpart, "a-long-password", "Sam")
    await until(lambda: _is(house, house.mxid(localpart), "invite"), "the real account is invited")
    assert (await house.members(COURSE))[held] == "leave"
    assert (await house.sync()).held == ()


async def _is(house: House, user: str, membership: str) -> bool:
    await house.sync()
    return (await house.members(COURSE)).get(user) == membership


AFTER = {"remove": ("leave", False), "mute": ("join", False), "ban": ("ban", False), "keep": ("join", True)}
"""Policy → how somebody who is suspended stands in the room, and whether they can write there."""


@pytest.mark.parametrize("policy", AFTER)
async def test_a_suspended_account_follows_the_policy_and_comes_back(
    house: House, people: People, policy: str
) -> None:
    house.overrides["people"] = {"on_suspend": policy}
    account = await people.register(house.synapse, "sam")
    university = house.moodle.university
    sam = university.add_person(account.localpart, "Sam", "Student")
    university.enrol(sam.id, COURSE, "student")
    await house.start()
    await house.sync()
    client = await people.client(house.synapse, account)
    room_id = await house.room_of(COURSE)
    await client.join(room_id)

    async def may_write() -> bool:
        path = f"/_matrix/client/v3/rooms/{room_id}/send/m.room.message/{policy}{len(sent)}"
        sent.append(path)
        body = {"msgtype": "m.text", "body": "hello"}
        answer = await house.ask("PUT", path, token=account.access_token, body=body)
        return "event_id" in answer

    sent: list[str] = []
    assert await may_write()
    sam.suspended = True
    await house.sync()
    there, writes = {
        "remove": ("leave", False),
        "mute": ("join", False),
        "ban": ("ban", False),
        "keep": ("join", True),
    }[policy]
    assert (await house.members(COURSE))[account.user_id] == there
    assert await may_write() is writes
    assert (await levels(house)).get(account.user_id) == (-1 if policy == "mute" else None)
    mark = house.synapse.mark()
    await house.sync()
    assert [one for one in house.sent_since(mark) if one.method != "GET"] == []

    sam.suspended = False
    await house.sync()
    back = "join" if there == "join" else "invite"
    assert (await house.members(COURSE))[account.user_id] == back
    if back == "invite":
        await client.join(room_id)
    assert account.user_id not in await levels(house)
    assert await may_write()


async def test_a_moderator_s_ban_is_not_lifted_when_a_suspension_ends(house: House, people: People) -> None:
    house.overrides["people"] = {"on_suspend": "ban"}
    teacher = await people.register(house.synapse, "teacher")
    university = house.moodle.university
    university.enrol(university.add_person(teacher.localpart, "Tea", "Cher").id, COURSE, "editingteacher")
    await house.start()
    await house.sync()
    client = await people.client(house.synapse, teacher)
    room_id = await house.room_of(COURSE)
    await client.join(room_id)
    await client.room_ban(room_id, house.mxid("s1"))

    async def pushed() -> bool:
        assert house.running is not None
        room = await house.running.store.mirror.room(RoomId(room_id))
        return room is not None and room.members[UserId(house.mxid("s1"))].membership is Membership.BAN

    await until(pushed, "the ban is pushed to us")
    student = person(house, "s1")
    for suspended in (True, False):
        student.suspended = suspended
        await house.sync()
        assert (await house.members(COURSE))[house.mxid("s1")] == "ban"
