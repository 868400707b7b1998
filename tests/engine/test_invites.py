"""Invites of the bot: what it accepts and what it leaves unanswered."""

from __future__ import annotations

from moodle_appservice.domain.linking import Failures
from moodle_appservice.domain.model import CourseId, EventId, RoomId, UserId
from moodle_appservice.engine.direct import CHATS_AN_HOUR, HOUR, STRANGERS_AN_HOUR
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.ports import Event, course_key
from tests.engine.world import World

ADMIN = "@admin:uni.test"
STRANGER = UserId("@stranger:uni.test")


async def test_a_bot_that_was_put_out_of_a_course_room_comes_back_when_it_is_invited(world: World) -> None:
    room_id = await world.synced(students=[8])
    world.matrix.member(room_id, world.rules.bot, "leave", by=ADMIN)
    await world.matrix.push()
    world.facts.enrol(CourseId(42), 9)
    try:
        await world.look(CourseId(42))
    except PermanentFailure as failure:
        assert "Invite the bot again" in str(failure)
    world.matrix.member(room_id, world.rules.bot, "invite", by=ADMIN)
    await world.matrix.push()
    assert world.matrix.made("join") == [(room_id,)]
    await world.matrix.push()
    await world.queue.add(course_key(CourseId(42)))
    await world.work()
    assert world.matrix.members(room_id) == {world.user(8): "join", world.user(9): "invite"}


async def invite(world: World, sender: str, *, is_direct: bool = True) -> str:
    room_id = world.matrix.found(creator=sender)
    content = {"membership": "invite", "is_direct": is_direct}
    world.matrix.act(room_id, sender, "m.room.member", world.rules.bot, content)
    await world.matrix.push()
    return room_id


async def test_direct_chats_are_accepted_and_other_rooms_are_not(world: World) -> None:
    await world.synced(students=[8])
    known = await invite(world, world.user(8))
    await invite(world, world.user(8), is_direct=False)
    strange = await invite(world, "@stranger:uni.test")
    await invite(world, "@stranger2:uni.test", is_direct=False)
    assert world.matrix.made("join") == [(known,), (strange,)]


async def test_a_stranger_from_a_homeserver_that_is_not_allowed_is_left_unanswered(world: World) -> None:
    await invite(world, "@stranger:far.test")
    assert world.matrix.made("join") == []


async def test_a_stranger_who_is_locked_is_left_unanswered(world: World) -> None:
    now = world.clock.now()
    await world.store.links.set_failures(STRANGER, Failures(0, now, now + 1))
    await invite(world, STRANGER)
    assert world.matrix.made("join") == []
    world.clock.advance(1)
    await invite(world, STRANGER)
    assert len(world.matrix.made("join")) == 1


async def test_a_stranger_has_one_chat_at_a_time_and_a_new_one_each_hour(world: World) -> None:
    first = await invite(world, STRANGER)
    await invite(world, STRANGER)
    assert world.matrix.made("join") == [(first,)]
    world.clock.advance(HOUR)
    second = await invite(world, STRANGER)
    assert world.matrix.made("join") == [(first,), (second,)]
    assert world.matrix.made("leave") == [(first,)]
    assert await world.store.mirror.joined_with(STRANGER) == [second]


async def test_all_strangers_together_have_so_many_chats_an_hour(world: World) -> None:
    for number in range(STRANGERS_AN_HOUR + 5):
        await invite(world, f"@s{number}:uni.test")
    assert len(world.matrix.made("join")) == STRANGERS_AN_HOUR


async def test_of_ten_thousand_invites_only_a_few_direct_chats_are_accepted(world: World) -> None:
    await world.synced(students=[8, 9])
    known, other = world.user(8), world.user(9)
    invites = [
        Event(
            EventId(f"$i{number}"),
            RoomId(f"!i{number}"),
            "m.room.member",
            UserId(sender),
            {"membership": "invite", "is_direct": is_direct},
            number,
            state_key=world.rules.bot,
        )
        for number, (sender, is_direct) in enumerate(
            [(known, False)] * 4_000
            + [(known, True)] * 1_000
            + [(f"@s{number}:uni.test", False) for number in range(2_000)]
            + [(f"@s{number}:uni.test", True) for number in range(1_000)]
            + [(f"@s{number}:far.test", True) for number in range(1_999)]
            + [(other, True)]
        )
    ]
    assert len(invites) == 10_000
    for invite in invites:
        world.matrix.found_as(invite.room_id, creator=str(invite.sender))
    for start in range(0, len(invites), 500):
        await world.pushed(invites[start : start + 500])
    joined = [room_id for (room_id,) in world.matrix.made("join")]
    assert all(world.matrix._is_in(RoomId(room_id)) for room_id in joined)
    senders = [next(one.sender for one in invites if one.room_id == room_id) for room_id in joined]
    assert senders.count(known) == CHATS_AN_HOUR
    assert senders.count(other) == 1
    assert len(joined) == CHATS_AN_HOUR + 1 + STRANGERS_AN_HOUR
    assert all(
        next(one for one in invites if one.room_id == room_id).content["is_direct"] for room_id in joined
    )
