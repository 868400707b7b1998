"""The catalogues hold exactly what people can read, translated, with the same placeholders, and compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from moodle_appservice.languages import LANGUAGES
from moodle_appservice.languages.catalogue import translations
from translations import catalogues
from translations.catalogues import compiled, filled, problems, read, write
from translations.collect import NOT_FOR_PEOPLE, PACKAGE, collect, sentences


def test_every_text_is_translated_into_every_language_and_compiled() -> None:
    assert list(problems(("bot", "pages"))) == []


@pytest.mark.parametrize("name", ["bot", "pages"])
def test_the_catalogues_are_written_as_the_tool_writes_them(name: str) -> None:
    texts = collect(name)
    for language in LANGUAGES:
        path = catalogues.path_of(language, name)
        assert catalogues._po(filled(language, name, texts)) == path.read_bytes()


TO_PROGRAMS = {"matrix/inbox.py": "to the homeserver", "store/backup.py": "on the command line"}
"""Modules of the adapters and the engine whose sentences people don't read in Matrix or on a page."""


def test_each_sentence_of_the_engine_and_the_adapters_is_in_a_catalogue() -> None:
    known = {text for name in ("bot", "pages", "sentences") for text in collect(name)}
    unknown = {
        f"{module}: {text}"
        for folder in ("domain", "engine", "doctor", "moodle", "matrix", "store")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if (module := str(path.relative_to(PACKAGE))) not in TO_PROGRAMS
        for text in sentences(path.read_text(encoding="utf-8"))
        if text.endswith(".") and text not in known | NOT_FOR_PEOPLE
    }
    assert unknown == set()


def test_gettext_finds_what_the_catalogue_has() -> None:
    assert translations("de").gettext("Sign out") == "Abmelden"
    assert translations("de").gettext("No such text") == "No such text"


def _set(folder: Path, monkeypatch: pytest.MonkeyPatch, texts: Catalog) -> None:
    monkeypatch.setattr(catalogues, "FOLDER", folder)
    monkeypatch.setattr(catalogues, "CATALOGUES", ("bot",))
    monkeypatch.setattr(catalogues, "LANGUAGES", {"de": LANGUAGES["de"]})
    write("de", "bot", texts)


@pytest.mark.parametrize(
    ("string", "problem"),
    [
        ("", "“You are in {course}.” is not translated"),
        (
            "Sie sind in {kurs}.",
            "“You are in {course}.” has the placeholders ['course'], its translation ['kurs']",
        ),
        ("Sie sind da.", "“You are in {course}.” has the placeholders ['course'], its translation []"),
        (None, "“You are in {course}.” is missing"),
    ],
)
def test_a_text_that_is_missing_or_has_other_placeholders_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, string: str | None, problem: str
) -> None:
    monkeypatch.setattr(catalogues, "collect", lambda name: {"You are in {course}.": ["bot/x.py"]})
    texts = Catalog(locale="de")
    if string is not None:
        texts.add("You are in {course}.", string)
    _set(tmp_path, monkeypatch, texts)
    assert list(problems(["bot"])) == [f"de/bot: {problem}"]


def test_a_superfluous_a_fuzzy_and_an_uncompiled_text_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        catalogues, "collect", lambda name: {"Yes.": ["bot/x.py"], ("{number} a", "{number} b"): []}
    )
    texts = Catalog(locale="de")
    texts.add("Yes.", "Ja.", flags=["fuzzy"])
    texts.add("No.", "Nein.")
    texts.add(("{number} a", "{number} b"), ("ein a", "{number} b"))
    _set(tmp_path, monkeypatch, texts)
    (tmp_path / "de" / "bot.mo").write_bytes(compiled(Catalog(locale="de")))
    assert sorted(problems(["bot"])) == [
        "de/bot: the compiled file is not the one of this catalogue",
        "de/bot: “No.” stands nowhere in the code",
        "de/bot: “Yes.” is marked as fuzzy",
    ]


def test_a_new_text_keeps_the_others_and_is_empty_until_somebody_translates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = Catalog(locale="de")
    texts.add("Yes.", "Ja.")
    texts.add("Gone.", "Weg.")
    _set(tmp_path, monkeypatch, texts)
    monkeypatch.setattr(catalogues, "collect", lambda name: {"Yes.": ["bot/x.py"], "New.": ["bot/y.py"]})
    assert catalogues.update() == [tmp_path / "de" / "bot.po"]
    assert {m.id: m.string for m in read("de", "bot") if m.id} == {"Yes.": "Ja.", "New.": ""}
    assert catalogues.update() == []


def test_an_f_string_becomes_a_text_with_placeholders() -> None:
    source = '''
"""Documentation is not read."""
CHECK = "Check that."
log.info(f"Nobody reads {this} line.")
a = f"{len(people)} people of {room.name} are {'here' if x else 'away'}. {CHECK}"
b = "A constant text."
c = "SELECT"
d = f"{a.name} and {b.name} met {', '.join(sorted(names))} {row['who']} there."
'''
    assert set(sentences(source)) == {
        "Check that.",
        "{people} people of {name} are here. Check that.",
        "{people} people of {name} are away. Check that.",
        "A constant text.",
        "{name} and {name_2} met {names} {who} there.",
    }
