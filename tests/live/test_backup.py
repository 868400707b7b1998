"""What `docs/operations.md` says about a lost database and about health, at a real homeserver."""

from __future__ import annotations

import aiohttp

from tests.live.house import House


async def test_a_service_that_lost_its_database_takes_its_rooms_back_and_writes_nothing_into_them(
    house: House,
) -> None:
    await house.start()
    await house.sync()
    await house.stop()
    before = {course: (await house.room_of(course), await house.state(course)) for course in (2, 3)}
    (database,) = house.folder.glob("*.db")
    database.unlink()
    await house.start()
    report = await house.sync()
    assert (report.courses, report.failures, report.held) == (2, {}, ())
    assert {course: (await house.room_of(course), await house.state(course)) for course in (2, 3)} == before


async def test_health_answers_200_when_the_service_is_ready(house: House) -> None:
    service = await house.start()
    address = f"http://127.0.0.1:{house.seat.port}/health"
    async with aiohttp.ClientSession() as session:
        async with session.get(address) as answer:
            assert answer.status == 200
        service.health.ready = False
        async with session.get(address) as answer:
            assert answer.status == 503
