"""A course in the layout `space`, from Moodle's facts to the homeserver: which rooms, who is asked, who goes where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.bot.commands.status import Moment, rendered
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, GroupId, GroupVisibility, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.rooms import NO_GROUP, RoomKey, RoomKind
from moodle_appservice.engine.readers import Reader
from moodle_appservice.errors import AppError, PermanentFailure, TemporaryFailure
from moodle_appservice.languages import ENGLISH
from tests.engine.world import World

COURSE = CourseId(42)
LAB, SEMINAR = GroupId(7), GroupId(8)
TEACHER, ANN, BEN = 1, 11, 12


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(
        tmp_path / "world.db",
        layout="space",
        announcements=True,
        staff=True,
        groups=("Lab .*", "Seminar"),
    )
    await world.db.start()
    yield world
    await world.db.stop()


def key(kind: RoomKind, group: GroupId = NO_GROUP) -> RoomKey:
    return RoomKey(kind, COURSE, group)


class Course:
    """The course of these tests, with its rooms by a short name."""

    def __init__(self, world: World) -> None:
        self.world = world

    def room(self, name: str) -> RoomId:
        kind, _, group = name.partition(" ")
        wanted = key(RoomKind(kind), GroupId(int(group or 0)))
        return self.world.matrix.room_under(alias_of(wanted, self.world.rules))

    def members(self, name: str) -> dict[str, str]:
        return {
            user[1:].split(":")[0]: one for user, one in self.world.matrix.members(self.room(name)).items()
        }

    def state(self, name: str, event_type: str, state_key: str = "") -> Any:
        event = self.world.matrix.rooms[self.room(name)].get((event_type, state_key))
        return None if event is None else dict(event.content)

    def children(self) -> list[str]:
        """The rooms in the space, in order, by their ids."""
        found = {
            state_key: event.content
            for (kind, state_key), event in self.world.matrix.rooms[self.room("space")].items()
            if kind == "m.space.child" and event.content
        }
        return sorted(found, key=lambda room_id: str(found[room_id]["order"]))

    async def settle(self) -> None:
        """Look until nothing is left, with everything pushed."""
        await self.world.sync(COURSE)
        await self.world.matrix.push()
        await self.world.sync(COURSE)

    async def accept(self, *names: str) -> None:
        """Everybody who is invited to these rooms joins them."""
        for name in names:
            for user, membership in self.world.matrix.members(self.room(name)).items():
                if membership == "invite":
                    self.world.matrix.member(self.room(name), user, "join")
        await self.world.matrix.push()


@pytest.fixture
async def course(world: World) -> Course:
    await world.course(COURSE, teachers=[TEACHER], students=[ANN, BEN])
    world.facts.group(COURSE, LAB, "Lab one", ANN)
    world.facts.group(COURSE, SEMINAR, "Seminar", BEN, visibility=GroupVisibility.MEMBERS)
    world.facts.group(COURSE, 9, "Extra time", ANN, visibility=GroupVisibility.NONE)
    world.facts.group(COURSE, 10, "Choir", BEN)
    found = Course(world)
    await found.settle()
    return found


async def test_it_has_a_space_with_its_rooms_in_order(course: Course) -> None:
    names = ["main", "announcements", "staff", f"group {LAB}", f"group {SEMINAR}"]
    assert course.children() == [course.room(name) for name in names]
    assert len(course.world.matrix.made("create_room")) == 7, "and the room of the canary"
    assert course.state("space", "m.room.create")["room_version"] == "12"
    for name in names:
        assert course.state(name, "m.space.parent", course.room("space")) == {
            "via": ["uni.test"],
            "canonical": True,
        }
    named = {name: course.state(name, "m.room.name")["name"] for name in ("space", *names)}
    assert named == {
        "space": "C42: Course 42",
        "main": "C42: Course 42",
        "announcements": "C42 · Announcements",
        "staff": "C42 · Staff",
        f"group {LAB}": "C42 · Lab one",
        f"group {SEMINAR}": "C42 · Seminar",
    }


async def test_people_are_asked_into_space_and_main_alone_but_where_nobody_gets_in_otherwise(
    course: Course,
) -> None:
    everybody = {"p1": "invite", "p11": "invite", "p12": "invite"}
    assert course.members("space") == everybody
    assert course.members("main") == everybody
    assert course.members("announcements") == {}
    assert course.members("staff") == {"p1": "invite"}
    assert course.members(f"group {LAB}") == {}
    assert course.members(f"group {SEMINAR}") == {"p1": "invite", "p12": "invite"}


async def test_who_is_in_the_space_may_join_the_rooms_that_are_open_to_the_course(course: Course) -> None:
    space, main = course.room("space"), course.room("main")
    assert course.state("space", "m.room.join_rules") == {"join_rule": "invite"}
    assert course.state("staff", "m.room.join_rules") == {"join_rule": "invite"}
    assert course.state(f"group {SEMINAR}", "m.room.join_rules") == {"join_rule": "invite"}
    of_space, of_main = ({"type": "m.room_membership", "room_id": room} for room in (space, main))
    assert course.state("main", "m.room.join_rules") == {"join_rule": "restricted", "allow": [of_space]}
    for name in ("announcements", f"group {LAB}"):
        rules = course.state(name, "m.room.join_rules")
        assert rules == {"join_rule": "restricted", "allow": [of_space, of_main]}


async def test_a_teacher_has_the_level_before_joining_by_oneself(course: Course) -> None:
    for name in ("announcements", f"group {LAB}"):
        assert course.state(name, "m.room.power_levels")["users"] == {"@p1:uni.test": 60}
    assert course.state("announcements", "m.room.power_levels")["events_default"] == 50
    assert course.state("announcements", "m.room.power_levels")["events"]["m.reaction"] == 0
    assert course.state("space", "m.room.power_levels")["events_default"] == 100


async def test_a_status_tells_for_each_room_who_declined_who_has_no_account_and_whose_invite_failed(
    course: Course,
) -> None:
    world = course.world
    await course.accept("space", "main")
    world.matrix.member(course.room(f"group {SEMINAR}"), "@p12:uni.test", "leave")
    await world.matrix.push()
    world.facts.add_person(13, username="")
    world.facts.enrol(COURSE, 13)
    world.facts.enrol(COURSE, 14)
    world.facts.group(COURSE, SEMINAR, "Seminar", BEN, 13, 14, visibility=GroupVisibility.MEMBERS)
    seminar = course.room(f"group {SEMINAR}")
    world.matrix.refuse("invite", seminar, error=PermanentFailure("blocked"))
    await course.settle()
    status = await world.status.course(COURSE)
    assert status is not None
    told = {
        (room.key.kind, room.key.group): (room.declined, room.left, room.banned, room.no_account, room.failed)
        for room in status.rooms
    }
    assert told[RoomKind.MAIN, NO_GROUP] == (0, 0, 0, 1, 0)
    assert told[RoomKind.GROUP, SEMINAR] == (1, 0, 0, 1, 1)
    assert told[RoomKind.STAFF, NO_GROUP] == (0, 0, 0, 0, 0)
    said = rendered(status, Reader(ENGLISH), Moment(world.clock.now()), names=True).text
    assert "1 declined, 1 without an account, 1 failed" in said


async def test_where_nothing_has_changed_nothing_is_sent(course: Course) -> None:
    await course.accept("space", "main", "staff")
    course.world.matrix.admit(course.room("announcements"), "@p11:uni.test")
    await course.world.matrix.push()
    await course.world.sync(COURSE)
    course.world.matrix.forget_requests()
    assert await course.world.sync(COURSE) == 1
    assert course.world.matrix.requests == []


async def test_who_leaves_the_course_is_taken_out_of_every_room_and_of_the_space_first(
    course: Course,
) -> None:
    await course.accept("space", "main")
    ann = UserId("@p11:uni.test")
    for name in ("announcements", f"group {LAB}"):
        course.world.matrix.admit(course.room(name), ann)
    await course.world.matrix.push()
    course.world.matrix.forget_requests()
    course.world.facts.unenrol(COURSE, ANN)
    await course.settle()
    rooms = [course.room(name) for name in ("space", "main", "announcements", f"group {LAB}")]
    assert course.world.matrix.made("kick") == [(room, ann) for room in rooms]


async def test_who_comes_back_through_the_space_in_the_same_moment_is_taken_out_too(course: Course) -> None:
    await course.accept("space", "main")
    ann = UserId("@p11:uni.test")

    async def quick() -> None:
        course.world.matrix.admit(course.room("announcements"), ann)
        await course.world.matrix.push()

    course.world.matrix.before("kick", quick)
    course.world.facts.unenrol(COURSE, ANN)
    await course.settle()
    assert course.members("announcements") == {"p11": "leave"}


async def test_a_guest_of_a_teacher_in_main_may_look_into_open_rooms(course: Course) -> None:
    guest = UserId("@guest:else.test")
    course.world.matrix.member(course.room("main"), guest, "invite", by="@p1:uni.test")
    course.world.matrix.member(course.room("main"), guest, "join")
    course.world.matrix.admit(course.room("announcements"), guest)
    await course.world.matrix.push()
    await course.settle()
    assert course.members("announcements") == {"guest": "join"}


async def test_a_known_guest_in_main_may_look_into_open_rooms_too(course: Course) -> None:
    zoe = course.world.facts.add_person(50)
    other = course.world.facts.add_course(43)
    course.world.facts.enrol(other, 50)
    await course.world.switch_on(other)
    await course.world.sync(other)
    user = course.world.user(zoe)
    course.world.matrix.member(course.room("main"), user, "invite", by="@p1:uni.test")
    course.world.matrix.member(course.room("main"), user, "join")
    course.world.matrix.admit(course.room("announcements"), user)
    await course.world.matrix.push()
    await course.settle()
    assert course.members("announcements") == {"p50": "join"}


async def test_who_changes_the_group_changes_the_room(course: Course) -> None:
    seminar, members = course.world.facts.groups[COURSE][SEMINAR]
    course.world.facts.groups[COURSE][SEMINAR] = (
        seminar,
        members - {MoodleUserId(BEN)} | {MoodleUserId(ANN)},
    )
    await course.settle()
    assert course.members(f"group {SEMINAR}") == {"p1": "invite", "p11": "invite", "p12": "leave"}


async def test_a_group_that_is_gone_leaves_a_room_in_which_nobody_writes_and_that_hangs_nowhere(
    course: Course,
) -> None:
    await course.accept(f"group {SEMINAR}")
    del course.world.facts.groups[COURSE][SEMINAR]
    await course.settle()
    assert course.room(f"group {SEMINAR}") not in course.children()
    levels = course.state(f"group {SEMINAR}", "m.room.power_levels")
    assert levels["events_default"] == 100
    assert course.members(f"group {SEMINAR}") == {"p1": "join", "p12": "join"}
    assert course.state(f"group {SEMINAR}", "m.space.parent", course.room("space")) == {}


async def test_a_group_of_which_moodle_suddenly_hides_the_members_keeps_its_room_for_them_alone(
    course: Course,
) -> None:
    group, members = course.world.facts.groups[COURSE][LAB]
    hidden = type(group)(
        group.id, group.name, moodle_id=group.moodle_id, visibility=GroupVisibility.NONE, participation=True
    )
    course.world.facts.groups[COURSE][LAB] = (hidden, members)
    await course.settle()
    assert course.state(f"group {LAB}", "m.room.join_rules") == {"join_rule": "invite"}
    assert course.room(f"group {LAB}") not in course.children()


async def test_one_room_that_cannot_be_made_holds_up_no_other(world: World) -> None:
    await world.course(COURSE, teachers=[TEACHER], students=[ANN])
    taken = alias_of(key(RoomKind.ANNOUNCEMENTS), world.rules)
    world.matrix.found(creator="@mallory:uni.test", alias=taken)
    world.matrix.outbox.clear()
    world.matrix.refuse(
        "read_state", world.matrix.room_under(taken), error=PermanentFailure("not in the room"), times=1
    )
    for _ in range(8):
        try:
            await world.sync(COURSE)
            break
        except TemporaryFailure:
            world.clock.advance(120)
    course = Course(world)
    assert course.members("main") == {"p1": "invite", "p11": "invite"}
    assert course.members("staff") == {"p1": "invite"}


async def test_back_to_one_room_the_others_are_closed_and_the_space_is_empty(course: Course) -> None:
    course.world.use(layout="room")
    await course.settle()
    assert course.children() == []
    assert course.state("main", "m.room.join_rules") == {"join_rule": "invite"}
    assert course.state("main", "m.space.parent", course.room("space")) == {}
    assert course.state("staff", "m.room.power_levels")["events_default"] == 100
    assert course.state("main", "m.room.power_levels")["events_default"] == 0
    course.world.use(layout="space")
    await course.settle()
    assert len(course.children()) == 5
    assert course.state("staff", "m.room.power_levels")["events_default"] == 0


@pytest.mark.parametrize(
    ("invite", "rooms"),
    [
        ("space", {"space"}),
        ("space+main", {"space", "main"}),
        ("all", {"space", "main", "announcements", f"group {LAB}"}),
    ],
)
async def test_an_enrolment_costs_as_many_events_as_the_institution_wants(
    world: World, invite: str, rooms: set[str]
) -> None:
    world.use(invite=invite)
    await world.course(COURSE, teachers=[TEACHER])
    world.facts.group(COURSE, LAB, "Lab one", ANN)
    course = Course(world)
    await course.settle()
    world.matrix.forget_requests()
    world.facts.enrol(COURSE, ANN)
    await course.settle()
    assert set(world.matrix.made("invite")) == {(course.room(name), world.user(ANN)) for name in rooms}
    assert len(world.matrix.requests) == len(rooms)


async def test_virtual_users_hold_places_in_main_and_in_groups_without_an_invite_where_they_need_none(
    world: World,
) -> None:
    world.use(accounts=world.rules.accounts.__class__(mode=world.rules.accounts.mode.__class__("virtual")))
    await world.course(COURSE, students=[ANN])
    world.facts.group(COURSE, LAB, "Lab one", ANN)
    course = Course(world)
    await course.settle()
    virtual = UserId("@moodle_uni_11:uni.test")
    assert course.members("main") == {"moodle_uni_11": "join"}
    assert course.members(f"group {LAB}") == {"moodle_uni_11": "join"}
    assert course.members("space") == {}
    assert [one for one in world.matrix.made("invite") if one[1] == virtual] == [
        (course.room("main"), virtual)
    ]


async def test_with_the_right_to_do_so_people_are_put_into_the_rooms(world: World) -> None:
    world.accounts.admin()
    world.accounts.add("p11")
    world.use(how="join")
    await world.course(COURSE, students=[ANN])
    course = Course(world)
    await course.settle()
    assert course.members("main") == {"p11": "join"}
    assert course.members("space") == {"p11": "join"}
    world.matrix.member(course.room("main"), "@p11:uni.test", "leave")
    await world.matrix.push()
    await course.settle()
    assert course.members("main") == {"p11": "leave"}, "who left by choice is not put in again"


async def test_without_that_right_they_are_invited(world: World) -> None:
    world.use(how="join")
    await world.course(COURSE, students=[ANN])
    course = Course(world)
    await course.settle()
    assert course.members("main") == {"p11": "invite"}


# The picture of the course


async def picture(world: World, source: str) -> None:
    """The course has this picture in Moodle; empty: none."""
    course = world.facts.courses[COURSE]
    world.facts.courses[COURSE] = replace(course, image=source)


async def test_the_picture_of_the_course_is_that_of_its_space_and_main_room(world: World) -> None:
    world.use(avatar=True)
    await world.course(COURSE, students=[ANN])
    await picture(world, "one")
    course = Course(world)
    await course.settle()
    first = course.state("main", "m.room.avatar")
    assert first["url"].startswith("mxc://uni.test/")
    assert course.state("space", "m.room.avatar") == first
    assert course.state("staff", "m.room.avatar") is None
    world.matrix.forget_requests()
    await course.settle()
    assert world.matrix.requests == []
    await picture(world, "two")
    await course.settle()
    second = course.state("main", "m.room.avatar")
    assert second != first and second == course.state("space", "m.room.avatar")
    assert len(world.matrix.made("upload")) == 1


async def test_a_picture_that_somebody_gave_the_room_stays_until_moodle_has_another(world: World) -> None:
    world.use(avatar=True)
    await world.course(COURSE, students=[ANN])
    await picture(world, "one")
    course = Course(world)
    await course.settle()
    own = {"url": "mxc://uni.test/own"}
    world.matrix.act(course.room("main"), "@p1:uni.test", "m.room.avatar", "", own)
    await world.matrix.push()
    await course.settle()
    assert course.state("main", "m.room.avatar") == own
    await picture(world, "")
    await course.settle()
    assert course.state("main", "m.room.avatar") == own
    await picture(world, "two")
    await course.settle()
    assert course.state("main", "m.room.avatar") != own


@pytest.mark.parametrize("failure", [PermanentFailure("no picture"), TemporaryFailure("down")])
async def test_a_picture_that_cannot_be_had_holds_up_nobody(world: World, failure: AppError) -> None:
    world.use(avatar=True)
    await world.course(COURSE, students=[ANN])
    await picture(world, "one")
    world.pictures.trouble["one"] = failure
    course = Course(world)
    await course.settle()
    assert course.members("main") == {"p11": "invite"}
    assert course.state("main", "m.room.avatar") is None


async def test_where_pictures_are_not_wanted_none_is_fetched(world: World) -> None:
    await world.course(COURSE, students=[ANN])
    await picture(world, "one")
    await Course(world).settle()
    assert world.matrix.made("upload") == []
