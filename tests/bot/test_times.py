"""The times in what the bot says are those of whoever reads it: by the person's time zone, else by the site's."""

from __future__ import annotations

from moodle_appservice.domain.model import UserId
from moodle_appservice.domain.rules import DAY
from tests.bot.house import ADMIN, COURSE, Finding, House

TEACHER = UserId("@p7:uni.test")
END = 1_782_858_600.0
"""2026-06-30 22:30 UTC, in Berlin already July."""


async def _ended(house: House) -> None:
    world = house.world
    world.clock.advance(END + 31 * DAY - world.clock.now())
    world.facts.add_course(COURSE, end=END)
    world.facts.enrol(COURSE, 7, role="editingteacher")
    world.facts.enrol(COURSE, 8)
    await world.sync(COURSE, "cli")


async def test_a_teacher_reads_when_the_course_ended_by_the_own_clock(house: House) -> None:
    await _ended(house)
    told = await house.say(TEACHER, "direct", "status")
    assert "The course ended on 1 Jul 2026, 00:30, so its rooms are read-only" in told
    await house.say(TEACHER, "direct", "language de")
    told = await house.say(TEACHER, "direct", "status")
    assert "Der Kurs endete am 01.07.2026, 00:30; seine Räume" in told
    assert "2026-06-30" not in told


async def test_what_doctor_finds_has_the_times_of_whoever_asked(house: House) -> None:
    house.found = [Finding("Held", "failed", "The oldest waits since 2026-06-30 22:30 UTC.", "Look at it.")]
    told = await house.say(ADMIN, "direct", "doctor")
    assert "The oldest waits since 1 Jul 2026, 00:30. Look at it." in told


async def test_where_students_read_along_a_status_has_no_date(house: House) -> None:
    await _ended(house)
    assert "2026" not in await house.say(TEACHER, "course", "!status")
