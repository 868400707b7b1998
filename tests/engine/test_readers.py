"""How somebody reads: sentences of the engine in the reader's language, and the times in them by the reader's clock."""

from __future__ import annotations

import pytest

from moodle_appservice.engine.pauses import sentence
from moodle_appservice.engine.readers import Reader
from moodle_appservice.languages import LANGUAGES
from moodle_appservice.ports import Pause

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


def test_whatever_else_has_digits_stays_as_it_is() -> None:
    reader = Reader(LANGUAGES["en"], "Europe/Berlin")
    assert reader.tell("It is 2026-06-30, or 22:30 UTC.") == "It is 2026-06-30, or 22:30 UTC."
    assert reader.tell("") == ""
