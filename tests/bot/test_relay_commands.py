"""`deadlines` and `relay`: what comes up, and whether it reaches the room."""

from __future__ import annotations

from moodle_appservice.domain.model import CourseId, UserId
from tests.bot.house import House
from tests.engine.relay_desk import COURSE

TEACHER, STUDENT = UserId("@p7:uni.test"), UserId("@p8:uni.test")


async def test_deadlines_are_those_of_the_room_or_of_all_my_courses(house: House) -> None:
    house.relaying.due(20)
    house.relaying.due(400, 18, "Far away")
    said = await house.say(STUDENT, "course", "!deadlines")
    assert "Times in Europe/Berlin." in said and "Sheet 1 is due" in said and "Far away" not in said
    assert house.messenger.messages[-1][0] == house.main
    said = await house.say(STUDENT, "direct", "deadlines")
    assert "Sheet 1 is due" in said
    assert "Coming" not in await house.say(UserId("@stranger:uni.test"), "direct", "deadlines")


async def test_where_nothing_comes_up_that_is_said(house: House) -> None:
    assert "Nothing is due" in await house.say(STUDENT, "course", "!deadlines")


async def test_a_name_in_moodle_notifies_nobody(house: House) -> None:
    house.relaying.due(20, name="@room exam")
    assert "@room" not in await house.say(STUDENT, "course", "!deadlines")


async def test_a_reader_that_sees_too_much_is_told_of(house: House) -> None:
    house.relaying.due(20)
    house.relaying.content.too_much = ["It may enter the hidden course 4."]
    assert "hidden course 4" in await house.say(STUDENT, "direct", "deadlines")


async def test_teachers_switch_the_relay_of_their_course_and_students_do_not(house: House) -> None:
    assert "do not reach" in await house.say(TEACHER, "direct", "relay")
    assert "Announcements and dates reach" in await house.say(TEACHER, "direct", "relay on")
    assert (await house.relaying.scope.state(COURSE)).on
    await house.say(STUDENT, "direct", "relay off")
    assert (await house.relaying.scope.state(CourseId(42))).on
    assert "do not reach" in await house.say(TEACHER, "course", "!relay off")
    assert "Nothing was changed" in await house.say(TEACHER, "direct", "relay perhaps")
    assert not (await house.relaying.scope.state(COURSE)).on
