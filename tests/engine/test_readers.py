"""How somebody reads: sentences of the engine in the reader's language, and the times in them by the reader's clock."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.ending import of_archive, of_lost
from moodle_appservice.domain.life import stage_of
from moodle_appservice.domain.model import CategoryId, Course, CourseId, MoodleUserId, UserId
from moodle_appservice.domain.rules import DAY, LifeRules
from moodle_appservice.engine.endings import proposal
from moodle_appservice.engine.pauses import sentence
from moodle_appservice.engine.readers import Habits, Reader, Readers
from moodle_appservice.languages import LANGUAGES
from moodle_appservice.ports import CourseRow, Pause
from tests.engine.world import World

NIGHT = 1_782_858_600.0
"""2026-06-30 22:30 UTC."""


@pytest.mark.parametrize(
    ("language", "zone", "shown"),
    [
        ("en", "Europe/Berlin", "1 Jul 2026, 00:30"),
        ("de", "Europe/Berlin", "01.07.2026, 00:30"),
        ("fr", "America/Guadeloupe", "30 juin 2026, 18:30"),
        ("es", "", "30 jun 2026, 22:30 UTC"),
    ],
)
def test_a_time_in_a_sentence_of_the_engine_is_that_of_the_reader(
    language: str, zone: str, shown: str
) -> None:
    told = Reader(LANGUAGES[language], zone).tell(sentence(Pause(None, NIGHT, "@root:uni.test", "A test")))
    assert shown in told
    assert "2026-06-30" not in told


LIFE = LifeRules(purge_after=DAY, when_deleted="archive", when_unselected="archive")


def _life(now: float, *, start: float | None = None, end: float | None = None) -> str:
    return stage_of(Course(CourseId(5), "C5", "Course 5", CategoryId(1), True, start, end), LIFE, now=now).why


@pytest.mark.parametrize(
    "made",
    [
        _life(NIGHT - DAY, start=NIGHT),
        _life(NIGHT + 40 * DAY, end=NIGHT),
        _life(NIGHT + 400 * DAY, end=NIGHT),
        of_lost(gone=True, left_at=NIGHT, rules=LIFE, now=NIGHT + 400 * DAY)[0].why,
        of_lost(gone=False, left_at=NIGHT, rules=LIFE, now=NIGHT + 400 * DAY)[0].why,
        of_archive(NIGHT, LIFE, NIGHT + 2 * DAY)[0].why,
        proposal(
            CourseRow(CourseId(6), "C5", True, ""),
            CourseRow(CourseId(5), "C5", True, "", gone=True, left_at=NIGHT),
        ),
    ],
)
@pytest.mark.parametrize(
    ("language", "shown"),
    [("de", "01.07.2026, 00:30"), ("fr", "1 juil. 2026, 00:30"), ("es", "1 jul 2026, 0:30")],
)
def test_days_in_the_life_of_a_course_are_days_of_the_reader(made: str, language: str, shown: str) -> None:
    assert "2026-06-30 22:30 UTC" in made
    told = Reader(LANGUAGES[language], "Europe/Berlin").tell(made)
    assert shown in told
    assert "2026-06-30" not in told
    assert "UTC" not in told


def test_whatever_else_has_digits_stays_as_it_is() -> None:
    reader = Reader(LANGUAGES["en"], "Europe/Berlin")
    assert reader.tell("It is 2026-06-30, or 22:30 UTC.") == "It is 2026-06-30, or 22:30 UTC."
    assert reader.tell("No such day: 2026-13-32 25:61 UTC.") == "No such day: 2026-13-32 25:61 UTC."
    assert reader.tell("") == ""


@pytest.mark.parametrize(
    ("person", "account", "known"),
    [
        (8, None, Habits("fr", "Asia/Tokyo")),
        (None, "@p8:uni.test", Habits("fr", "Asia/Tokyo")),
        (9, None, Habits("", "Europe/Berlin")),
        (77, None, Habits("", "Europe/Berlin")),
        (None, "@stranger:uni.test", Habits("", "Europe/Berlin")),
        (None, None, Habits("", "Europe/Berlin")),
    ],
)
async def test_a_visitor_reads_by_the_clock_of_the_own_zone_and_else_of_the_site(
    world: World, person: int | None, account: str | None, known: Habits
) -> None:
    world.facts.add_person(8, timezone="Asia/Tokyo")
    world.facts.add_person(9, timezone="99")
    await world.synced(students=[8, 9])
    await world.store.readers.choose(MoodleUserId(8), "fr")
    readers = Readers(world.store, Reader(LANGUAGES["en"], "Europe/Berlin"))
    asked = await readers.habits(
        None if person is None else MoodleUserId(person), None if account is None else UserId(account)
    )
    assert asked == known
