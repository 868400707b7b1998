"""The slow audit: what the mirror has otherwise than the homeserver is found, once a day and without hurry."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CourseId, RoomAlias, RoomId
from moodle_appservice.engine.slow_audit import DAY, LONGEST, SlowAudit
from moodle_appservice.errors import PermanentFailure, Unreachable
from moodle_appservice.ports import course_key
from tests.engine.world import World

COURSE = CourseId(42)
ALIAS = RoomAlias("#moodle_uni_course_42:uni.test")


@pytest.fixture
def audit(world: World) -> SlowAudit:
    return SlowAudit(world.matrix, world.store, world.queue, world.rules, world.clock)


async def unseen(world: World, number: int = 42) -> RoomId:
    """A course in whose room something has happened that was never pushed."""
    room_id = await world.synced(number, students=[8], teachers=[7])
    world.matrix.act(room_id, world.rules.bot, "m.room.join_rules", "", {"join_rule": "public"})
    world.matrix.member(room_id, world.user(8), "leave", by="@admin:uni.test")
    world.matrix.outbox.clear()
    await world.due()
    return room_id


async def test_what_differs_is_found_with_one_request_and_repaired_by_the_plan(
    world: World, audit: SlowAudit
) -> None:
    room_id = await unseen(world)
    world.clock.advance(DAY)
    world.matrix.forget_requests()
    assert await audit.turn() == room_id
    assert world.matrix.forget_requests() == [("read_state", room_id), ("resolve_alias", ALIAS)]
    assert course_key(COURSE) in await world.due()
    await world.sync(COURSE)
    assert world.matrix.content(room_id, "m.room.join_rules") == {"join_rule": "invite"}
    assert world.matrix.members(room_id)[world.user(8)] == "invite"
    told = [row for row in await world.audit(COURSE) if row.kind == "AuditOfRoom"]
    assert [row.why for row in told] == [
        "Compared with the homeserver, 2 things differ from what we knew of the room."
    ]


async def test_the_differences_are_told_in_sentences(world: World, audit: SlowAudit) -> None:
    await unseen(world)
    assert await audit.compare_course(COURSE) == (
        'course 42 main: m.room.join_rules is {"join_rule": "public"}, not {"join_rule": "invite"}',
        "course 42 main: @p8:uni.test is leave, not join",
    )
    assert await audit.compare_course(COURSE) == ()


async def test_a_room_in_which_nothing_differs_makes_nothing_due(world: World, audit: SlowAudit) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    await world.due()
    world.clock.advance(DAY)
    assert await audit.turn() == room_id
    assert await world.due() == {}


async def test_each_room_has_its_turn_once_a_day_and_a_restart_brings_no_burst(
    world: World, audit: SlowAudit
) -> None:
    rooms = [await world.synced(number, students=[8]) for number in (42, 43, 44)]
    assert await audit.turn() is None
    world.clock.advance(3 * DAY)
    after_restart = SlowAudit(world.matrix, world.store, world.queue, world.rules, world.clock)
    assert await after_restart.pause() == LONGEST
    looked = [await after_restart.turn() for _ in range(5)]
    assert sorted(str(one) for one in looked if one) == sorted(rooms)
    assert looked[3:] == [None, None]
    world.clock.advance(DAY - 1)
    assert await SlowAudit(world.matrix, world.store, world.queue, world.rules, world.clock).turn() is None


async def test_the_looks_are_spread_over_the_day(world: World) -> None:
    for number in range(42, 47):
        await world.synced(number)
    audit = SlowAudit(world.matrix, world.store, world.queue, world.rules, world.clock, every=1000.0)
    assert await audit.pause() == 200.0


async def test_what_is_pushed_while_a_room_is_read_wins(world: World, audit: SlowAudit) -> None:
    room_id = await world.synced(students=[8], teachers=[7])

    async def meanwhile() -> None:
        world.matrix.member(room_id, world.user(9), "invite", by=world.user(7))
        await world.matrix.push()

    world.matrix.before("read_state", meanwhile)
    await audit.compare(room_id)
    room = await world.store.mirror.room(room_id)
    assert room is not None
    assert room.members[world.user(9)].membership == "invite"


async def test_a_room_that_can_t_be_read_makes_its_course_due(world: World, audit: SlowAudit) -> None:
    room_id = await world.synced(students=[8])
    await world.due()
    world.matrix.refuse("read_state", error=PermanentFailure("403"), times=1)
    assert await audit.compare(room_id) == ("The room can't be read. 403",)
    assert course_key(COURSE) in await world.due()
    assert await world.store.mirror.is_stale(room_id)


async def test_a_homeserver_that_is_down_costs_no_turn(world: World, audit: SlowAudit) -> None:
    room_id = await world.synced(students=[8])
    world.clock.advance(DAY)
    world.matrix.refuse("read_state", error=Unreachable("down"), times=1)
    with pytest.raises(Unreachable):
        await audit.turn()
    assert await audit.turn() == room_id


async def test_an_alias_that_was_deleted_in_the_directory_alone_is_noticed_and_put_back(
    world: World, audit: SlowAudit
) -> None:
    room_id = await world.synced(students=[8])
    await world.due()
    await world.matrix.delete_alias(ALIAS)
    assert await audit.compare_course(COURSE) == (
        f"course 42 main: the alias {ALIAS} leads nowhere, though the room names it",
    )
    assert course_key(COURSE) in await world.due()
    await world.sync(COURSE)
    assert world.matrix.aliases[ALIAS] == room_id
    assert world.matrix.content(room_id, "m.room.canonical_alias") == {"alias": ALIAS}
    await world.matrix.push()
    world.matrix.forget_requests()
    assert await audit.compare_course(COURSE) == ()
    await world.sync(COURSE)
    assert [name for name, *_ in world.matrix.forget_requests()] == ["read_state", "resolve_alias"]


async def test_another_alias_that_somebody_gave_the_room_is_their_own_matter(
    world: World, audit: SlowAudit
) -> None:
    room_id = await world.synced(students=[8])
    theirs = {"alias": ALIAS, "alt_aliases": ["#gone:else.test"]}
    world.matrix.act(room_id, world.user(8), "m.room.canonical_alias", "", theirs)
    await world.matrix.push()
    assert await audit.compare_course(COURSE) == ()
