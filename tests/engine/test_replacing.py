"""Rooms that take the place of others: tombstones that are followed, those that are not, and upgrades."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import RoomKind, main_room
from moodle_appservice.errors import Unreachable
from tests.engine.world import World

COURSE = CourseId(42)
ADMIN = "@admin:uni.test"


async def old_course(world: World) -> RoomId:
    """A course in a room of version 11, while new rooms get 12."""
    world.use(room_version="11")
    room_id = await world.synced(students=[8, 9, 10], teachers=[7])
    world.use(room_version="12")
    return room_id


async def test_an_upgraded_room_takes_over_books_alias_and_people(world: World) -> None:
    old = await old_course(world)
    world.matrix.member(old, world.user(9), "leave")
    world.matrix.member(old, world.user(10), "ban", by=world.user(7))
    await world.matrix.push()
    said = await world.replacing.upgrade_all()
    new = await world.store.ledger.room_of(main_room(COURSE))
    assert new is not None and new != old
    assert said == [f"course 42 main: {old}, version 11: replaced by {new}, version 12."]
    await world.matrix.push()
    await world.sync(COURSE)
    assert world.room(COURSE) == new
    assert world.matrix.members(new) == {
        world.user(7): "invite",
        world.user(8): "invite",
        world.user(10): "ban",
    }
    assert world.matrix.content(new, MARKER)["moodle_id"] == 42
    power = world.matrix.content(new, "m.room.power_levels")
    assert world.rules.bot not in power["users"]
    assert (power["users"][world.user(7)], power["events"]["m.room.tombstone"]) == (60, 150)
    assert await world.replacing.upgrade_all() == []


async def test_what_a_teacher_has_called_a_room_is_kept_in_the_one_that_replaces_it(world: World) -> None:
    old = await old_course(world)
    world.matrix.act(old, world.user(7), "m.room.name", "", {"name": "Ours"})
    await world.matrix.push()
    await world.sync(COURSE)
    await world.replacing.upgrade_all()
    await world.matrix.push()
    new = await world.store.ledger.room_of(main_room(COURSE))
    assert new is not None and new != old
    for _ in range(2):
        await world.sync(COURSE)
        await world.matrix.push()
    # The bot has copied it, as everything else that stood there.
    assert world.matrix.content(new, "m.room.name") == {"name": "Ours"}


async def test_an_upgraded_space_and_the_rooms_below_it_find_each_other_again(world: World) -> None:
    world.use(room_version="11", layout="space", announcements=True)
    await world.synced(students=[8])
    before = {key.kind: own.room_id for key, own in (await world.store.ledger.rooms_of(COURSE)).items()}
    world.use(room_version="12")
    assert len(await world.replacing.upgrade_all()) == 3
    await world.matrix.push()
    await world.sync(COURSE)
    after = {key.kind: own.room_id for key, own in (await world.store.ledger.rooms_of(COURSE)).items()}
    assert not set(before.values()) & set(after.values())
    space = world.matrix.rooms[after[RoomKind.SPACE]]
    children = {key for (kind, key), one in space.items() if kind == "m.space.child" and one.content}
    assert children == {after[RoomKind.MAIN], after[RoomKind.ANNOUNCEMENTS]}
    allowed = [
        one["room_id"] for one in world.matrix.content(after[RoomKind.MAIN], "m.room.join_rules")["allow"]
    ]
    assert allowed == [after[RoomKind.SPACE]]


async def test_after_a_crash_between_upgrade_and_booking_the_new_room_is_found(world: World) -> None:
    old = await old_course(world)
    new = await world.matrix.upgrade(old, "12")
    await world.matrix.push()
    world.rebuild()
    await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) == new
    assert world.matrix.members(new)[world.user(8)] == "invite"


async def test_an_upgrade_that_the_homeserver_did_not_answer_is_told_and_can_be_repeated(
    world: World,
) -> None:
    old = await old_course(world)
    world.matrix.refuse("upgrade", error=Unreachable("down"), times=1)
    assert "run it again" in (await world.replacing.upgrade_all())[0]
    assert await world.store.ledger.room_of(main_room(COURSE)) == old
    assert "replaced by" in (await world.replacing.upgrade_all())[0]


@pytest.mark.parametrize("how", ["no predecessor", "no power", "not there"])
async def test_a_tombstone_that_leads_to_a_room_which_is_not_ours_is_reported_and_not_followed(
    world: World, how: str
) -> None:
    old = await old_course(world)
    hostile = world.matrix.found(
        creator=ADMIN, version="12", predecessor=None if how == "no predecessor" else old
    )
    world.matrix.act(hostile, ADMIN, "m.room.power_levels", "", {"users": {}})
    if how != "not there":
        world.matrix.member(hostile, world.rules.bot, "invite", by=ADMIN)
    world.matrix.upgraded(old, "12", by=ADMIN, into=hostile)
    await world.matrix.push()
    world.facts.enrol(COURSE, 11)
    await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) == old
    assert world.matrix.members(old)[world.user(11)] == "invite"
    assert "join" not in {
        event.content["membership"]
        for (kind, key), event in world.matrix.rooms[hostile].items()
        if (kind, key) == ("m.room.member", world.rules.bot)
    }
    assert await world.store.mirror.room(hostile) is None
    assert [one.what for one in await world.store.drift.every()] == ["tombstone"]


async def test_a_tombstone_of_somebody_else_is_followed_where_the_bot_has_all_power_there(
    world: World,
) -> None:
    old = await old_course(world)
    new = world.matrix.found(creator=ADMIN, version="12", predecessor=old)
    world.matrix.act(new, ADMIN, "m.room.power_levels", "", {"users": {world.rules.bot: 100}})
    world.matrix.member(new, world.rules.bot, "invite", by=ADMIN)
    world.matrix.upgraded(old, "12", by=ADMIN, into=new)
    await world.matrix.push()
    await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) == new
    assert world.matrix.members(new)[world.user(8)] == "invite"
    users = world.matrix.content(new, "m.room.power_levels")["users"]
    assert users == {world.rules.bot: 100, world.user(7): 60}
