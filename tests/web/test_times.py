"""The times on a page are those of the person's time zone in Moodle, and say UTC where none is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moodle_appservice.domain.holds import Cause
from moodle_appservice.domain.model import MoodleUserId
from tests.web.campus import Campus
from tests.web.test_page_attacks import ADMIN, HERE, TEACHER, boss, school, signed_in
from tests.web.world import World

__all__ = ["school"]
NIGHT = 1_782_858_600.0
SAID = "It has been so since 2026-06-30 22:30 UTC."


async def _living_in(world: World, campus: Campus, person: int, zone: str, role: str) -> None:
    campus.facts.add_person(person, full_name="Somebody", timezone=zone)
    campus.facts.enrol(HERE, person, role=role)
    await campus.operations.sync()
    rows = await world.books.readers.of([MoodleUserId(person)])
    assert rows[MoodleUserId(person)].zone == zone


@pytest.mark.parametrize(
    ("zone", "language", "shown"),
    [
        ("", "en", "30 Jun 2026, 22:30 UTC"),
        ("Europe/Berlin", "en", "1 Jul 2026, 00:30"),
        ("Asia/Tokyo", "de", "01.07.2026, 07:30"),
        ("99", "fr", "30 juin 2026, 22:30 UTC"),
    ],
)
async def test_an_administrator_reads_the_log_and_what_is_held_by_the_own_clock(
    school: World, campus: Campus, zone: str, language: str, shown: str
) -> None:
    await _living_in(school, campus, ADMIN, zone, "manager")
    await school.books.readers.choose(MoodleUserId(ADMIN), language)
    await school.books.journal.note("Odd", at=NIGHT, why=SAID, course_id=HERE)
    room = await school.books.ledger.rooms_of(HERE)
    await school.books.journal.hold(
        HERE, next(iter(room.values())).room_id, frozenset(), SAID, at=NIGHT, cause=Cause.CLOSING
    )
    browser = await signed_in(school, "admin")
    for path, times in (
        ("/admin/audit", 2),
        (f"/admin/courses/{HERE}", 2),
        ("/admin/held", 2),
    ):
        text = (await browser.get(path)).text
        assert text.count(shown) >= times, path
        assert "2026-06-30" not in text, path


async def test_a_teacher_reads_when_the_course_ended_by_the_own_clock(school: World, campus: Campus) -> None:
    campus.facts.courses[HERE] = replace(campus.facts.courses[HERE], end=NIGHT)
    await _living_in(school, campus, TEACHER, "Europe/Berlin", "editingteacher")
    text = (await (await signed_in(school, "editingteacher")).get(f"/c/{HERE}/manage")).text
    assert "The course ended on 1 Jul 2026, 00:30" in text


async def test_an_account_without_a_person_reads_the_times_of_the_site(school: World) -> None:
    await school.books.journal.note("Odd", at=NIGHT, why=SAID)
    assert "30 Jun 2026, 22:30 UTC" in (await (await boss(school)).get("/admin/audit")).text
