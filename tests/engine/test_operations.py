"""What people ask of a running service: a sync that ends when nothing is left to do, and plans that change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import TypeVar

import pytest

from moodle_appservice.domain.actions import CreateRoom, Invite
from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId
from moodle_appservice.domain.rules import PeopleRules
from moodle_appservice.engine.operations import Operations
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from moodle_appservice.ports import SITE, course_key
from tests.engine.world import World

T = TypeVar("T")


@pytest.fixture
async def operations(world: World) -> AsyncIterator[Operations]:
    """All of the engine, with three workers at work."""
    world.use(existing_courses=True)
    workers = world.workers(3)
    workers.start()
    yield world.operations(workers)
    await workers.stop()


async def soon(asked: Awaitable[T]) -> T:
    async with asyncio.timeout(60):
        return await asked


async def test_a_sync_of_everything_ends_when_every_room_is_made(
    world: World, operations: Operations
) -> None:
    for number in range(42, 47):
        world.facts.enrol(world.facts.add_course(number), 7, role="teacher")
        world.facts.enrol(CourseId(number), *range(number, number + 4))
    report = await soon(operations.sync())
    assert (report.courses, report.failures, report.held) == (5, {}, ())
    for number in range(42, 47):
        members = world.matrix.members(world.room(CourseId(number)))
        assert members == {world.user(one): "invite" for one in (7, *range(number, number + 4))}
    world.matrix.forget_requests()
    await soon(operations.sync())
    assert {request[0] for request in world.matrix.requests} <= {"get_state"}


async def test_a_sync_of_one_course_leaves_the_others_alone(world: World, operations: Operations) -> None:
    for number in (42, 43):
        world.facts.enrol(world.facts.add_course(number), 8)
    await soon(operations.sync())
    for number in (42, 43):
        world.facts.enrol(CourseId(number), 9)
    world.matrix.forget_requests()
    await soon(operations.sync(CourseId(42)))
    assert world.matrix.made("invite") == [(world.room(CourseId(42)), world.user(9))]


async def test_a_course_that_moodle_does_not_list_is_said(world: World, operations: Operations) -> None:
    with pytest.raises(PermanentFailure, match=r"lists no course 99\. Nothing was changed"):
        await soon(operations.sync(CourseId(99)))
    with pytest.raises(PermanentFailure, match="lists no course 99"):
        await soon(operations.plans(CourseId(99)))


async def test_a_course_that_is_new_in_moodle_is_found_by_asking_for_it(
    world: World, operations: Operations
) -> None:
    await soon(operations.sync())
    world.facts.enrol(world.facts.add_course(42), 8)
    await soon(operations.sync(CourseId(42)))
    assert world.matrix.members(world.room(CourseId(42))) == {world.user(8): "invite"}


async def test_what_could_not_be_done_is_reported_by_key(world: World, operations: Operations) -> None:
    for number in (42, 43):
        world.facts.enrol(world.facts.add_course(number), 8)
    world.facts.trouble["42"] = PermanentFailure("This course can't be read.")
    world.matrix.refuse("invite", error=PermanentFailure("blocked"))
    report = await soon(operations.sync())
    assert {key: str(failure) for key, failure in report.failures.items()} == {
        course_key(CourseId(42)): "This course can't be read.",
        course_key(CourseId(43)): "blocked",
    }
    world.facts.trouble["site"] = PermanentFailure("The token is unknown.")
    report = await soon(operations.sync())
    assert str(report.failures[SITE]) == "The token is unknown."


async def test_whoever_asks_for_everything_has_what_backs_off_looked_at_now(
    world: World, operations: Operations
) -> None:
    world.facts.enrol(world.facts.add_course(42), 8)
    down = TemporaryFailure("down", retry_after=200.0)
    world.facts.trouble["42"] = down
    await world.queue.add(SITE)
    await soon(world.queue.idle())
    del world.facts.trouble["42"]
    await world.queue.add(SITE)
    await soon(world.queue.idle())
    assert world.matrix.made("invite") == [], "a pass of the timer waits for its next try"
    report = await soon(operations.sync())
    assert report.failures == {}
    assert world.matrix.members(world.room(CourseId(42))) == {world.user(8): "invite"}


async def test_what_is_held_is_reported_and_let_pass_when_it_is_confirmed(
    world: World, operations: Operations
) -> None:
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, *range(101, 131))
    await soon(operations.sync())
    world.facts.unenrol(course_id, *range(101, 121))
    report = await soon(operations.sync())
    (held,) = report.held
    assert (held.course_id, len(held.users)) == (42, 20)
    assert world.matrix.made("kick") == []
    report = await soon(operations.sync(confirm=True))
    assert report.held == ()
    assert len(world.matrix.made("kick")) == 20
    report = await soon(operations.sync())
    assert await world.store.journal.held() == []


async def test_a_plan_shows_what_a_sync_would_do_and_changes_nothing(
    world: World, operations: Operations
) -> None:
    world.facts.enrol(world.facts.add_course(42), 8, 9)
    off = world.facts.add_course(43)
    world.use(existing_courses=True, deny_courses=frozenset({off}))
    operations._site, operations._planner = world.site, world.planner
    (view,) = await soon(operations.plans())
    assert view.prepared is not None
    assert [type(action) for action in view.prepared.main.verdict.actions] == [CreateRoom, Invite, Invite]
    (view,) = await soon(operations.plans(off))
    assert view.prepared is None and view.trouble.startswith("The administrator has excluded this course")
    assert {request[0] for request in world.matrix.requests} == {"resolve_alias", "joined_rooms"}
    assert await world.store.courses.all() == {}


async def test_who_asks_for_one_course_waits_for_it_and_is_told_what_stopped_it(
    world: World, operations: Operations
) -> None:
    world.facts.enrol(world.facts.add_course(42), 8)
    await soon(operations.sync())
    world.facts.enrol(CourseId(42), 9)
    assert await soon(operations.sync_course(CourseId(42))) is None
    assert world.matrix.members(world.room(CourseId(42)))[world.user(9)] == "invite"
    world.facts.trouble["42"] = PermanentFailure("This course can't be read.")
    failure = await soon(operations.sync_course(CourseId(42)))
    assert str(failure) == "This course can't be read."


async def lively(world: World, operations: Operations) -> RoomId:
    """A course of two students who have come into its room, unless nobody was invited; requests are forgotten."""
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 8, 9)
    await soon(operations.sync())
    room_id = world.room(course_id)
    for user in world.matrix.members(room_id):
        world.matrix.member(room_id, user, "join")
    await world.matrix.push()
    await soon(world.queue.idle())
    world.matrix.forget_requests()
    return room_id


async def test_on_request_nobody_is_invited_before_asking_and_whoever_asks_is(
    world: World, operations: Operations
) -> None:
    world.planner._rules = replace(world.rules, people=PeopleRules(when="on-request"))
    room_id = await lively(world, operations)
    assert world.matrix.members(room_id) == {}
    answer = await soon(operations.request_membership(MoodleUserId(8), CourseId(42), at=1.0))
    assert (answer.membership, answer.sentence) == ("invite", "@p8:uni.test is invited to the room.")
    assert world.matrix.members(room_id) == {world.user(8): "invite"}


async def test_whoever_left_by_choice_and_asks_is_invited_again(world: World, operations: Operations) -> None:
    room_id = await lively(world, operations)
    for number in (8, 9):
        world.matrix.member(room_id, world.user(number), "leave")
    await world.matrix.push()
    answer = await soon(operations.request_membership(MoodleUserId(8), CourseId(42), at=1.0))
    assert answer.membership == "invite"
    assert world.matrix.members(room_id) == {world.user(8): "invite", world.user(9): "leave"}


async def test_a_request_gives_nobody_a_right(world: World, operations: Operations) -> None:
    room_id = await lively(world, operations)
    world.facts.add_person(10)
    world.matrix.member(room_id, world.user(8), "ban", by="@admin:uni.test")
    await world.matrix.push()
    said = {
        number: await soon(operations.request_membership(MoodleUserId(number), CourseId(course), at=1.0))
        for number, course in ((9, 42), (8, 42), (10, 42), (11, 99))
    }
    assert {number: answer.sentence for number, answer in said.items()} == {
        9: "@p9:uni.test is in the room.",
        8: "A moderator has banned this person from the room.",
        10: "Moodle does not list this person in the course. Nobody was invited.",
        11: "This course has no room. Nothing was changed.",
    }
    assert world.matrix.made("invite") == world.matrix.made("unban") == []
