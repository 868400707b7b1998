"""The bot gets back what it needs in our rooms, or says what is missing; no second room is ever made."""

from __future__ import annotations

from pathlib import Path

import pytest

from moodle_appservice.domain.drift import DriftRules, Policy
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.rooms import RoomKind, main_room
from moodle_appservice.engine.rooms import TRIES
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from tests.engine.test_rooms import with_lost_books
from tests.engine.world import World

COURSE = CourseId(42)


async def put_out(world: World, room_id: RoomId, *, how: str = "leave") -> None:
    world.matrix.member(room_id, world.rules.bot, how, by="@admin:uni.test")
    await world.matrix.push()


async def old_room(world: World, *, bot: int = 100) -> RoomId:
    """A course whose room has version 11, in which somebody else has all power too."""
    world.use(room_version="11")
    room_id = await world.synced(students=[8], teachers=[7])
    world.matrix.member(room_id, "@admin:uni.test", "join")
    power = dict(world.matrix.content(room_id, "m.room.power_levels"))
    power["users"] = {**power["users"], "@admin:uni.test": 100, world.rules.bot: bot}
    world.matrix.act(room_id, "@admin:uni.test", "m.room.power_levels", "", power)
    await world.matrix.push()
    world.matrix.forget_requests()
    return room_id


async def test_a_bot_that_was_put_out_and_invited_again_comes_back_and_goes_on(world: World) -> None:
    room_id = await world.synced(students=[8])
    await put_out(world, room_id)
    world.facts.enrol(COURSE, 9)
    with pytest.raises(PermanentFailure, match="no other room is made"):
        await world.sync(COURSE)
    world.matrix.member(room_id, world.rules.bot, "invite", by=world.user(8))
    await world.matrix.push()
    await world.sync(COURSE)
    assert world.matrix.members(room_id) == {world.user(8): "join", world.user(9): "invite"}
    assert world.matrix.made("create_room") == []


async def test_with_admin_rights_it_comes_back_by_itself(world: World) -> None:
    room_id = await old_room(world)
    await put_out(world, room_id)
    world.matrix.is_admin = True
    world.facts.enrol(COURSE, 9)
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(9)] == "invite"
    assert world.matrix.made("give_power") == [(room_id,)]


async def test_where_nobody_can_let_it_in_it_is_tried_less_and_less_often_and_reported(world: World) -> None:
    room_id = await world.synced(students=[8])
    await put_out(world, room_id)
    for _ in range(3):
        with pytest.raises(PermanentFailure):
            await world.sync(COURSE)
    assert world.matrix.made("join") == [(room_id,)]
    world.clock.advance(91)
    with pytest.raises(PermanentFailure):
        await world.sync(COURSE)
    assert len(world.matrix.made("join")) == 2
    assert [(one.room_id, one.what) for one in await world.store.drift.every()] == [(room_id, "put_out")]
    told = [row for row in await world.audit(COURSE) if row.kind == "Drift"]
    assert len(told) == 1


async def test_one_room_without_the_bot_holds_up_no_other_room_of_the_course(world: World) -> None:
    world.use(layout="space", announcements=True, join_rule="invite")
    await world.synced(students=[8])
    rooms = {key.kind: own.room_id for key, own in (await world.store.ledger.rooms_of(COURSE)).items()}
    await put_out(world, rooms[RoomKind.ANNOUNCEMENTS])
    world.facts.enrol(COURSE, 9)
    with pytest.raises(PermanentFailure):
        await world.sync(COURSE)
    assert world.matrix.members(rooms[RoomKind.MAIN])[world.user(9)] == "invite"
    children = {
        key
        for (kind, key), one in world.matrix.rooms[rooms[RoomKind.SPACE]].items()
        if kind == "m.space.child"
    }
    assert rooms[RoomKind.ANNOUNCEMENTS] in children


async def test_a_bot_that_is_in_the_space_walks_back_into_a_room_below_it(world: World) -> None:
    world.use(layout="space", announcements=True)
    await world.synced(students=[8])
    rooms = {key.kind: own.room_id for key, own in (await world.store.ledger.rooms_of(COURSE)).items()}
    world.matrix.member(rooms[RoomKind.ANNOUNCEMENTS], world.user(8), "join")
    await put_out(world, rooms[RoomKind.ANNOUNCEMENTS])
    await world.sync(COURSE)
    assert world.matrix.rooms[rooms[RoomKind.ANNOUNCEMENTS]]["m.room.member", world.rules.bot].content == {
        "membership": "join"
    }


async def test_where_it_is_not_to_come_back_it_does_not_try(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.use(drift=DriftRules(bot=Policy.REPORT))
    await put_out(world, room_id)
    with pytest.raises(PermanentFailure):
        await world.sync(COURSE)
    assert world.matrix.made("join") == []


async def test_what_it_has_no_level_for_is_reported_and_not_tried_and_the_rest_goes_on(world: World) -> None:
    room_id = await old_room(world, bot=50)
    world.facts.enrol(COURSE, 9)
    world.facts.enrol(COURSE, 10, role="editingteacher")
    with pytest.raises(PermanentFailure, match=r"has the level 50 .* needs 100"):
        await world.sync(COURSE)
    assert world.matrix.made("set_state") == []
    assert world.matrix.members(room_id)[world.user(9)] == "invite"


async def test_with_admin_rights_it_takes_its_level_back_and_does_what_waited(world: World) -> None:
    room_id = await old_room(world, bot=50)
    world.matrix.is_admin = True
    world.facts.enrol(COURSE, 10, role="editingteacher")
    await world.sync(COURSE)
    users = world.matrix.content(room_id, "m.room.power_levels")["users"]
    assert (users[world.rules.bot], users[world.user(10)]) == (100, 60)
    # Somebody with as much power as the bot is out of its reach.
    assert users["@admin:uni.test"] == 100


async def test_with_a_lost_database_a_room_without_the_bot_keeps_its_alias(
    world: World, tmp_path: Path
) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    await put_out(world, room_id, how="ban")
    other = await with_lost_books(world, tmp_path / "other.db")
    world.matrix.refuse("read_state", room_id, error=PermanentFailure("403"))
    for _ in range(TRIES + 2):
        with pytest.raises(PermanentFailure, match="No other room was made, and the alias was left"):
            await other.sync(COURSE)
    assert other.matrix.aliases[alias_of(main_room(COURSE), world.rules)] == room_id
    world.matrix.allow("read_state", room_id)
    world.matrix.member(room_id, world.rules.bot, "invite", by=world.user(7))
    await other.sync(COURSE)
    assert await other.store.ledger.room_of(main_room(COURSE)) == room_id
    assert other.matrix.members(room_id) == {world.user(7): "join", world.user(8): "join"}
    await other.db.stop()


async def test_a_room_that_nobody_is_in_and_that_was_never_finished_is_still_given_up(world: World) -> None:
    await world.course(students=[8])
    torso = world.matrix.found(creator=world.rules.bot, alias=alias_of(main_room(COURSE), world.rules))
    world.matrix.member(torso, world.rules.bot, "leave")
    world.matrix.outbox.clear()
    await world.look(COURSE)
    await world.look_at_people()
    for attempt in range(TRIES + 1):
        with pytest.raises(TemporaryFailure):
            await world.look(COURSE, attempt=attempt)
    await world.sync(COURSE)
    assert world.room(COURSE) != torso
