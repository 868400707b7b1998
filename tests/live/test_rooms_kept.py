"""Rooms on a real homeserver, versions 11 and 12: found again, adopted, upgraded, and never doubled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from moodle_appservice.domain.actions import CreateRoom, Invite, Remove
from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.rooms import RoomKind, main_room
from moodle_appservice.errors import Refused
from tests.live.homeserver import Account, People
from tests.live.house import House
from tests.live.town import Town

COURSE = 2
VERSIONS = pytest.mark.parametrize("version", ["11", "12"])


def at(room_id: str, rest: str) -> str:
    return f"/_matrix/client/v3/rooms/{quote(room_id)}/{rest}"


async def state(house: House, room_id: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    events = await house.ask("GET", at(room_id, "state"))
    return {(event["type"], event["state_key"]): event["content"] for event in events}


async def join(house: House, room_id: str, account: Account) -> None:
    answer = await house.ask("POST", at(room_id, "join"), token=account.access_token, body={})
    assert "room_id" in answer, answer


async def enrolled(house: House, people: People, name: str, role: str = "student") -> Account:
    account = await people.register(house.synapse, name)
    university = house.moodle.university
    university.enrol(university.add_person(account.localpart, name.title(), "Test").id, COURSE, role)
    return account


async def foreign_room(house: House, owner: Account, version: str, *, bot: int | None) -> str:
    power = {"users": {house.seat.sender: bot}} if bot is not None else {}
    if version == "11" and bot is not None:
        power["users"][owner.user_id] = 100
    body = {
        "room_version": version,
        "name": "Old room",
        "preset": "private_chat",
        "power_level_content_override": power,
    }
    answer = await house.ask("POST", "/_matrix/client/v3/createRoom", token=owner.access_token, body=body)
    room_id = str(answer["room_id"])
    if bot is not None:
        invite = {"user_id": house.seat.sender}
        await house.ask("POST", at(room_id, "invite"), token=owner.access_token, body=invite)
    return room_id


@VERSIONS
async def test_without_the_database_no_room_is_made_and_nobody_comes_or_goes(
    house: House, people: People, version: str
) -> None:
    house.overrides["rooms"] = {
        "version": version,
        "existing_courses": True,
        "layout": "space",
        "announcements": True,
        "staff": True,
        "groups": [".*"],
    }
    house.overrides["spaces"] = {"site": True, "categories": "all"}
    house.moodle.rights.grant("moodle/course:managegroups", "moodle/course:viewhiddengroups")
    house.moodle.site.service.functions.append("core_group_get_course_groups")
    house.moodle.university.add_group(COURSE, "Lab")
    house.overrides["identity"] = {"trust_for_moderators": "derived"}
    teacher = await enrolled(house, people, "teacher", "editingteacher")
    leaver, banned = [await enrolled(house, people, name) for name in ("leaver", "banned")]
    service = await house.start()
    assert not (await house.sync()).failures
    course = CourseId(COURSE)
    rooms = {key: own.room_id for key, own in (await service.store.ledger.rooms_of(course)).items()}
    kinds = {key.kind for key in rooms}
    of_course = {RoomKind.SPACE, RoomKind.MAIN, RoomKind.ANNOUNCEMENTS, RoomKind.STAFF, RoomKind.GROUP}
    assert kinds == of_course
    spaces = dict(await service.store.spaces.spaces())
    assert {key.kind for key in spaces} == {RoomKind.SITE, RoomKind.CATEGORY}
    main = rooms[main_room(course)]
    for account in (teacher, leaver, banned):
        await join(house, main, account)
    await house.ask("POST", at(main, "leave"), token=leaver.access_token, body={})
    told = await house.ask(
        "POST", at(main, "ban"), token=teacher.access_token, body={"user_id": banned.user_id}
    )
    assert told == {}
    every = [*rooms.values(), *spaces.values()]
    before = {room_id: await state(house, room_id) for room_id in every}

    await house.stop()
    for file in house.folder.glob("*.db*"):
        file.unlink()
    service = await house.start()
    plans = await service.operations.plans()
    steps = [step for view in plans if view.prepared is not None for step in view.prepared.steps]
    assert not [step for step in steps if isinstance(step.action, CreateRoom | Remove)]
    above = [step for view in await service.operations.space_plans() for step in view.steps]
    assert not [step for step in above if isinstance(step.action, CreateRoom | Remove)]
    invited = {step.action.matrix_id for step in steps if isinstance(step.action, Invite)}
    assert not invited & {leaver.user_id, banned.user_id}
    assert not (await house.sync()).failures
    found = {key: own.room_id for key, own in (await service.store.ledger.rooms_of(course)).items()}
    assert found == rooms
    assert dict(await service.store.spaces.spaces()) == spaces
    assert {room_id: await state(house, room_id) for room_id in every} == before


@VERSIONS
async def test_a_foreign_room_is_adopted_and_nobody_in_it_is_put_out(
    house: House, people: People, version: str
) -> None:
    house.overrides["rooms"] = {"version": version}
    owner, guest = [await people.register(house.synapse, name) for name in ("owner", "guest")]
    student = await enrolled(house, people, "student")
    room_id = await foreign_room(house, owner, version, bot=100)
    for account in (guest,):
        body = {"user_id": account.user_id}
        await house.ask("POST", at(room_id, "invite"), token=owner.access_token, body=body)
        await join(house, room_id, account)
    service = await house.start()
    asked = {"course": COURSE, "room": room_id, "kind": "main"}
    shown = await service.room_work.do("look", asked)
    assert any("Old room" in line for line in shown["sentences"]), shown
    said = await service.room_work.do("adopt", asked)
    assert said["sentences"] == [f"The room {room_id} is that of course {COURSE} main now."]
    assert await house.room_of(COURSE) == room_id
    members = await house.members(COURSE)
    assert members[owner.user_id] == members[guest.user_id] == "join"
    assert members[student.user_id] == "invite"
    content = await state(house, room_id)
    assert content["m.room.name", ""] == {"name": "Old room"}
    users = content["m.room.power_levels", ""]["users"]
    assert users[house.seat.sender] == 100
    assert (owner.user_id in users) == (version == "11")
    assert users[house.mxid("t1")] == 60
    assert not (await house.sync()).failures
    mark = house.synapse.mark()
    await house.sync()
    assert [one for one in house.sent_since(mark) if one.method != "GET"] == []


async def test_a_room_that_the_bot_can_t_enter_is_refused_and_with_admin_rights_it_is_adopted(
    house: House, people: People
) -> None:
    owner = await people.register(house.synapse, "owner")
    room_id = await foreign_room(house, owner, "11", bot=None)
    service = await house.start()
    asked = {"course": COURSE, "room": room_id, "kind": "main"}
    with pytest.raises(Refused, match="Invite the bot"):
        await service.room_work.do("look", asked)
    await house.stop()
    await Town(house.synapse, house.seat).make_bot_admin()
    service = await house.start()
    shown = await service.room_work.do("look", asked)
    assert any("is not in the room" in line for line in shown["sentences"])
    await service.room_work.do("adopt", asked)
    assert await house.room_of(COURSE) == room_id
    assert (await state(house, room_id))["m.room.power_levels", ""]["users"][house.seat.sender] == 100


async def test_rooms_of_version_11_become_rooms_of_version_12(house: House, people: People) -> None:
    house.overrides["rooms"] = {"version": "11", "existing_courses": True, "layout": "space"}
    house.overrides["identity"] = {"trust_for_moderators": "derived"}
    teacher = await enrolled(house, people, "teacher", "editingteacher")
    leaver = await enrolled(house, people, "leaver")
    await house.start()
    await house.sync()
    old = await house.room_of(COURSE)
    await join(house, old, leaver)
    await house.ask("POST", at(old, "leave"), token=leaver.access_token, body={})
    await house.stop()
    house.overrides["rooms"]["version"] = "12"
    service = await house.start()
    await house.sync()
    said = (await service.room_work.do("upgrade", {}))["sentences"]
    assert all("replaced by" in line for line in said) and len(said) == 4, said
    assert not (await house.sync()).failures
    new = await house.room_of(COURSE)
    assert new != old
    content = await state(house, new)
    assert content["m.room.create", ""]["room_version"] == "12"
    users = content["m.room.power_levels", ""].get("users", {})
    assert users == {teacher.user_id: 60} | {user: 60 for user in users if "t2" in user or "t1" in user}
    members = await house.members(COURSE)
    assert members[teacher.user_id] == "invite" and leaver.user_id not in members
    space = await service.store.ledger.rooms_of(CourseId(COURSE))
    space_id = next(own.room_id for key, own in space.items() if key.kind is RoomKind.SPACE)
    children = {
        key: one for (kind, key), one in (await state(house, space_id)).items() if kind == "m.space.child"
    }
    assert {key for key, one in children.items() if one} == {new}


@pytest.mark.parametrize("how", ["left", "lost database"])
async def test_a_room_without_the_bot_is_never_doubled_and_the_bot_comes_back_when_invited(
    house: House, people: People, how: str
) -> None:
    house.overrides["rooms"] = {"existing_courses": True}
    house.overrides["identity"] = {"trust_for_moderators": "derived"}
    teacher = await enrolled(house, people, "teacher", "editingteacher")
    service = await house.start()
    await house.sync()
    room_id = await house.room_of(COURSE)
    await join(house, room_id, teacher)
    await house.ask("POST", at(room_id, "leave"), body={})
    if how == "lost database":
        await house.stop()
        for file in house.folder.glob("*.db*"):
            file.unlink()
        service = await house.start()
    report = await house.sync()
    assert report.failures
    assert await house.room_of(COURSE) == room_id
    body = {"user_id": house.seat.sender}
    await house.ask("POST", at(room_id, "invite"), token=teacher.access_token, body=body)
    assert not (await house.sync()).failures
    assert await service.store.ledger.room_of(main_room(CourseId(COURSE))) == RoomId(room_id)
    assert await house.room_of(COURSE) == room_id
    assert (await state(house, room_id))["m.room.member", house.seat.sender]["membership"] == "join"


async def test_a_tombstone_of_somebody_else_is_reported_and_not_followed(
    house: House, people: People
) -> None:
    house.overrides["rooms"] = {"existing_courses": True}
    admin = await enrolled(house, people, "admin")
    await house.start()
    await house.sync()
    room_id = await house.room_of(COURSE)
    await join(house, room_id, admin)
    await house.stop()
    power = dict((await state(house, room_id))["m.room.power_levels", ""])
    power["users"] = {**power["users"], admin.user_id: 150}
    told = await house.ask("PUT", at(room_id, "state/m.room.power_levels"), body=power)
    assert "event_id" in told, told
    trap = await foreign_room(house, admin, "12", bot=None)
    tombstone = {"body": "Moved", "replacement_room": trap}
    told = await house.ask(
        "PUT", at(room_id, "state/m.room.tombstone"), token=admin.access_token, body=tombstone
    )
    assert "event_id" in told, told
    service = await house.start()
    assert not (await house.sync()).failures
    assert await service.store.ledger.room_of(main_room(CourseId(COURSE))) == room_id
    assert [(one.room_id, one.what) for one in await service.store.drift.every()] == [(room_id, "tombstone")]
    assert admin.user_id not in (await state(house, room_id))["m.room.power_levels", ""]["users"]
    status = await house.ask("GET", at(trap, "state/m.room.name"))
    assert status["errcode"] == "M_FORBIDDEN", "the bot has not gone there"
