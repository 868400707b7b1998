"""Who left a room by choice is not invited again in a loop, whatever was lost on the way; who asks for it is."""

from __future__ import annotations

from moodle_appservice.domain.model import CourseId
from tests.engine.world import World

COURSE = CourseId(42)


async def test_an_invite_that_was_declined_before_it_was_booked_is_not_sent_again(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.facts.enrol(COURSE, 9)
    await world.look(COURSE)
    await world.look_at_people()
    # The process dies between the request and its booking.
    await world.store.ledger.intend(room_id, {world.user(9): world.facts.add_person(9)})
    await world.matrix.invite(room_id, world.user(9))
    world.matrix.member(room_id, world.user(9), "leave")
    await world.matrix.push()
    world.rebuild()
    world.matrix.forget_requests()
    await world.sync(COURSE)
    await world.sync(COURSE)
    assert world.matrix.made("invite") == []


async def test_an_invite_that_was_never_sent_goes_to_who_had_left_long_before(world: World) -> None:
    room_id = await world.synced(students=[8, 9])
    world.matrix.member(room_id, world.user(9), "leave")
    await world.matrix.push()
    world.facts.unenrol(COURSE, 9)
    await world.sync(COURSE)
    world.facts.enrol(COURSE, 9)
    # The process dies before the request.
    await world.store.ledger.intend(room_id, {world.user(9): world.facts.add_person(9)})
    world.rebuild()
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(9)] == "invite"


async def test_who_left_is_not_invited_with_any_later_look(world: World) -> None:
    room_id = await world.synced(students=[8, 9])
    world.matrix.member(room_id, world.user(9), "leave")
    await world.matrix.push()
    for _ in range(3):
        world.rebuild()
        await world.sync(COURSE)
    assert world.matrix.made("invite") == []
