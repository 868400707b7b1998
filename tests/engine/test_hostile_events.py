"""Events that strangers send to harm us: invites by the thousand, levels of any size, forged markers."""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.domain.model import CourseId, EventId, RoomId, UserId
from moodle_appservice.domain.power import MARKER
from moodle_appservice.ports import Event
from tests.engine.world import World

COURSE = CourseId(42)


def state(number: int, room: str, event_type: str, key: str, sender: str, content: dict[str, Any]) -> Event:
    return Event(
        EventId(f"$h{number}"),
        RoomId(room),
        event_type,
        UserId(sender),
        content,
        1000 + number,
        state_key=key,
    )


async def test_ten_thousand_invites_of_strangers_cost_a_bounded_number_of_requests(world: World) -> None:
    invites = [
        state(
            number,
            f"!stranger{number}",
            "m.room.member",
            world.rules.bot,
            f"@stranger{number}:evil.test",
            {"membership": "invite", "is_direct": number % 2 == 0},
        )
        for number in range(10_000)
    ]
    world.matrix.forget_requests()
    for start in range(0, len(invites), 1000):
        await world.pushed(invites[start : start + 1000])
    assert len(world.matrix.requests) <= 200
    assert await world.db.fetch("SELECT * FROM mirror_room WHERE room_id LIKE '!stranger%'") == []


@pytest.mark.parametrize(
    "levels",
    [
        {"users": {"@p8:uni.test": 2**200, "@x:evil.test": -(2**200)}, "users_default": 2**99},
        {"users": {"@p8:uni.test": "100", "@x:evil.test": None}, "events": "none"},
        {"users": [], "events": [], "notifications": 7},
        {"users": {"@p8:uni.test": 1e300}, "state_default": True},
        {},
    ],
)
async def test_levels_of_any_shape_and_size_break_no_plan(world: World, levels: dict[str, Any]) -> None:
    room_id = await world.synced(students=[8], teachers=[7])
    world.matrix.act(room_id, world.user(7), "m.room.power_levels", "", levels)
    await world.matrix.push()
    world.facts.enrol(COURSE, 9)
    await world.sync(COURSE)
    assert world.matrix.members(room_id)[world.user(9)] == "invite"
    written = world.matrix.content(room_id, "m.room.power_levels")["users"]
    assert written.get(world.user(7)) == 60 and world.user(8) not in written


async def test_a_forged_marker_in_a_strangers_room_makes_it_no_room_of_ours(world: World) -> None:
    await world.synced(students=[8])
    forged = {"site": "uni", "kind": "course", "room": "main", "moodle_id": 43, "generation": 99, "schema": 1}
    await world.pushed(
        [
            state(1, "!evil", "m.room.create", "", "@mallory:evil.test", {"room_version": "12"}),
            state(2, "!evil", MARKER, "", "@mallory:evil.test", forged),
            state(3, "!evil", MARKER, "", world.rules.bot, forged),
        ]
    )
    await world.course(43, students=[9])
    await world.sync(CourseId(43))
    assert world.room(CourseId(43)) != "!evil"
    assert all(request[1:2] != ("!evil",) for request in world.matrix.requests if request[0] == "invite")
