"""A course in a space, on a real Synapse: what its members can enter, and what happens to those who leave."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from moodle_appservice.demo.sandbox.records import GroupVisibility
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, GroupId
from moodle_appservice.domain.rooms import NO_GROUP, RoomKey, RoomKind
from tests.live.homeserver import Account, People
from tests.live.house import House
from tests.live.town import Town

COURSE = CourseId(2)
SPACE = {"layout": "space", "announcements": True, "staff": True, "groups": [".*"], "existing_courses": True}


class Stage:
    """A course in a space with a teacher and a student who have real accounts, and two groups."""

    def __init__(self, house: House, teacher: Account, student: Account) -> None:
        self.house = house
        self.teacher = teacher
        self.student = student
        # The right without which nobody tells who may see a group.
        house.moodle.rights.grant("moodle/course:managegroups", "moodle/course:viewhiddengroups")
        house.moodle.site.service.functions.append("core_group_get_course_groups")
        university = house.moodle.university
        self.tea = university.add_person(teacher.localpart, "Tea", "Cher").id
        self.stu = university.add_person(student.localpart, "Stu", "Dent").id
        university.enrol(self.tea, COURSE, "editingteacher")
        university.enrol(self.stu, COURSE, "student")
        self.open = university.add_group(COURSE, "Open lab")
        self.closed = university.add_group(COURSE, "Closed lab", visibility=GroupVisibility.MEMBERS)
        self.closed.members.add(self.stu)
        other = next(one.id for one in university.people.values() if one.username == "s1")
        self.open.members.add(other)

    async def room(self, kind: str, group: int = NO_GROUP) -> str:
        key = RoomKey(RoomKind(kind), COURSE, GroupId(group))
        assert self.house.running is not None
        alias = quote(alias_of(key, self.house.running.rules))
        answer = await self.house.ask("GET", f"/_matrix/client/v3/directory/room/{alias}")
        assert "room_id" in answer, (kind, group, answer)
        return str(answer["room_id"])

    async def rooms(self) -> dict[str, str]:
        return {
            "space": await self.room("space"),
            "main": await self.room("main"),
            "announcements": await self.room("announcements"),
            "staff": await self.room("staff"),
            "open": await self.room("group", self.open.id),
            "closed": await self.room("group", self.closed.id),
        }

    async def join(self, account: Account, room_id: str) -> Any:
        return await self.house.ask(
            "POST", f"/_matrix/client/v3/join/{quote(room_id)}", token=account.access_token, body={}
        )

    async def members(self, room_id: str) -> dict[str, str]:
        events = await self.house.ask("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/members")
        here = (event for event in events["chunk"] if event["state_key"] != self.house.seat.sender)
        return {event["state_key"]: event["content"]["membership"] for event in here}


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_student_accepts_one_space_and_enters_what_the_course_is_open_to(
    house: House, people: People, version: str
) -> None:
    house.overrides["rooms"] = {**SPACE, "version": version, "invite": "space"}
    teacher, student = [await people.register(house.synapse, name) for name in ("teacher", "student")]
    stage = Stage(house, teacher, student)
    await house.start()
    report = await house.sync(COURSE)
    assert (report.failures, report.held) == ({}, ())
    rooms = await stage.rooms()
    invited = {name: (await stage.members(room)).get(student.user_id) for name, room in rooms.items()}
    assert invited == {
        "space": "invite",
        "main": None,
        "announcements": None,
        "staff": None,
        "open": None,
        "closed": "invite",
    }
    assert (await stage.join(student, rooms["main"])).get("errcode") == "M_FORBIDDEN"
    for name in ("space", "main", "announcements", "open", "closed"):
        assert "room_id" in await stage.join(student, rooms[name]), name
    assert (await stage.join(student, rooms["staff"])).get("errcode") == "M_FORBIDDEN"

    hierarchy = await house.ask(
        "GET", f"/_matrix/client/v1/rooms/{quote(rooms['space'])}/hierarchy", token=student.access_token
    )
    (space, *_) = hierarchy["rooms"]
    children = sorted(space["children_state"], key=lambda child: str(child["content"]["order"]))
    assert [child["state_key"] for child in children] == [
        rooms[name] for name in ("main", "announcements", "staff", "closed", "open")
    ]
    assert space["room_type"] == "m.space"

    assert (await house.sync(COURSE)).failures == {}
    mark = house.synapse.mark()
    assert (await house.sync(COURSE)).failures == {}
    assert house.sent_since(mark) == []

    house.moodle.university.unenrol(stage.stu, COURSE)
    report = await house.sync(COURSE)
    assert (report.failures, report.held) == ({}, ())
    after = {name: (await stage.members(room)).get(student.user_id) for name, room in rooms.items()}
    assert after == {name: None if name == "staff" else "leave" for name in rooms}
    assert (await stage.join(student, rooms["announcements"])).get("errcode") == "M_FORBIDDEN"


async def test_a_knock_of_somebody_enrolled_is_answered_with_an_invite(house: House, people: People) -> None:
    house.overrides["rooms"] = {**SPACE, "join_rule": "knock_restricted"}
    teacher, student = [await people.register(house.synapse, name) for name in ("teacher", "student")]
    stranger = await people.register(house.synapse, "stranger")
    stage = Stage(house, teacher, student)
    await house.start()
    await house.sync(COURSE)
    rooms = await stage.rooms()
    for account in (student, stranger):
        answer = await house.ask(
            "POST",
            f"/_matrix/client/v3/knock/{quote(rooms['announcements'])}?server_name={house.synapse.server_name}",
            token=account.access_token,
            body={"reason": "please"},
        )
        assert "room_id" in answer, answer
    await house.sync(COURSE)
    members = await stage.members(rooms["announcements"])
    assert members[student.user_id] == "invite"
    assert members[stranger.user_id] == "knock"


async def test_people_are_put_into_their_rooms_where_the_bot_may_do_that(
    house: House, people: People
) -> None:
    house.overrides["rooms"] = {"existing_courses": True}
    house.overrides["membership"] = {"how": "join"}
    account = await people.register(house.synapse, "sam")
    university = house.moodle.university
    university.enrol(university.add_person(account.localpart, "Sam", "Student").id, COURSE, "student")
    service = await house.start()
    assert not (await service.accounts.rights()).force_join
    await house.sync(COURSE)
    assert (await house.members(COURSE))[account.user_id] == "invite"
    await house.stop()

    await Town(house.synapse, house.seat).make_bot_admin()
    service = await house.start()
    assert (await service.accounts.rights()).force_join
    report = await house.sync(COURSE)
    members = await house.members(COURSE)
    assert members[account.user_id] == "join"
    # Who was invited before, and has no account yet, stays invited.
    assert members[house.mxid("s1")] == "invite"
    (failure,) = report.failures.values()
    assert "there is no such account yet" in str(failure)
