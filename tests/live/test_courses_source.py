"""The service on the per-course functions: turns find what changes, and shrunken lists and lost rights hurt nobody."""

from __future__ import annotations

from moodle_appservice.domain.model import CourseId
from tests.live.house import House, crowd, until
from tests.live.test_cli import ask
from tests.live.test_unchanged import watched


def turning(house: House, **more: object) -> None:
    """From now on courses are read in turns, the liveliest every ten seconds."""
    house.overrides["moodle"] = {
        "url": house.moodle.url,
        "token": house.moodle.token,
        "interval": 10,
        "slowest_interval": 40,
        **more,
    }


async def test_what_changes_reaches_the_room_by_turns_within_a_small_budget(house: House) -> None:
    turning(house, requests_per_minute=120)
    service = await house.start(timer=True)

    async def all_made() -> bool:
        return all([await house.room_of(course) for course in (2, 3)])

    await until(all_made, "both rooms are made")
    await service.queue.idle()
    seen = watched(house)
    university = house.moodle.university
    person = next(one.id for one in university.people.values() if one.username == "s1")
    university.unenrol(person, 2)

    async def gone() -> bool:
        return (await house.members(2))[house.mxid("s1")] == "leave"

    await until(gone, "who is not enrolled any more is out of the room")
    assert set(seen) == {2}, "the other course was read and left alone"


async def test_a_course_that_suddenly_lists_few_people_removes_nobody_until_it_is_confirmed(
    house: House,
) -> None:
    university = house.moodle.university
    people = crowd(university)
    await house.start()
    await house.sync()
    for person in people:
        university.unenrol(person, 2)
    newcomer = university.add_person("new", "New", "Comer").id
    university.enrol(newcomer, 2, "student")
    report = await house.sync()
    assert (list(report.doubted), report.held) == ([2], ()), "one hold and one reason"
    members = list((await house.members(2)).values())
    assert (members.count("leave"), members.count("invite")) == (0, 25)
    assert house.running is not None
    status = await house.running.operations.status(CourseId(2))
    assert status is not None and "Moodle shows 5 members where 24 were" in status.held
    report = await house.sync(2, confirm=True)
    assert (report.doubted, report.held, report.failures) == ({}, (), {})
    assert list((await house.members(2)).values()).count("leave") == 20


async def test_what_an_earlier_command_has_held_is_let_pass_by_the_next_one_that_confirms(
    house: House,
) -> None:
    university = house.moodle.university
    people = crowd(university)
    await house.start()
    await house.sync()
    await house.stop()
    for person in people:
        university.unenrol(person, 2)
    code, out = await ask(house, "sync")
    assert code == 4 and "course 2: " in out, out
    assert list((await house.members(2)).values()).count("leave") == 0
    code, out = await ask(house, "sync", "--course", "2", "--confirm")
    assert code == 0, out
    assert list((await house.members(2)).values()).count("leave") == 20


async def test_what_nobody_was_told_of_is_not_confirmed(
    house: House,
) -> None:
    university = house.moodle.university
    people = crowd(university)
    await house.start()
    await house.sync()
    await house.stop()
    for person in people:
        university.unenrol(person, 2)
    for expected, gone in ((4, 0), (0, 20)):
        code, out = await ask(house, "sync", "--course", "2", "--confirm")
        assert code == expected, out
        assert ("no report has told of" in out) is (expected == 4), out
        assert list((await house.members(2)).values()).count("leave") == gone


async def test_without_a_silent_right_the_service_stops_and_goes_on_when_it_is_back(house: House) -> None:
    await house.start()
    await house.sync()
    await house.stop()
    house.moodle.rights.revoke("moodle/user:viewalldetails")
    mark = house.synapse.mark()
    code, out = await ask(house, "sync")
    assert code == 1, out
    assert "Nothing is read from Moodle and nothing was changed: moodle/user:viewalldetails is missing" in out
    code, out = await ask(house, "doctor")
    assert code == 1 and "Until then the service reads no course and removes nobody." in out
    assert [request.path for request in house.sent_since(mark) if "/rooms/" in request.path] == []
    house.moodle.rights.grant("moodle/user:viewalldetails")
    code, out = await ask(house, "sync")
    assert code == 0, out
