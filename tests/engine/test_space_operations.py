"""Spaces as people see and steer them: a whole sync by the workers, the plan, the status, and the kill switch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.domain.rooms import SITE_SPACE, main_room
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.engine.space_status import SpaceReader
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.ports import space_key
from moodle_appservice.show import plan_json, plan_text, report_json, report_text
from tests.engine.test_spaces import ARTS, MUSIC, below, room, university
from tests.engine.world import World


class Desk:
    """The engine with its workers."""

    def __init__(self, world: World) -> None:
        self.pauses = Pauses(world.store, world.queue, world.clock)
        self.workers = world.workers(3, spaces=world.spaces, pauses=self.pauses)
        self.workers.start()
        reader = SpaceReader(world.space_planner, world.tree, world.site, world.facts, world.space_troubles)
        self.operations = world.operations(self.workers, spaces=reader)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    await university(world)
    made = Desk(world)
    async with asyncio.timeout(60):
        yield made
    await made.workers.stop()


async def test_a_sync_makes_the_spaces_and_the_status_shows_them(world: World, desk: Desk) -> None:
    report = await desk.operations.sync()
    await world.matrix.push()
    await world.queue.idle()
    assert (report.failures, report.held) == ({}, ())
    assert below(world, ARTS) == ["course_1", "category_11"]
    shown = {str(one.key): one for one in await desk.operations.spaces()}
    assert list(shown) == ["site", "category 3", "category 10", "category 11"]
    arts = shown["category 10"]
    assert (arts.room_id, arts.name, arts.alias) == (
        room(world, ARTS),
        "Arts",
        "#moodle_uni_category_10:uni.test",
    )
    assert (arts.above, arts.below) == (SITE_SPACE, (main_room(CourseId(1)), MUSIC))
    assert (arts.joined, arts.invited, arts.to_do, arts.held, arts.trouble) == (0, 0, 0, "", "")


async def test_the_plan_shows_what_would_be_made_and_changes_nothing(world: World, desk: Desk) -> None:
    world.matrix.forget_requests()
    plan = plan_json(await desk.operations.plans(), await desk.operations.space_plans())
    assert [space["space"] for space in plan["spaces"]] == [
        "site",
        "category 3",
        "category 10",
        "category 11",
    ]
    text = plan_text(plan)
    assert "Space of the site “Uni”: 1 actions, 2 in it" in text
    assert "Space of category 11 “Music”: 1 actions, 1 in it" in text
    assert "make the room “Music” as #moodle_uni_category_11:uni.test (A course below is on" in text
    assert text.endswith("3 courses and 4 spaces above them. Nothing was changed.")
    assert world.matrix.made("create_room") == []


async def test_a_paused_site_has_no_space_made(world: World, desk: Desk) -> None:
    await desk.pauses.pause(by="test")
    await desk.operations.sync()
    assert world.matrix.made("create_room") == []
    await desk.pauses.resume(by="test")
    await desk.operations.sync()
    assert below(world, MUSIC) == ["course_2"]


async def test_what_a_space_refuses_is_reported_and_tried_again(world: World, desk: Desk) -> None:
    await desk.operations.sync()
    space = room(world, MUSIC)
    world.matrix.refuse("set_state", space, "m.room.name", error=PermanentFailure("not allowed"), times=1)
    world.facts.add_category("Musicology", 10, 11)
    report = await desk.operations.sync()
    assert {key: str(failure) for key, failure in report.failures.items()} == {
        space_key(MUSIC): "not allowed"
    }
    assert "Not done: space:11: not allowed" in report_text(report_json(report))
    status = next(one for one in await desk.operations.spaces() if one.key == MUSIC)
    assert (status.to_do, status.trouble) == (1, "not allowed")
    # Whoever asks has it tried now, whatever its delay.
    report = await desk.operations.sync()
    assert report.failures == {}
    assert world.matrix.content(space, "m.room.name") == {"name": "Musicology"}


def test_what_is_held_in_a_space_is_not_shown_as_a_course() -> None:
    part = {"course": 0, "room": "!space:uni.test", "users": 7, "reason": "Why."}
    group = {
        "id": "removals-1",
        "cause": "removals",
        "title": "Many",
        "since": 0,
        "users": 7,
        "parts": [part],
    }
    report = {
        "courses": 1,
        "failures": [],
        "held": [{"course": 0, "users": 7, "reason": "Why."}],
        "groups": [group],
        "note": "",
    }
    assert "  the spaces above courses: 7 people. Why." in report_text(report)
