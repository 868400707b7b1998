"""Removals that wait for a person, over many looks: booked, confirmed, carried out in slices, or dropped again."""

from __future__ import annotations

from moodle_appservice.domain.model import RoomId
from moodle_appservice.engine.apply import Limits
from moodle_appservice.errors import PermanentFailure
from tests.engine.world import World

MANY = range(101, 131)


async def crowded(world: World, staying: int) -> RoomId:
    """A room of thirty, of whom but `staying` are still enrolled, and one new teacher."""
    room_id = await world.synced(students=MANY)
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, *MANY[:staying])
    return room_id


async def test_many_removals_are_held_and_the_rest_goes_on(world: World) -> None:
    room_id = await crowded(world, 10)
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 7, *MANY[:10])
    await world.sync(course_id)
    assert world.matrix.requests == [("invite", room_id, world.user(7))]
    (held,) = await world.store.journal.held()
    assert held.users == {world.user(number) for number in MANY[10:]}
    assert (held.course_id, held.room_id, held.since, held.confirmed) == (
        42,
        room_id,
        world.clock.now(),
        False,
    )
    assert held.reason.startswith("20 of 30 members would be removed.")


async def test_what_was_confirmed_is_removed_over_several_slices(world: World) -> None:
    world.limits = Limits(actions=3)
    world.rebuild()
    room_id = await crowded(world, 10)
    (course_id,) = world.facts.courses
    await world.sync(course_id)
    assert await world.store.journal.confirm(course_id) == 1
    await world.somebody_waits()
    looks = await world.sync(course_id, "confirm")
    assert looks == 7
    assert {user for user, membership in world.matrix.members(room_id).items() if membership == "leave"} == {
        world.user(number) for number in MANY[10:]
    }
    await world.sync(course_id)
    assert await world.store.journal.held() == []


async def test_a_confirmation_does_not_cover_who_comes_later(world: World) -> None:
    room_id = await crowded(world, 16)
    (course_id,) = world.facts.courses
    await world.sync(course_id)
    await world.store.journal.confirm(course_id)
    world.facts.unenrol(course_id, *MANY[:8])
    await world.sync(course_id)
    gone = {user for user, membership in world.matrix.members(room_id).items() if membership == "leave"}
    assert gone == {world.user(number) for number in MANY[16:]}
    (held,) = await world.store.journal.held()
    assert held.users == {world.user(number) for number in MANY[:8]}
    assert not held.confirmed


async def test_a_confirmed_removal_that_fails_does_not_hide_who_else_is_held(world: World) -> None:
    room_id = await crowded(world, 16)
    (course_id,) = world.facts.courses
    await world.sync(course_id)
    await world.store.journal.confirm(course_id)
    world.facts.unenrol(course_id, *MANY[:8])
    world.matrix.refuse("kick", room_id, world.user(MANY[20]), error=PermanentFailure("no power"))
    await world.sync(course_id)
    (held,) = await world.store.journal.held()
    assert held.users >= {world.user(number) for number in MANY[:8]}
    assert not held.confirmed


async def test_a_confirmation_stands_for_the_rest_when_others_come_on_top_between_slices(
    world: World,
) -> None:
    world.limits = Limits(actions=3)
    world.rebuild()
    room_id = await crowded(world, 10)
    (course_id,) = world.facts.courses
    await world.sync(course_id)
    await world.store.journal.confirm(course_id)
    await world.look(course_id)
    world.facts.unenrol(course_id, MANY[0])
    await world.sync(course_id)
    gone = {user for user, membership in world.matrix.members(room_id).items() if membership == "leave"}
    assert gone == {world.user(number) for number in (MANY[0], *MANY[10:])}
    assert [row for row in await world.store.journal.held() if not row.confirmed] == []


async def test_when_moodle_recovers_nothing_is_held_any_more(world: World) -> None:
    await crowded(world, 10)
    course_id = world.facts.add_course(42)
    await world.sync(course_id)
    assert len(await world.store.journal.held()) == 1
    world.facts.enrol(course_id, *MANY)
    await world.sync(course_id)
    assert await world.store.journal.held() == []
    assert world.matrix.requests == []


async def test_when_moodle_recovers_almost_the_few_are_removed_and_nothing_is_held_any_more(
    world: World,
) -> None:
    room_id = await crowded(world, 10)
    course_id = world.facts.add_course(42)
    await world.sync(course_id)
    world.facts.enrol(course_id, *MANY[:28])
    await world.sync(course_id)
    assert world.matrix.requests == [("kick", room_id, world.user(number)) for number in MANY[28:]]
    assert await world.store.journal.held() == []


async def test_an_empty_answer_takes_nothing_from_anybody(world: World) -> None:
    room_id = await world.synced(students=[8, 9], teachers=[7])
    world.matrix.member(room_id, world.user(9), "leave")
    await world.matrix.push()
    course_id = world.facts.add_course(42)
    await world.sync(course_id)
    assert world.matrix.requests == []
    world.facts.enrol(course_id, 7, role="editingteacher")
    world.facts.enrol(course_id, 8, 9)
    await world.sync(course_id)
    assert world.matrix.requests == [], "who left by choice before the accident is not invited after it"
