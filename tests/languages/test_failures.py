"""What fails at Moodle and at the homeserver is told in the reader's language, with their own words as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moodle_appservice.languages import LANGUAGES, sentences
from moodle_appservice.matrix.http import _Answer, _as_error
from moodle_appservice.moodle import errors
from moodle_appservice.moodle.errors import MoodlePermanent, MoodleTemporary

GERMAN = LANGUAGES["de"]


def kinds() -> Iterator[type[MoodlePermanent | MoodleTemporary]]:
    for found in vars(errors).values():
        if (
            isinstance(found, type)
            and issubclass(found, MoodlePermanent | MoodleTemporary)
            and found not in (MoodlePermanent, MoodleTemporary, errors.RightMissing)
        ):
            yield found


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_each_failure_of_moodle_is_told_with_its_hint_and_moodles_own_words(
    kind: type[MoodlePermanent | MoodleTemporary], language: str
) -> None:
    failure = kind("core_x", about="course 5", said="Nicht jetzt", detail="HTTP 500")
    english = str(failure)
    assert sentences.is_known(english), english
    told = LANGUAGES[language].tell(english)
    for own in ("core_x for course 5", "Nicht jetzt", "HTTP 500"):
        assert own in told
    for ours in (kind.happened, "Nothing was changed.", "Moodle said", kind.hint):
        assert not ours or ours not in told, ours


def test_a_right_that_is_missing_is_named() -> None:
    told = GERMAN.tell(str(errors.RightMissing("core_x", "moodle/course:view")))
    assert told.endswith("Es wurde nichts geändert. Geben Sie der Rolle unseres Kontos moodle/course:view.")


def test_what_moodle_said_may_be_several_sentences() -> None:
    said = "No access. Ask us! Or wait?"
    told = GERMAN.tell(str(errors.ConnectionLost("core_x", said=said)))
    assert told == (
        "Die Verbindung zu Moodle ist gescheitert (core_x). "
        f"Moodle sagt: „{said}“. Es wurde nichts geändert. "
        "Prüfen Sie, ob der Server läuft und von hier aus erreichbar ist; es wird von selbst noch einmal versucht."
    )


@pytest.mark.parametrize(
    ("status", "errcode", "said"),
    [
        (403, "M_FORBIDDEN", "Der Homeserver hat PUT /x mit HTTP 403 M_FORBIDDEN abgelehnt: No way"),
        (500, "M_UNKNOWN", "Der Homeserver ist mit HTTP 500 M_UNKNOWN an PUT /x gescheitert: No way."),
        (401, "M_UNKNOWN_TOKEN", "Der Homeserver nimmt unser as_token nicht an."),
    ],
)
def test_a_failure_of_the_homeserver_is_told_with_its_own_words(status: int, errcode: str, said: str) -> None:
    answer = _Answer(status, {"errcode": errcode, "error": "No way"}, None)
    assert GERMAN.tell(str(_as_error(answer, "PUT /x"))).startswith(said)
