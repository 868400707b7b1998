"""Invites of the bot: what it accepts and what it leaves unanswered."""

from __future__ import annotations

from moodle_appservice.domain.model import CourseId
from moodle_appservice.errors import PermanentFailure
from moodle_appservice.ports import course_key
from tests.engine.world import World

ADMIN = "@admin:uni.test"


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


async def test_a_direct_chat_is_only_accepted_from_somebody_known(world: World) -> None:
    await world.synced(students=[8])
    for sender, is_direct in ((world.user(8), True), (world.user(8), False), ("@stranger:uni.test", True)):
        room_id = world.matrix.found(creator=sender)
        content = {"membership": "invite", "is_direct": is_direct}
        world.matrix.act(room_id, sender, "m.room.member", world.rules.bot, content)
        await world.matrix.push()
    assert len(world.matrix.made("join")) == 1
