"""Failures in the middle of a course: what they stop, what they do not, and when what failed is tried again."""

from __future__ import annotations

import logging

import pytest

from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.domain.rules import IdentityRules
from moodle_appservice.engine.troubles import FIRST_DELAY
from moodle_appservice.errors import CourseGone, PermanentFailure, TemporaryFailure, Unreachable
from tests.engine.world import World

MANY = range(101, 131)


async def test_one_who_can_t_be_invited_does_not_stop_the_others(world: World) -> None:
    course_id = await world.course(students=[7, 8, 9])
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=1)
    await world.sync(course_id)
    assert set(world.matrix.members(world.room(course_id))) == {world.user(8), world.user(9)}
    row = await world.store.courses.get(course_id)
    assert row is not None and "blocked" in row.last_error
    failed = [line for line in await world.audit(course_id) if line.result != "done"]
    assert [(line.kind, line.person, line.result) for line in failed] == [("Invite", 7, "blocked")]
    assert len(failed[0].reference) == 8


async def test_more_than_a_slice_of_people_who_can_t_be_invited_do_not_stop_those_behind_them(
    world: World,
) -> None:
    course_id = await world.course(students=MANY)
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=25)
    await world.sync(course_id)
    assert set(world.matrix.members(world.room(course_id))) == {world.user(number) for number in MANY[25:]}


async def test_what_failed_is_tried_again_later_and_not_with_every_look(world: World) -> None:
    course_id = await world.course(students=[7, 8])
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=1)
    await world.sync(course_id)
    world.matrix.forget_requests()
    await world.sync(course_id)
    assert world.matrix.requests == []
    world.clock.advance(100)
    await world.sync(course_id)
    assert world.matrix.requests == [("invite", world.room(course_id), world.user(7))]
    row = await world.store.courses.get(course_id)
    assert row is not None and row.last_error == ""


@pytest.mark.parametrize("signal", ["cli", "confirm", "sync", "asked-pass"])
async def test_what_failed_is_tried_at_once_where_somebody_asks_for_a_sync(world: World, signal: str) -> None:
    course_id = await world.course(students=[7, 8])
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=2)
    await world.sync(course_id)
    world.matrix.forget_requests()
    await world.sync(course_id, signal)
    assert len(world.matrix.made("invite")) == 2
    row = await world.store.courses.get(course_id)
    assert row is not None and row.last_error == ""


async def test_whoever_asks_again_and_again_does_not_put_off_the_next_try(world: World) -> None:
    course_id = await world.course(students=[7])
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=5)
    for signal in ("pass", "cli", "cli", "cli", "cli"):
        await world.sync(course_id, signal)
    world.matrix.forget_requests()
    world.clock.advance(FIRST_DELAY - 1)
    await world.sync(course_id)
    assert world.matrix.requests == []
    world.clock.advance(1)
    await world.sync(course_id)
    assert len(world.matrix.made("invite")) == 1


async def test_what_fails_again_is_tried_once_for_each_who_asks(world: World) -> None:
    course_id = await world.course(students=[7, *MANY])
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=1)
    await world.sync(course_id)
    world.matrix.forget_requests()
    world.matrix.refuse("invite", error=PermanentFailure("blocked"))
    world.facts.enrol(course_id, *range(201, 231))
    await world.sync(course_id, "cli")
    asked = [request[-1] for request in world.matrix.made("invite")]
    assert world.user(7) in asked and len(asked) == len(set(asked)) == 31


async def test_a_pass_that_somebody_asks_for_has_what_failed_tried_at_once(world: World) -> None:
    world.use(existing_courses=True)
    course_id = await world.course(students=[7, 8])
    world.matrix.refuse("invite", error=PermanentFailure("blocked"), times=1)
    await world.sync(course_id)
    world.matrix.forget_requests()
    await world.pass_over_site()
    await world.work()
    assert world.matrix.made("invite") == []
    await world.pass_over_site("cli")
    await world.work()
    assert len(world.matrix.made("invite")) == 1


async def test_a_homeserver_that_is_gone_stops_the_look_and_what_was_done_is_not_done_again(
    world: World,
) -> None:
    course_id = await world.course(students=[7, 8, 9])
    world.matrix.refuse("invite", error=Unreachable("down"), after=1, times=1)
    with pytest.raises(Unreachable):
        await world.sync(course_id)
    assert len(world.matrix.made("invite")) == 2
    world.matrix.forget_requests()
    await world.sync(course_id)
    room_id = world.room(course_id)
    assert world.matrix.requests == [("invite", room_id, world.user(8)), ("invite", room_id, world.user(9))]


async def test_a_room_that_can_t_be_made_is_booked_with_its_reason(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    course_id = await world.course(students=[7])
    await world.gate.open()
    world.matrix.refuse("create_room", error=PermanentFailure("no rooms today"), times=1)
    with caplog.at_level(logging.WARNING), pytest.raises(PermanentFailure, match="no rooms today"):
        await world.sync(course_id)
    (line,) = await world.audit(course_id)
    assert (line.kind, line.room_id, line.result) == ("CreateRoom", None, "no rooms today")
    assert line.reference in caplog.text
    assert world.matrix.made("invite") == []
    await world.sync(course_id)
    assert world.matrix.members(world.room(course_id)) == {world.user(7): "invite"}


async def test_somebody_who_is_in_the_room_already_is_seen_by_reading_it_again(world: World) -> None:
    room_id = await world.synced(students=[7])
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 7, 8)
    world.matrix.member(room_id, world.user(8), "join")
    world.matrix.outbox.clear()
    await world.look(course_id)
    await world.look_at_people()
    with pytest.raises(TemporaryFailure) as surprise:
        await world.look(course_id)
    assert surprise.value.retry_after == 0
    world.matrix.forget_requests()
    await world.sync(course_id)
    assert world.matrix.requests == [("read_state", room_id)]
    assert world.matrix.members(room_id)[world.user(8)] == "join"


async def test_somebody_who_is_not_there_any_more_is_seen_by_reading_the_room_again(world: World) -> None:
    room_id = await world.synced(students=[7, 8])
    course_id = world.facts.add_course(42)
    world.facts.enrol(course_id, 7)
    world.matrix.member(room_id, world.user(8), "leave")
    world.matrix.outbox.clear()
    with pytest.raises(TemporaryFailure):
        await world.look(course_id)
    world.matrix.forget_requests()
    await world.sync(course_id)
    assert world.matrix.requests == [("read_state", room_id)]


async def test_a_course_that_is_gone_from_moodle_is_an_error_and_its_room_stays(world: World) -> None:
    await world.synced(students=[7])
    (course_id,) = world.facts.courses
    del world.facts.courses[course_id]
    with pytest.raises(CourseGone):
        await world.look(course_id)
    assert world.matrix.requests == []


async def test_moodle_s_failure_changes_nothing(world: World) -> None:
    await world.synced(students=[7])
    (course_id,) = world.facts.courses
    world.facts.trouble["42"] = Unreachable("Moodle is down")
    with pytest.raises(Unreachable):
        await world.look(course_id)
    assert world.matrix.requests == []


async def test_people_with_one_id_between_them_are_one_invite_and_one_reason(world: World) -> None:
    world.use(identity=IdentityRules(profile_field="matrix", field_is_locked=True))
    course_id = await world.course(students=[7, 8])
    for number in (7, 8):
        world.facts.add_person(number, profile_fields={"matrix": "@same:uni.test"})
    await world.sync(course_id)
    assert world.matrix.made("invite") == [(world.room(course_id), "@same:uni.test")]
    rows = await world.store.people.look_up([MoodleUserId(7), MoodleUserId(8)])
    assert rows[MoodleUserId(7)].resolution.matrix_id == "@same:uni.test"
    assert rows[MoodleUserId(8)].resolution.reason.startswith("Quarantined: @same:uni.test already belongs")
