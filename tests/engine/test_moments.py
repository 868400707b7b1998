"""Known moments: each makes its course due in its own minute, whatever else happens to the course before."""

from __future__ import annotations

import asyncio

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.moments import Moments
from moodle_appservice.engine.queues.memory import MemoryQueue
from moodle_appservice.ports import course_key
from tests.engine.world import World
from tests.fakes import FakeClock

TWO, THREE = CourseId(2), CourseId(3)


async def test_each_of_two_moments_of_a_course_is_a_signal_at_its_time(world: World) -> None:
    moments, now = Moments(world.queue, world.clock), world.clock.now()
    for at in (240, 180, 180):
        moments.plan(TWO, now + at)
    await world.queue.add(course_key(TWO), signal="event")
    assert await moments.come() == 180
    assert await world.due() == {course_key(TWO): {"event"}}
    for seconds, left in ((180, 60), (60, None)):
        world.clock.advance(seconds)
        assert await moments.come() == left
        assert await world.due() == {course_key(TWO): {"moment"}}


async def test_a_moment_that_comes_while_nobody_looks_is_not_lost(world: World) -> None:
    moments = Moments(world.queue, world.clock)
    for number in (2, 3):
        moments.plan(CourseId(number), world.clock.now() + number)
    world.clock.advance(1000)
    assert await moments.come() is None
    assert set(await world.due()) == {course_key(TWO), course_key(THREE)}


async def test_who_waits_is_woken_by_a_moment_that_is_planned_later() -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock)
    moments = Moments(queue, clock)
    moments.start()
    await asyncio.sleep(0)
    moments.plan(TWO, clock.now())
    async with asyncio.timeout(30):
        assert (await queue.take()).key == course_key(TWO)
    await moments.stop()
    await moments.stop()
