"""Languages: which one is nearest, plurals, dates and spans, and telling sentences of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from moodle_appservice.languages import ENGLISH, LANGUAGES, catalogue, known_zone, nearest, sentences
from translations.catalogues import compiled

SUMMER = 1_782_900_000.0
"""2026-07-01 10:00 UTC."""

SENTENCES = {
    "The Moodle account is suspended.": "Das Moodle-Konto ist gesperrt.",
    "{unusable} Stays in the room and can't write there.": "{unusable} Bleibt im Raum und kann nicht schreiben.",
    "{removed} of {present} members would be removed. Check that, then confirm.": (
        "Von {present} Mitgliedern würden {removed} entfernt. Prüfen Sie das, dann bestätigen Sie."
    ),
    "The invite failed and is tried again: {failure}": "Die Einladung ist gescheitert: {failure}",
    "The homeserver is slow.": "Der Homeserver ist langsam.",
    "It is so: {detail}. Nothing was changed.": "Es ist so: {detail}. Es wurde nichts geändert.",
    "Moodle shows {now} {what}.": "Moodle zeigt {now} {what}.",
    "The homeserver is slow. It really is.": "Der Homeserver ist wirklich langsam.",
}


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for code in ("en", "de"):
        texts = Catalog(locale=code)
        for english, translated in SENTENCES.items():
            texts.add(english, translated if code == "de" else english)
        (tmp_path / code).mkdir()
        (tmp_path / code / "sentences.mo").write_bytes(compiled(texts))
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    for cached in (catalogue.catalogue, sentences._told, sentences._parsed, sentences._templates):
        cached.cache_clear()
    yield
    for cached in (catalogue.catalogue, sentences._told, sentences._parsed, sentences._templates):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("de", "de"),
        ("de_kids", "de"),
        ("DE-at", "de"),
        ("fr_ca", "fr"),
        ("es_mx", "es"),
        ("en_us", "en"),
        ("pt_br", "de"),
        ("", "de"),
        ("esperanto", "de"),
    ],
)
def test_a_code_of_moodle_leads_to_the_nearest_language_and_else_to_that_of_the_site(
    code: str, found: str
) -> None:
    assert nearest(code, LANGUAGES["de"]).code == found


def test_every_language_names_itself() -> None:
    assert {code: language.name for code, language in LANGUAGES.items()} == {
        "en": "English",
        "de": "Deutsch",
        "fr": "français",
        "es": "español",
    }


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("en", "1 Jul 2026, 12:00"),
        ("de", "01.07.2026, 12:00"),
        ("fr", "1 juil. 2026, 12:00"),
        ("es", "1 jul 2026, 12:00"),
    ],
)
def test_a_moment_is_written_in_the_time_zone_of_the_reader(code: str, written: str) -> None:
    assert LANGUAGES[code].moment(SUMMER, "Europe/Berlin") == written


@pytest.mark.parametrize("zone", ["", "99", "Mars/Olympus", "../etc", "x" * 300, "\0"])
def test_a_zone_that_nobody_knows_is_utc_and_is_named(zone: str) -> None:
    assert known_zone(zone) is None
    assert ENGLISH.moment(SUMMER, zone) == "1 Jul 2026, 10:00 UTC"


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("en", ("just now", "2 minutes ago", "2 hours ago", "in 3 days", "5 minutes", "a, b and c")),
        ("de", ("gerade eben", "vor 2 Minuten", "vor 2 Stunden", "in 3 Tagen", "5 Minuten", "a, b und c")),
        (
            "fr",
            ("à l’instant", "il y a 2 minutes", "il y a 2 heures", "dans 3 jours", "5 minutes", "a, b et c"),
        ),
        (
            "es",
            ("ahora mismo", "hace 2 minutos", "hace 2 horas", "dentro de 3 días", "5 minutos", "a, b y c"),
        ),
    ],
)
def test_spans_and_lists_are_words_of_the_language(code: str, written: tuple[str, ...]) -> None:
    language = LANGUAGES[code]
    assert written == (
        language.ago(60),
        language.ago(120),
        language.ago(7200),
        language.ahead(3 * 86_400),
        language.span(300),
        language.listed(["a", "b", "c"]),
    )


@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("The Moodle account is suspended.", "Das Moodle-Konto ist gesperrt."),
        (
            "The Moodle account is suspended. Stays in the room and can't write there.",
            "Das Moodle-Konto ist gesperrt. Bleibt im Raum und kann nicht schreiben.",
        ),
        (
            "12 of 30 members would be removed. Check that, then confirm.",
            "Von 30 Mitgliedern würden 12 entfernt. Prüfen Sie das, dann bestätigen Sie.",
        ),
        (
            "The invite failed and is tried again: The homeserver is slow.",
            "Die Einladung ist gescheitert: Der Homeserver ist langsam.",
        ),
        (
            "The invite failed and is tried again: M_FORBIDDEN. The end.",
            "Die Einladung ist gescheitert: M_FORBIDDEN. The end.",
        ),
        ("Nobody knows this. The homeserver is slow.", "Nobody knows this. Der Homeserver ist langsam."),
        ("The homeserver is slow. Nobody knows this.", "Der Homeserver ist langsam. Nobody knows this."),
        ("The homeserver is slow. It really is.", "Der Homeserver ist wirklich langsam."),
        (
            "The homeserver is slow.\nThe homeserver is slow.",
            "Der Homeserver ist langsam.\nDer Homeserver ist langsam.",
        ),
        ("Moodle shows 3 people in rooms.", "Moodle zeigt 3 people in rooms."),
        (
            "It is so: The homeserver is slow. Nothing was changed.",
            "Es ist so: Der Homeserver ist langsam. Es wurde nichts geändert.",
        ),
        (
            "It is so: The Moodle account is suspended. The homeserver is slow. Nothing was changed.",
            "Es ist so: Das Moodle-Konto ist gesperrt. Der Homeserver ist langsam. Es wurde nichts geändert.",
        ),
        ("It is so: HTTP 500. Nothing was changed.", "Es ist so: HTTP 500. Es wurde nichts geändert."),
        ("", ""),
        ("  ", "  "),
    ],
)
def test_sentences_of_the_engine_are_told_in_the_language_of_the_reader(
    german: None, english: str, told: str
) -> None:
    assert LANGUAGES["de"].tell(english) == told
    assert ENGLISH.tell(english) == english


def test_a_long_text_that_nobody_knows_is_told_in_no_time(german: None) -> None:
    text = "The invite has failed. " * 2000
    assert LANGUAGES["de"].tell(text) == text
