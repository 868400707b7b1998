"""The gate: nothing is written until the canary has come back, nor after a push was lost; and time that runs back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from moodle_appservice.domain.model import CourseId, RoomId
from moodle_appservice.domain.power import CANARY
from moodle_appservice.engine.course import Outcome
from moodle_appservice.engine.gate import TRIES, Gate
from moodle_appservice.errors import PermanentFailure, TemporaryFailure, Unreachable
from moodle_appservice.ports import Event
from moodle_appservice.ports.pauses import Pause
from tests.engine.world import World

MEMBER = "m.room.member"
COURSE = CourseId(42)
ALIAS = "#moodle_uni_control:uni.test"


def patient(world: World) -> Gate:
    """A gate of a patience that no test can outlast."""
    world.patience = 60.0
    world.rebuild()
    return world.gate


async def pinged(world: World) -> None:
    """Until the next ping has been answered, without a push."""
    reached = asyncio.Event()

    async def arrives() -> None:
        reached.set()

    world.matrix.pushes_on_ping = False
    world.matrix.before("ping", arrives)
    await reached.wait()
    for _ in range(20):
        await asyncio.sleep(0)


async def is_shut(world: World) -> bool:
    """Whether opening sends a canary, which an open gate does not."""
    before = len(world.matrix.made("ping"))
    await world.gate.open()
    return len(world.matrix.made("ping")) > before


async def test_the_gate_opens_when_the_canary_has_come_back_and_not_before(world: World) -> None:
    gate = patient(world)
    opening = asyncio.create_task(gate.open())
    await pinged(world)
    assert not opening.done()
    await world.matrix.push()
    async with asyncio.timeout(30):
        await opening
    assert world.matrix.made("ping") == [()]
    assert not await is_shut(world)


async def test_what_was_pushed_before_the_canary_is_in_the_mirror_when_the_gate_is_open(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.member(room_id, world.user(8), "leave")
    world.rebuild()
    await world.gate.open()
    room = await world.store.mirror.room(room_id)
    assert room is not None and room.members[world.user(8)].membership == "leave"


async def test_a_canary_that_does_not_come_back_is_a_temporary_failure_and_the_next_try_waits_again(
    world: World,
) -> None:
    world.matrix.pushes_on_ping = False
    with pytest.raises(
        TemporaryFailure, match=r"has not pushed our own event back.*Nothing was written"
    ) as failed:
        await world.gate.open()
    assert failed.value.retry_after == 5
    world.matrix.pushes_on_ping = True
    await world.gate.open()
    assert not await is_shut(world)


async def test_an_older_canary_does_not_open_the_gate(world: World) -> None:
    await world.gate.open()
    world.rebuild()
    world.matrix.pushes_on_ping = False
    world.gate.seen([1])
    with pytest.raises(TemporaryFailure):
        await world.gate.open()


async def test_many_who_wait_at_the_gate_release_one_canary(world: World) -> None:
    await asyncio.gather(*(world.gate.open() for _ in range(8)))
    assert world.matrix.made("set_state") == [(world.matrix.room_under(ALIAS), CANARY)]


async def test_a_lost_push_shuts_the_gate(world: World) -> None:
    await world.gate.open()
    world.gate.close()
    assert await is_shut(world)
    assert not await is_shut(world)


async def test_a_push_that_is_lost_while_the_gate_is_being_opened_keeps_it_shut(world: World) -> None:
    async def come_and_lose() -> None:
        await world.matrix.push()
        world.gate.close()

    world.matrix.before("ping", come_and_lose)
    with pytest.raises(TemporaryFailure, match="Nothing was written") as failed:
        await world.gate.open()
    assert failed.value.retry_after == 0
    assert await is_shut(world)
    assert not await is_shut(world)


async def test_a_canary_that_takes_longer_than_our_patience_is_waited_for_again_and_not_overtaken(
    world: World,
) -> None:
    world.matrix.pushes_on_ping = False
    for _ in range(3):
        with pytest.raises(TemporaryFailure):
            await world.gate.open()
    assert len(world.matrix.made("set_state")) == 1
    world.matrix.pushes_on_ping = True
    await world.gate.open()
    assert len(world.matrix.made("set_state")) == 1


async def test_a_canary_that_never_comes_is_given_up_for_a_new_one(world: World) -> None:
    world.matrix.pushes_on_ping = False
    for _ in range(TRIES):
        with pytest.raises(TemporaryFailure):
            await world.gate.open()
    world.matrix.outbox.clear()
    world.matrix.pushes_on_ping = True
    await world.gate.open()
    assert len(world.matrix.made("set_state")) == 2


async def test_a_homeserver_that_does_not_answer_keeps_the_gate_shut(world: World) -> None:
    world.matrix.refuse("ping", error=Unreachable("down"), times=1)
    with pytest.raises(Unreachable):
        await world.gate.open()
    assert await is_shut(world)


async def test_the_control_room_is_made_once_and_is_for_the_bot_alone(world: World, tmp_path: Path) -> None:
    await world.gate.open()
    world.rebuild()
    await world.gate.open()
    assert world.matrix.made("create_room") == [(ALIAS,)]
    room_id = world.matrix.room_under(ALIAS)
    assert await world.store.ledger.control_room() == room_id
    assert world.matrix.content(room_id, CANARY) == {"counter": 2, "site": "uni"}
    levels = world.matrix.content(room_id, "m.room.power_levels")
    assert (levels["invite"], levels["events_default"], levels["state_default"]) == (100, 100, 100)


@pytest.mark.parametrize(
    ("process", "reads", "room_is_made"), [("a", True, True), ("b", False, False), ("", True, False)]
)
async def test_in_a_cluster_the_pass_makes_the_control_room_before_any_process_needs_it(
    world: World, process: str, reads: bool, room_is_made: bool
) -> None:
    gate = Gate(
        world.matrix,
        world.store,
        world.rules,
        patience=world.patience,
        process=process,
        makes_room=lambda: reads,
    )
    await gate.prepare()
    assert (await world.store.ledger.control_room() is not None) == room_is_made
    await gate.prepare()
    assert len(world.matrix.made("create_room")) == room_is_made


async def test_another_process_that_joins_a_cluster_takes_its_lack_of_a_canary_for_no_restored_homeserver(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for process in ("a", "b"):
        gate = Gate(world.matrix, world.store, world.rules, patience=world.patience, process=process)
        await gate.open()
        assert await gate.before_writes(0), "no epoch has ended"
    assert "restored from a backup" not in caplog.text


async def test_after_the_loss_of_our_database_the_control_room_is_found_by_its_alias(
    world: World, tmp_path: Path
) -> None:
    await world.gate.open()
    other = World(tmp_path / "other.db")
    await other.db.start()
    other.matrix = world.matrix
    other.rebuild()
    other.matrix.act(world.matrix.room_under(ALIAS), world.rules.bot, CANARY, "", {"counter": 7})
    await other.gate.open()
    assert await other.store.ledger.control_room() == world.matrix.room_under(ALIAS)
    assert len(world.matrix.aliases) == 1
    await other.db.stop()


async def test_a_control_room_in_which_the_bot_can_t_write_is_replaced(world: World) -> None:
    await world.gate.open()
    lost = world.matrix.room_under(ALIAS)
    world.matrix.member(lost, world.rules.bot, "leave")
    world.rebuild()
    await world.gate.open()
    made = world.matrix.room_under(ALIAS)
    assert made != lost
    assert await world.store.ledger.control_room() == made


async def canary_is_newest(world: World) -> None:
    """A pass has begun to write, and nothing of ours came after its canary."""
    await world.gate.check()
    await world.gate.before_writes(world.gate.epoch)
    await world.matrix.push()
    world.matrix.forget_requests()


async def test_a_homeserver_that_is_where_we_left_it_is_asked_once_and_nothing_happens(world: World) -> None:
    room_id = await world.synced(students=[8])
    await world.gate.check()
    assert world.matrix.forget_requests() == [("get_state", room_id, "m.room.member")], "our newest write"
    await canary_is_newest(world)
    await world.gate.check()
    assert world.matrix.forget_requests() == [("get_state", world.matrix.room_under(ALIAS), CANARY)]
    assert not await world.store.mirror.is_stale(room_id)
    assert not await is_shut(world)


async def test_a_homeserver_that_went_back_in_time_has_every_room_read_again(world: World) -> None:
    room_id = await world.synced(students=[8])
    await canary_is_newest(world)
    control = world.matrix.room_under(ALIAS)
    world.matrix.act(control, world.rules.bot, CANARY, "", {"counter": 0, "site": "uni"})
    await world.gate.check()
    assert await world.store.mirror.is_stale(room_id)
    assert await is_shut(world)


@pytest.mark.parametrize("content", [{}, {"counter": "9"}, {"counter": None}])
async def test_a_canary_that_can_t_be_read_counts_as_an_old_one(
    world: World, content: dict[str, object]
) -> None:
    room_id = await world.synced(students=[8])
    await canary_is_newest(world)
    world.matrix.act(world.matrix.room_under(ALIAS), world.rules.bot, CANARY, "", content)
    await world.gate.check()
    assert await world.store.mirror.is_stale(room_id)


async def test_a_control_room_that_was_lost_counts_as_time_that_went_back(world: World) -> None:
    room_id = await world.synced(students=[8])
    await canary_is_newest(world)
    world.matrix.lose(world.matrix.room_under(ALIAS))
    await world.gate.check()
    assert await world.store.mirror.is_stale(room_id)
    assert await is_shut(world)
    assert await world.store.ledger.control_room() == world.matrix.room_under(ALIAS)


async def test_before_the_first_canary_and_while_the_gate_is_shut_nothing_is_checked(world: World) -> None:
    await world.gate.check()
    assert world.matrix.requests == []
    await world.gate.open()
    world.gate.close()
    world.matrix.forget_requests()
    await world.gate.check()
    assert world.matrix.requests == []


async def test_a_homeserver_that_fails_at_the_check_fails_the_look_and_nothing_else(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.refuse("get_state", error=Unreachable("down"), times=1)
    with pytest.raises(Unreachable):
        await world.gate.check()
    assert not await world.store.mirror.is_stale(room_id)
    assert not await is_shut(world)


async def test_a_control_room_whose_alias_leads_nowhere_we_can_read_gets_its_alias_back(world: World) -> None:
    foreign = RoomId("!nowhere")
    world.matrix.aliases[ALIAS] = foreign
    await world.gate.open()
    assert world.matrix.room_under(ALIAS) != foreign
    assert world.matrix.made("delete_alias") == [(ALIAS,)]


async def test_a_refusal_to_make_the_control_room_is_what_the_look_fails_with(world: World) -> None:
    world.matrix.refuse("create_room", error=PermanentFailure("not allowed"))
    with pytest.raises(PermanentFailure, match="not allowed"):
        await world.gate.open()


async def restored(world: World, *, restarted: bool) -> None:
    """Person 10 is enrolled and invited, then the homeserver is put back to before that, and the next pass comes."""
    await world.synced(students=[8])
    await world.pass_over_site()
    backup = copy_of(world)
    if restarted:
        world.rebuild()
    world.facts.enrol(CourseId(42), 10)
    await world.sync(CourseId(42))
    await world.matrix.push()
    world.matrix.rooms = backup
    if restarted:
        world.rebuild()
    await world.pass_over_site()
    await world.work()


@pytest.mark.parametrize("restarted", [False, True], ids=["while the service runs", "while it is stopped"])
async def test_what_a_restored_homeserver_has_lost_is_written_again(world: World, restarted: bool) -> None:
    world.use(existing_courses=True)
    await restored(world, restarted=restarted)
    members = world.matrix.members(world.room(CourseId(42)))
    assert members == {world.user(8): "join", world.user(10): "invite"}


async def test_a_pass_that_writes_begins_with_one_canary_and_one_that_does_not_sends_none(
    world: World,
) -> None:
    world.use(existing_courses=True)
    await world.synced(42, students=[8])
    await world.synced(43, students=[8])
    for changes in (True, False):
        if changes:
            world.facts.enrol(CourseId(42), 10)
            world.facts.enrol(CourseId(43), 10)
        await world.pass_over_site()
        world.matrix.forget_requests()
        await world.work()
        sent = [request[0] for request in world.matrix.requests if request[0] != "get_state"]
        assert sent == (["set_state", "invite", "invite"] if changes else [])


async def test_a_plan_from_before_the_homeserver_went_back_in_time_is_made_anew(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.facts.enrol(CourseId(42), 10)
    await world.look(CourseId(42))
    await world.look_at_people()
    await canary_is_newest(world)
    await world.gate.check()
    control = world.matrix.room_under(ALIAS)
    world.matrix.act(control, world.rules.bot, CANARY, "", {"counter": 0})
    assert await world.look(CourseId(42)) is Outcome.MORE
    assert not world.matrix.made("invite")
    assert await world.store.mirror.is_stale(room_id)
    assert not await world.gate.check()
    assert await world.sync(CourseId(42)) == 1
    assert world.matrix.members(room_id)[world.user(10)] == "invite"


async def test_the_canary_goes_ahead_while_new_people_are_looked_at(world: World) -> None:
    await world.synced(students=[8])
    await world.gate.check()
    world.facts.enrol(CourseId(42), 10)
    world.matrix.forget_requests()
    assert await world.look(CourseId(42)) is Outcome.WAITING
    assert [request[0] for request in world.matrix.requests] == ["get_state", "set_state"]
    await world.look_at_people()
    world.matrix.forget_requests()
    assert await world.look(CourseId(42)) is Outcome.DONE
    assert [request[0] for request in world.matrix.requests] == ["invite"]


async def test_no_canary_goes_ahead_where_somebody_has_paused_meanwhile(world: World) -> None:
    await world.synced(students=[8])
    await world.gate.check()
    world.facts.enrol(CourseId(42), 10)
    await world.store.pauses.add(Pause(CourseId(42), world.clock.now(), "@admin:uni.test"))
    world.matrix.forget_requests()
    assert await world.look(CourseId(42)) is Outcome.WAITING
    assert world.matrix.requests == []


def copy_of(world: World) -> dict[RoomId, dict[tuple[str, str], Event]]:
    """A backup of the homeserver."""
    return {room_id: dict(state) for room_id, state in world.matrix.rooms.items()}


@pytest.mark.parametrize("restarted", [False, True], ids=["while the service runs", "while it is stopped"])
@pytest.mark.parametrize("last", ["invite", "kick", "name", "room"])
async def test_a_backup_from_between_two_writes_of_one_pass_is_noticed_by_the_next_pass_though_it_writes_nothing(
    world: World, last: str, restarted: bool
) -> None:
    world.use(existing_courses=True)
    room_id = await world.synced(42, students=[8, 9])
    await canary_is_newest(world)
    world.facts.enrol(COURSE, 10)
    await world.sync(COURSE)
    await world.matrix.push()
    backup = copy_of(world)
    match last:
        case "invite":
            world.facts.enrol(COURSE, 11)
        case "kick":
            world.facts.unenrol(COURSE, 8)
        case "name":
            world.facts.courses[COURSE] = replace(world.facts.courses[COURSE], fullname="Renamed")
        case _:
            await world.course(43, students=[8])
            await world.sync(CourseId(43))
    await world.sync(COURSE)
    await world.matrix.push()
    wanted = {room: world.matrix.members(room) for room in world.matrix.rooms}
    named = world.matrix.content(room_id, "m.room.name")
    aliases = dict(world.matrix.aliases)
    world.matrix.rooms = backup
    world.matrix.aliases = {alias: room for alias, room in aliases.items() if room in backup}
    if restarted:
        world.rebuild()
    for _ in range(2):
        await world.pass_over_site()
        await world.work()
    assert world.matrix.members(room_id) == wanted[room_id]
    assert world.matrix.content(room_id, "m.room.name") == named
    if last == "room":
        assert world.matrix.members(world.room(CourseId(43))) == {world.user(8): "invite"}


async def test_what_others_have_written_over_our_newest_write_is_no_sign_of_a_backup(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    room_id = await world.synced(students=[8, 9])
    await canary_is_newest(world)
    world.facts.enrol(COURSE, 10)
    await world.sync(COURSE)
    await world.matrix.push()
    # The person accepts, and the homeserver has not pushed that yet.
    world.matrix.member(room_id, world.user(10), "join")
    assert await world.gate.check()
    await world.matrix.push()
    assert await world.gate.check()
    world.matrix.member(room_id, world.user(10), "leave")
    world.matrix.act(room_id, world.rules.bot, MEMBER, world.rules.bot, {"membership": "leave"})
    await world.matrix.push()
    assert await world.gate.check(), "where the bot is not any more it can't look"
    assert "restored from a backup" not in caplog.text


async def test_a_canary_that_the_homeserver_never_took_is_no_sign_of_a_backup(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.rebuild()
    world.matrix.refuse("set_state", error=Unreachable("down"), times=3)
    for _ in range(3):
        with pytest.raises(Unreachable):
            await world.gate.open()
    await world.gate.open()
    assert await world.gate.check()
    assert not await world.store.mirror.is_stale(room_id)
