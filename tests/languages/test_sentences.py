"""What the engine says to people comes out in the reader's language: collected from its code and from its cases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from moodle_appservice.languages import LANGUAGES
from moodle_appservice.languages.sentences import is_known
from translations.catalogues import problems
from translations.collect import collect

CASES = Path(__file__).parents[1] / "domain" / "cases"
SPOKEN = ("text", "why", "reason")
"""Keys of the cases under which sentences for people stand."""


def spoken(value: Any) -> Iterator[str]:
    """The sentences of a case."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in SPOKEN and isinstance(inner, str) and " " in inner:
                yield inner
            else:
                yield from spoken(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from spoken(inner)


INVENTED = (
    "No account.",
    "No id.",
    "There is no account @sam:uni.test yet.",
    "There is no account yet.",
    "The account is somebody else's.",
    "The homeserver has deactivated the account.",
    "The homeserver has locked the account.",
    "The id template needs idnumber",
    "The link was undone and nothing else is known.",
)
"""What cases put in as somebody's reason, and no code says."""
SENTENCES = sorted(
    {
        sentence
        for path in CASES.rglob("*.yaml")
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        for sentence in spoken(document)
        if not sentence.startswith(INVENTED)
    }
)


def test_every_sentence_of_the_engine_is_translated() -> None:
    assert list(problems(("sentences",))) == []


def test_the_cases_hold_sentences() -> None:
    assert len(SENTENCES) > 20
    assert len(collect("sentences")) > 250


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_the_cases_say_is_known_and_told(sentence: str) -> None:
    assert is_known(sentence), sentence
    for code in ("de", "fr", "es"):
        assert LANGUAGES[code].tell(sentence) != sentence


@pytest.mark.parametrize(
    ("english", "german"),
    [
        (
            "Active enrolment (editingteacher, student).",
            "Aktiv eingeschrieben (editingteacher, student).",
        ),
        (
            "Active enrolment (student), and from above (manager).",
            "Aktiv eingeschrieben (student), und von oben (manager).",
        ),
        (
            "The Moodle account is suspended. Stays in the room and can't write there.",
            "Das Moodle-Konto ist gesperrt. Bleibt im Raum und kann nicht schreiben.".replace(
                "kann nicht", "kann dort nicht"
            ),
        ),
        (
            "@anna:uni.test is not taken for this person: that account is a server administrator's. It was left "
            "untouched.",
            "@anna:uni.test wird nicht für diese Person genommen: dieses Konto gehört der Serveradministration. Es "
            "blieb unberührt.",
        ),
        (
            "The invite failed and is tried again: Nobody knows this.",
            "Die Einladung ist gescheitert und wird wieder versucht: Nobody knows this.",
        ),
        (
            "Link this account to the Moodle person Anna Arendt? So far it is taken for another Moodle person's; with "
            "your yes it is not any more. Answer yes or no, within 15 minutes.",
            "Dieses Konto mit der Moodle-Person Anna Arendt verknüpfen? Bisher gilt es als das einer anderen "
            "Moodle-Person; mit Ihrem yes nicht mehr. Antworten Sie innerhalb von 15 Minuten yes (ja) oder no (nein).",
        ),
        (
            "I know no such code. Nothing was changed. Write link and the code just as Moodle shows it, such as link "
            "ABCD-EFGH; a newer code ends the older ones. That was the fifth time: I take no code from you for an "
            "hour.",
            "Einen solchen Code kenne ich nicht. Es wurde nichts geändert. Schreiben Sie link und den Code genau so, "
            "wie Moodle ihn zeigt, etwa link ABCD-EFGH; ein neuerer Code beendet die älteren. Das war das fünfte Mal: "
            "Eine Stunde lang nehme ich keinen Code von Ihnen an.",
        ),
    ],
)
def test_sentences_with_values_come_out_whole(english: str, german: str) -> None:
    assert LANGUAGES["de"].tell(english) == german
