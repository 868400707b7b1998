"""A process that dies between a request and its booking: the room tells it later, and the audit log is complete."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CourseId, RoomId
from tests.engine.world import World

COURSE = CourseId(42)
LATER = "found afterwards"


async def lines(world: World, number: int) -> list[tuple[str, str]]:
    """Kind and signal of what the audit log tells of a person, oldest first."""
    return [(line.kind, line.signal) for line in await world.audit(COURSE) if line.person == number]


async def invited_and_killed(world: World, number: int) -> RoomId:
    """A course in which somebody is enrolled anew; the process dies between the invite and its booking."""
    room_id = await world.synced(students=[8])
    world.facts.enrol(COURSE, number)
    await world.look(COURSE)
    await world.look_at_people()
    await world.store.ledger.intend(room_id, {world.user(number): world.facts.add_person(number)})
    await world.matrix.invite(room_id, world.user(number))
    await world.matrix.push()
    world.rebuild()
    return room_id


async def kicked_and_killed(world: World, number: int) -> RoomId:
    """A course which somebody has left; the process dies between the kick and its booking."""
    room_id = await world.synced(students=[8, number])
    world.facts.unenrol(COURSE, number)
    await world.matrix.kick(room_id, world.user(number), "No active enrolment in this course.")
    await world.matrix.push()
    world.rebuild()
    return room_id


async def test_an_invite_has_its_line_also_where_the_person_belongs_there_no_more(world: World) -> None:
    room_id = await invited_and_killed(world, 9)
    world.facts.unenrol(COURSE, 9)
    for _ in range(2):
        await world.sync(COURSE)
        await world.matrix.push()
    assert world.matrix.members(room_id)[world.user(9)] == "leave"
    assert await lines(world, 9) == [("Invite", LATER), ("Remove", "pass")]


@pytest.mark.parametrize("answer", ["leave", "join"])
async def test_an_invite_has_its_line_also_where_it_was_answered_meanwhile(world: World, answer: str) -> None:
    room_id = await invited_and_killed(world, 9)
    world.matrix.member(room_id, world.user(9), answer)
    await world.matrix.push()
    for _ in range(2):
        await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(9)] == answer
    assert await lines(world, 9) == [("Invite", LATER)]


async def test_a_removal_has_its_line_also_where_the_person_belongs_there_again(world: World) -> None:
    room_id = await kicked_and_killed(world, 9)
    world.facts.enrol(COURSE, 9)
    for _ in range(2):
        await world.sync(COURSE)
        await world.matrix.push()
    assert world.matrix.members(room_id)[world.user(9)] == "invite"
    assert await lines(world, 9) == [("Invite", "pass"), ("Remove", LATER), ("Invite", "pass")]


async def test_a_removal_has_its_line_where_the_person_stays_away(world: World) -> None:
    await kicked_and_killed(world, 9)
    for _ in range(2):
        await world.sync(COURSE)
    assert await lines(world, 9) == [("Invite", "pass"), ("Remove", LATER)]


async def test_what_was_booked_long_ago_is_not_told_again_after_a_homeserver_went_back_in_time(
    world: World,
) -> None:
    room_id = await world.synced(students=[8, 9])
    world.facts.unenrol(COURSE, 9)
    await world.sync(COURSE)
    await world.matrix.push()
    # A backup from after the removal.
    await world.store.mirror.mark_stale()
    await world.store.ledger.want_again()
    world.rebuild()
    for _ in range(2):
        await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(9)] == "leave"
    assert [kind for kind, _ in await lines(world, 9)] == ["Invite", "Remove"]
