"""What `doctor` finds is told in the reader's language by the bot and by the page, and nothing of it is left out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from moodle_appservice.doctor.checks import CHECKS
from moodle_appservice.doctor.rooms import SHOWN
from moodle_appservice.languages import LANGUAGES, sentences
from moodle_appservice.web.admin_inside import Finding
from tests.bot.house import ADMIN, House, open_house
from tests.engine.world import World as Engine
from tests.web.conftest import campus
from tests.web.test_page_attacks import boss, school
from tests.web.world import World
from translations.collect import collect

__all__ = ["campus", "school"]
OTHERS = ("de", "fr", "es")
CASES: Sequence[Mapping[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cases" / "doctor.yaml").read_text(encoding="utf-8")
)
FINDINGS = [Finding(case["name"], case["state"], case["said"], case["hint"]) for case in CASES]
NAMES = collect("bot")
_SAID = "12 MiB are free in /x."
"""What stands in the gap `{said}`: a finding to which a sentence is added."""


def _plain(text: str) -> str:
    """A page as text."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(tmp_path / "bot.db")
    await made.db.start()
    yield made
    await made.db.stop()


async def _asked(house: House) -> str:
    """What the bot says to `doctor`, both pages of it."""
    said = [await house.say(ADMIN, "direct", command) for command in ("doctor", "doctor -p 2")]
    return " ".join(" ".join(said).split())


@pytest.mark.parametrize("language", OTHERS)
async def test_the_bot_tells_what_doctor_finds_in_the_language_of_whoever_asked(
    engine: Engine, language: str
) -> None:
    async with open_house(engine, language) as house:
        house.found = list(FINDINGS)  # type: ignore[arg-type]
        told = await _asked(house)
    for case in CASES:
        for part in case[language]:
            # Commands and keys are set in another type, not between backticks.
            assert part.replace("`", "") in told, told
        assert case["said"] not in told


@pytest.mark.parametrize("language", OTHERS)
async def test_the_page_tells_what_doctor_finds_in_the_language_of_the_browser(
    school: World, language: str
) -> None:
    browser = await boss(school)
    school.campus.findings = list(FINDINGS)
    page = await browser.get("/admin/doctor", headers={"Accept-Language": language})
    told = _plain(page.text)
    for case in CASES:
        for part in case[language]:
            assert part in told, told
        assert case["said"] not in told


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_the_name_and_the_fix_of_each_check_are_translated(check: Any) -> None:
    assert check.name in NAMES
    for language in map(LANGUAGES.__getitem__, OTHERS):
        for fix in (check.hint, check.unreachable):
            assert not fix or (sentences.is_known(fix) and language.tell(fix) != fix), fix
        told = language.tell(f"Needs “{check.after}” first.")
        assert not check.after or language.gettext(check.after) in told, told


@pytest.mark.parametrize(
    "english",
    [
        text
        for text, modules in collect("sentences").items()
        if isinstance(text, str) and any(module.startswith("doctor/") for module in modules)
    ],
)
def test_what_each_check_finds_is_told_whole(english: str) -> None:
    filled = re.sub(r"\{\w+\}", "XYZ", english.replace("{said}", _SAID))
    for language in OTHERS:
        assert LANGUAGES[language].tell(filled) != filled, filled


def test_a_course_that_is_called_like_a_check_keeps_its_name() -> None:
    told = LANGUAGES["de"].tell(
        "No course shows a field Database: teachers can't switch rooms on or off in Moodle."
    )
    assert "ein Feld Database" in told


def test_a_list_of_rooms_is_no_reason_to_stay_english() -> None:
    rooms = ", ".join(f"!{'a' * 18}{number}:matrix.faculty.university.example" for number in range(SHOWN))
    told = LANGUAGES["de"].tell(f"The bot has not all power in {rooms} …, so plans there may fail.")
    assert told == f"Der Bot hat nicht die volle Stufe in {rooms} …; Pläne dort können also scheitern."
