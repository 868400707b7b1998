"""What the homeserver has taken and never pushed back, because it lost it, is written again."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.unconfirmed import PATIENCE
from tests.engine.world import World

COURSE = CourseId(42)


async def pass_and_work(world: World) -> None:
    await world.pass_over_site()
    await world.work()


@pytest.mark.parametrize("kind", ["invite", "kick"])
async def test_a_write_that_the_homeserver_lost_before_it_was_pushed_is_made_again(
    world: World, kind: str
) -> None:
    world.use(existing_courses=True)
    room_id = await world.synced(students=[8, 9])
    await pass_and_work(world)
    if kind == "invite":
        world.facts.enrol(COURSE, 10)
    else:
        world.facts.unenrol(COURSE, 9)
    # Killed after the answer and before the push, and set back to a copy that has all the rest.
    backup = {room: dict(state) for room, state in world.matrix.rooms.items()}
    await world.sync(COURSE)
    wanted = world.matrix.members(room_id)
    world.matrix.outbox = type(world.matrix.outbox)(
        event for event in world.matrix.outbox if event.room_id != room_id
    )
    await world.matrix.push()
    world.matrix.rooms[room_id] = backup[room_id]
    assert world.matrix.members(room_id) != wanted
    await pass_and_work(world)
    assert world.matrix.members(room_id) != wanted, "the push may still be on its way"
    world.clock.advance(PATIENCE + 1)
    await pass_and_work(world)
    assert world.matrix.members(room_id) == wanted


async def test_what_was_pushed_back_costs_no_reading(world: World) -> None:
    world.use(existing_courses=True)
    await world.synced(students=[8, 9])
    world.facts.enrol(COURSE, 10)
    await world.sync(COURSE)
    await world.matrix.push()
    world.clock.advance(PATIENCE + 1)
    world.matrix.forget_requests()
    await pass_and_work(world)
    assert {request[0] for request in world.matrix.requests} <= {"get_state"}


async def test_a_late_push_costs_one_reading_and_the_next_pass_none(world: World) -> None:
    world.use(existing_courses=True)
    room_id = await world.synced(students=[8, 9])
    await pass_and_work(world)
    world.facts.enrol(COURSE, 10)
    await world.sync(COURSE)
    held_up = list(world.matrix.outbox)
    world.matrix.outbox.clear()
    world.clock.advance(PATIENCE + 1)
    for readings in (1, 0):
        world.matrix.forget_requests()
        await pass_and_work(world)
        assert [request for request in world.matrix.requests if request[0] == "read_state"] == [
            ("read_state", room_id)
        ] * readings
    world.matrix.outbox.extend(held_up)
    await world.matrix.push()
    assert world.matrix.members(room_id)[world.user(10)] == "invite"
    assert len(world.matrix.made("invite")) == 0


async def test_while_pushes_are_missing_anyway_nothing_is_taken_for_lost(world: World) -> None:
    world.use(existing_courses=True)
    room_id = await world.synced(students=[8, 9])
    world.facts.enrol(COURSE, 10)
    await world.sync(COURSE)
    world.gate.close()
    world.clock.advance(PATIENCE + 1)
    await world.pass_over_site()
    assert not await world.store.mirror.is_stale(room_id)


async def test_a_room_that_can_t_be_read_now_is_told_of_once_and_not_with_every_pass(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.use(existing_courses=True)
    await world.synced(students=[8, 9])
    await pass_and_work(world)
    world.facts.enrol(COURSE, 10)
    await world.sync(COURSE)
    world.matrix.outbox.clear()
    world.clock.advance(PATIENCE + 1)
    for _ in range(3):
        await world.pass_over_site()
    assert caplog.text.count("was not pushed back") == 1
