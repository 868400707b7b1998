"""Workers over fakes: what may fail around a look without ending the worker or keeping the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.engine.worker import Workers
from moodle_appservice.ports import course_key
from tests.engine.world import World


@pytest.fixture
async def workers(world: World) -> AsyncIterator[Workers]:
    made = Workers(
        world.queue,
        world.store,
        world.clock,
        site=world.site,
        people=world.people,
        courses=world.courses,
        number=1,
    )
    made.start()
    yield made
    await made.stop()


async def test_a_database_that_takes_nothing_neither_ends_the_worker_nor_keeps_the_key(
    world: World, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    first, second = await world.course(42), await world.course(43)
    with monkeypatch.context() as broken:
        broken.setattr(world.store.courses, "get", full)
        broken.setattr(world.store.courses, "synced", full)
        await world.queue.add(course_key(first))
        async with asyncio.timeout(30):
            while course_key(first) not in workers.failures or world.queue.depth() != 1:
                await asyncio.sleep(0)
    async with asyncio.timeout(30):
        assert await workers.ask(course_key(second), signal="command") is None
        world.clock.advance(60)
        assert await workers.ask(course_key(CourseId(first)), signal="command") is None
    assert not workers.failures
