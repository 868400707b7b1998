"""What makes keys due: pushed events and the timer; and that a push which failed half-way is not forgotten."""

from __future__ import annotations

import asyncio

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.signals import Timer
from moodle_appservice.ports import SITE, course_key
from tests.engine.world import World

KEY = course_key(CourseId(42))


async def test_what_somebody_changes_in_a_room_makes_its_course_due(world: World) -> None:
    room_id = await world.synced(students=[8])
    await world.due()
    world.matrix.act(room_id, world.user(8), "m.room.name", "", {"name": "Ours"})
    await world.matrix.push()
    assert await world.due() == {KEY: {"event"}}


async def test_what_the_bot_does_and_an_accepted_invite_make_nothing_due(world: World) -> None:
    room_id = await world.synced(students=[8])
    await world.due()
    world.matrix.act(room_id, world.rules.bot, "m.room.name", "", {"name": "Ours"})
    world.matrix.member(room_id, world.user(9), "invite", by=world.rules.bot)
    world.matrix.member(room_id, world.user(9), "join")
    await world.matrix.push()
    assert await world.due() == {}


async def test_a_name_that_somebody_gave_is_undone_when_moodle_s_name_changes_only(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.act(room_id, world.user(8), "m.room.name", "", {"name": "Ours"})
    await world.matrix.push()
    await world.work()
    assert world.matrix.content(room_id, "m.room.name") == {"name": "Ours"}


async def test_a_level_that_somebody_gave_is_taken_back_at_once(world: World) -> None:
    room_id = await world.synced(students=[8])
    levels = dict(world.matrix.content(room_id, "m.room.power_levels"))
    world.matrix.act(
        room_id, "@admin:uni.test", "m.room.power_levels", "", {**levels, "users": {world.user(8): 90}}
    )
    await world.matrix.push()
    await world.work()
    assert world.matrix.content(room_id, "m.room.power_levels")["users"] == {}


async def test_a_push_that_was_stored_before_it_failed_is_looked_at_by_the_next_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.use(existing_courses=True)
    room_id = await world.synced(students=[8])
    await world.pass_over_site()
    await world.work()
    await world.pass_over_site()
    assert await world.due() == {}, "all is well and known to be"

    async def broken(*_: object) -> None:
        raise OSError("the disk is full")

    world.matrix.member(room_id, world.user(8), "leave", by="@tess:uni.test")
    with monkeypatch.context() as trouble:
        trouble.setattr(world.store.ledger, "keys_of", broken)
        with pytest.raises(OSError, match="disk is full"):
            await world.matrix.push()
    # What the inbox does with a push that failed: it tells the gate, and the homeserver repeats it.
    world.gate.close()
    await world.matrix.push()
    await world.gate.open()
    await world.pass_over_site()
    assert KEY in await world.due()


async def test_messages_to_the_bot_are_handed_on_once(world: World) -> None:
    room_id = await world.synced(students=[8])
    event = world.matrix.say(room_id, world.user(8), "!status")
    await world.matrix.push()
    world.matrix.outbox.append(event)
    await world.matrix.push()
    assert world.commands == [event.event_id]


async def test_the_timer_makes_the_site_due_at_once_and_stops_when_told(world: World) -> None:
    timer = Timer(world.queue, interval=3600)
    timer.start()
    taken = await world.queue.take()
    assert taken.key == SITE and "pass" in taken.signals
    await timer.stop()
    await timer.stop()


async def test_the_timer_goes_on_after_its_interval(world: World) -> None:
    timer = Timer(world.queue, interval=0.01)
    timer.start()
    async with asyncio.timeout(30):
        for _ in range(3):
            await world.queue.done(await world.queue.take())
    await timer.stop()
