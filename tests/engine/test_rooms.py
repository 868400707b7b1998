"""Which room is a course's: found again after a crash or a lost database, made anew if lost, never anybody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from moodle_appservice.domain.actions import CreateRoom
from moodle_appservice.domain.markers import alias_of
from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.engine.rooms import TRIES
from moodle_appservice.errors import PermanentFailure, TemporaryFailure, Unreachable
from tests.engine.world import World

COURSE = CourseId(42)
OURS = {"site": "uni", "kind": "course", "room": "main", "moodle_id": 42, "generation": 1, "schema": 1}


async def with_lost_books(world: World, path: Path) -> World:
    """Another service over the same homeserver and Moodle, with an empty database. Its books must be stopped."""
    other = World(path)
    await other.db.start()
    other.matrix, other.facts, other.clock = world.matrix, world.facts, world.clock
    other.rebuild()
    await other.switch_on(COURSE)
    return other


def torso(world: World, *, marked: bool = False) -> RoomId:
    """A room of the bot under the course's alias whose state is not complete."""
    room_id = world.matrix.found(creator=world.rules.bot, alias=alias_of(main_room(COURSE), world.rules))
    if marked:
        world.matrix.act(room_id, world.rules.bot, MARKER, "", OURS)
    world.matrix.outbox.clear()
    return room_id


# Found again


async def test_after_a_crash_between_request_and_booking_the_pushed_room_is_taken_back(world: World) -> None:
    await world.course(students=[8])
    await world.look(COURSE)
    await world.look_at_people()
    create = (await world.planner.prepare(COURSE, not_older_than=0)).main.plan.actions[0]
    assert isinstance(create, CreateRoom)
    made = await world.matrix.create_room(create.content)
    await world.matrix.push()
    world.rebuild()
    world.matrix.forget_requests()
    await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) == made
    assert world.matrix.made("create_room") == []
    assert world.matrix.made("invite") == [(made, world.user(8))]


async def test_after_the_loss_of_the_database_the_room_is_found_by_its_alias(
    world: World, tmp_path: Path
) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    other = await with_lost_books(world, tmp_path / "other.db")
    await other.sync(COURSE)
    assert await other.store.ledger.room_of(main_room(COURSE)) == room_id
    assert other.matrix.made("invite") == other.matrix.made("kick") == []
    assert other.matrix.members(room_id) == {other.user(7): "join", other.user(8): "join"}
    await other.db.stop()


async def test_after_the_loss_of_the_database_nobody_is_removed_but_an_open_invite_of_ours_is_withdrawn(
    world: World, tmp_path: Path
) -> None:
    room_id = await world.synced(students=[8, 9, 10], teachers=[7])
    world.matrix.member(room_id, world.user(10), "invite", by=world.rules.bot)
    other = await with_lost_books(world, tmp_path / "other.db")
    other.facts.enrol(other.facts.add_course(43), 9, 10)
    await other.switch_on(CourseId(43))
    await other.sync(CourseId(43))
    other.facts.unenrol(COURSE, 9, 10)
    await other.sync(COURSE)
    assert other.matrix.members(room_id) == {
        other.user(7): "join",
        other.user(8): "join",
        other.user(9): "join",
        other.user(10): "leave",
    }
    await other.db.stop()


async def test_after_the_loss_of_the_database_who_is_found_where_they_belong_has_a_place_again(
    world: World, tmp_path: Path
) -> None:
    room_id = await world.synced(students=[8, 9], teachers=[7])
    other = await with_lost_books(world, tmp_path / "other.db")
    await other.sync(COURSE)
    other.facts.unenrol(COURSE, 9)
    await other.sync(COURSE)
    assert other.matrix.members(room_id)[other.user(9)] == "leave"
    await other.db.stop()


# Not ours


async def test_a_room_that_somebody_else_made_under_our_alias_is_left_alone(world: World) -> None:
    await world.course(students=[8])
    room_id = world.matrix.found(creator="@tess:uni.test", alias=alias_of(main_room(COURSE), world.rules))
    world.matrix.member(room_id, world.rules.bot, "join")
    before = dict(world.matrix.rooms[room_id])
    with pytest.raises(PermanentFailure, match=r"@tess:uni\.test made.*left untouched.*exclude the course"):
        await world.sync(COURSE)
    assert world.matrix.rooms[room_id] == before
    assert await world.store.ledger.room_of(main_room(COURSE)) is None
    assert world.matrix.made("delete_alias") == world.matrix.made("invite") == []


@pytest.mark.parametrize("change", [{"site": "trial"}, {"moodle_id": 43}, {"site": None}])
async def test_a_room_of_the_bot_with_another_marker_is_not_adopted(
    world: World, change: dict[str, object]
) -> None:
    await world.course(students=[8])
    room_id = torso(world)
    world.matrix.act(room_id, world.rules.bot, "m.room.power_levels", "", {})
    world.matrix.act(room_id, world.rules.bot, MARKER, "", {**OURS, **change})
    with pytest.raises(TemporaryFailure):
        await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) is None


async def test_a_marker_that_somebody_else_set_makes_no_room_ours(world: World) -> None:
    await world.course(students=[8])
    room_id = torso(world)
    world.matrix.act(room_id, world.rules.bot, "m.room.power_levels", "", {})
    world.matrix.act(room_id, "@tess:uni.test", MARKER, "", OURS)
    with pytest.raises(TemporaryFailure):
        await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) is None


# Not complete


async def test_a_room_that_is_not_complete_yet_is_waited_for_and_then_taken(world: World) -> None:
    await world.course(students=[8])
    room_id = torso(world, marked=True)
    with pytest.raises(TemporaryFailure, match="not complete yet"):
        await world.sync(COURSE)
    world.matrix.act(room_id, world.rules.bot, "m.room.power_levels", "", {})
    await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id
    assert world.matrix.members(room_id) == {world.user(8): "invite"}
    assert world.matrix.content(room_id, "m.room.name") == {"name": "C42: Course 42"}


async def test_a_room_that_is_never_completed_is_given_up_and_a_new_one_made(world: World) -> None:
    await world.course(students=[8])
    room_id = torso(world)
    await world.look(COURSE)
    await world.look_at_people()
    for attempt in range(TRIES + 1):
        assert world.room(COURSE) == room_id
        with pytest.raises(TemporaryFailure):
            await world.look(COURSE, attempt=attempt)
    await world.sync(COURSE)
    made = world.room(COURSE)
    assert made != room_id
    assert world.matrix.members(made) == {world.user(8): "invite"}


async def test_failures_of_another_kind_do_not_shorten_the_time_that_a_room_has_to_become_complete(
    world: World,
) -> None:
    await world.course(students=[8])
    await world.look(COURSE)
    await world.look_at_people()
    torso(world)
    for attempt in range(TRIES + 3, 2 * TRIES + 3):
        with pytest.raises(TemporaryFailure):
            await world.look(COURSE, attempt=attempt)
    assert world.matrix.made("delete_alias") == []


async def test_an_alias_that_vanishes_meanwhile_is_looked_at_again(world: World) -> None:
    await world.course(students=[8])
    torso(world)

    async def vanish() -> None:
        del world.matrix.aliases[alias_of(main_room(COURSE), world.rules)]

    world.matrix.before("resolve_alias", vanish)
    with pytest.raises(TemporaryFailure, match="just vanished"):
        await world.sync(COURSE)
    await world.sync(COURSE)
    assert world.matrix.members(world.room(COURSE)) == {world.user(8): "invite"}


# Distrusted and lost


async def test_a_room_that_is_to_be_read_again_is_read_before_the_next_write(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.member(room_id, world.user(9), "join")
    world.matrix.outbox.clear()
    await world.store.mirror.mark_stale(room_id)
    world.facts.enrol(COURSE, 9)
    await world.sync(COURSE)
    assert world.matrix.requests == [("read_state", room_id)]


async def test_a_room_that_can_t_be_read_now_is_left_as_it_is(world: World) -> None:
    room_id = await world.synced(students=[8])
    await world.store.mirror.mark_stale(room_id)
    world.matrix.refuse("read_state", error=Unreachable("down"), times=1)
    with pytest.raises(Unreachable):
        await world.sync(COURSE)
    assert await world.store.mirror.is_stale(room_id)
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id


async def test_a_room_that_the_homeserver_lost_with_its_alias_is_made_anew(world: World) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    world.matrix.lose(room_id)
    await world.store.mirror.mark_stale(room_id)
    await world.sync(COURSE)
    made = world.room(COURSE)
    assert made != room_id
    assert world.matrix.members(made) == {world.user(7): "invite", world.user(8): "invite"}
    assert await world.store.ledger.room_of(main_room(COURSE)) == made
    assert await world.store.ledger.places(room_id) == {}
    assert await world.store.mirror.room(room_id) is None


async def test_a_room_that_can_t_be_read_while_its_alias_stands_is_not_replaced(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.member(room_id, world.rules.bot, "leave", by="@admin:uni.test")
    await world.matrix.push()
    with pytest.raises(PermanentFailure, match=r"invites the bot again"):
        await world.sync(COURSE)
    assert world.matrix.made("create_room") == world.matrix.made("invite") == []
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id
    world.matrix.member(room_id, world.rules.bot, "join")
    await world.matrix.push()
    world.facts.enrol(COURSE, 9)
    await world.sync(COURSE)
    assert world.matrix.members(room_id) == {world.user(8): "join", world.user(9): "invite"}


async def test_an_alias_that_can_t_be_looked_up_does_not_make_a_room_lost(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.lose(room_id)
    await world.store.mirror.mark_stale(room_id)
    world.matrix.refuse("resolve_alias", error=PermanentFailure("not a homeserver's answer"), times=1)
    with pytest.raises(PermanentFailure, match="no other room is made"):
        await world.sync(COURSE)
    assert await world.store.ledger.room_of(main_room(COURSE)) == room_id
    assert world.matrix.made("create_room") == []
