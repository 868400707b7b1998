"""`explain`, `pause` and `resume` on the command line: with a running service and without one."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.live.house import House
from tests.live.test_cli import ask


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "on the database"])
async def test_a_pause_holds_and_resuming_does_what_was_held_up(house: House, is_running: bool) -> None:
    await house.start()
    await house.sync()
    if not is_running:
        await house.stop()
    code, said = await ask(house, "pause", "--why", "Moodle moves")
    assert code == 0 and "The whole site is paused" in said, said
    again, refused = await ask(house, "pause")
    assert again == 1 and "is paused already. Nothing was changed." in refused
    university = house.moodle.university
    newcomer = university.add_person("late", "La", "Te").id
    university.enrol(newcomer, 2, "student")
    code, synced = await ask(house, "sync")
    assert code == 0 and "Moodle moves. Nothing was written there." in synced
    assert house.mxid("late") not in await house.members(2)
    code, planned = await ask(house, "plan", "--course", "2")
    assert code == 0 and "PAUSED: The whole site is paused since" in planned
    assert f"invite {house.mxid('late')}" in planned
    if is_running:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{house.seat.port}/health") as answer,
        ):
            assert (answer.status, await answer.text()) == (200, "ready\npaused: the whole site")
    code, said = await ask(house, "resume")
    assert code == 0 and "is resumed" in said
    code, _ = await ask(house, "sync")
    assert code == 0
    assert (await house.members(2))[house.mxid("late")] == "invite"


async def test_a_person_is_explained_by_the_running_service_and_by_the_database(house: House) -> None:
    await house.start()
    await house.sync()
    _, running = await ask(house, "explain", "s1", "2")
    await house.stop()
    _, offline = await ask(house, "explain", house.mxid("s1"), "2")
    for said in (running, offline):
        assert f"The Matrix account is {house.mxid('s1')}" in said, said
        assert f"{house.mxid('s1')} is invited to the room." in said
    code, printed = await ask(house, "explain", "s1", "--json")
    found = json.loads(printed[printed.index("{") :])
    assert code == 0 and [one["course"] for one in found["courses"]] == [2, 3]
    code, said = await ask(house, "explain", "nobody")
    assert code == 1 and "Nothing is known about “nobody”" in said
