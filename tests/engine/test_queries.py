"""How often the books are asked: as often for a course of many rooms as for one of few, and no oftener for each course
the more there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.store.db import Db
from tests.engine.test_course_space import COURSE
from tests.engine.world import World


class Asked:
    """Counts every way to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        original = Db._to_its_end

        async def counted(db: Db, work: Any) -> Any:
            self.times += 1
            return await original(db, work)

        monkeypatch.setattr(Db, "_to_its_end", counted)

    def since(self, before: int) -> int:
        return self.times - before


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "world.db", layout="space", announcements=True, staff=True, groups=("Lab .*",))
    await world.db.start()
    yield world
    await world.db.stop()


async def with_groups(world: World, course_id: CourseId, number: int) -> CourseId:
    """A course with this many rooms of groups, in which nothing is left to do."""
    await world.course(course_id, teachers=[1], students=range(11, 20))
    for group in range(number):
        world.facts.group(course_id, int(course_id) * 100 + group, f"Lab {group}", 11, 12)
    for _ in range(2):
        await world.sync(course_id)
        await world.matrix.push()
    return course_id


async def test_a_look_at_a_course_of_many_rooms_asks_as_often_as_at_one_of_few(
    world: World, asked: Asked
) -> None:
    times: list[int] = []
    for number, groups in ((COURSE, 2), (CourseId(COURSE + 1), 14)):
        course_id = await with_groups(world, number, groups)
        before = asked.times
        await world.look(course_id)
        times.append(asked.since(before))
    assert times[0] == times[1]


async def test_a_pass_over_many_courses_asks_no_oftener_than_over_few(world: World, asked: Asked) -> None:
    times: list[int] = []
    for numbers in (range(100, 104), range(200, 230)):
        for number in numbers:
            await world.synced(number, students=[11, 12], teachers=[1])
        await world.pass_over_site()
        await world.work(most=500)
        before = asked.times
        await world.pass_over_site()
        times.append(asked.since(before))
        assert await world.due() == {}, "nothing has changed, so no course is looked at"
    assert times[0] == times[1]
