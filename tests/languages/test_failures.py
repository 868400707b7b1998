"""What fails at Moodle and at the homeserver is told in the reader's language, with their own words as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from moodle_appservice.languages import LANGUAGES, sentences
from moodle_appservice.matrix.http import _Answer, _as_error
from moodle_appservice.moodle import errors, report_errors
from moodle_appservice.moodle.errors import MoodlePermanent, MoodleTemporary
from translations.collect import collect

GERMAN = LANGUAGES["de"]


def kinds() -> Iterator[type[MoodlePermanent | MoodleTemporary]]:
    for found in (*vars(errors).values(), *vars(report_errors).values()):
        if (
            isinstance(found, type)
            and issubclass(found, MoodlePermanent | MoodleTemporary)
            and found
            not in (MoodlePermanent, MoodleTemporary, errors.RightMissing, report_errors.ReportIncomplete)
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


@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.parametrize(
    ("failure", "english"),
    [
        (
            report_errors.ReportIncomplete(
                "core_x", ("The column “Roles” of Enrolment is missing (Yes or No).",)
            ),
            ["of Enrolment is missing", "is not set up", "prints the clicks"],
        ),
        (
            report_errors.ReportIncomplete(
                "core_x",
                (
                    "Its report source is a, not b.",
                    "The condition user:x leaves out the wrong people: take it out.",
                ),
            ),
            ["Its report source", "leaves out", "take it out"],
        ),
        (
            report_errors.ReportChanged("core_x", detail='Its columns were ["A"] and are ["B"]'),
            ["were", "accept it as it is now"],
        ),
        (
            report_errors.ReportUnreadable(
                "core_x",
                detail="in the column “Roles”, several roles in one cell: set the aggregation of the column to None",
            ),
            ["in the column", "several roles", "set the aggregation"],
        ),
        (errors.TimedOut("core_x", detail="nothing whole after 60 s"), ["nothing whole"]),
        (errors.AnswerTooLarge("core_x", detail="more than 1024 bytes"), ["more than"]),
        (
            errors.RightMissing(
                "core_x", "a/b:c", remedy="Or take suspended out of the site's hidden user fields."
            ),
            ["Or take suspended"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_we_saw_ourselves_is_told_in_the_language_of_the_reader_too(
    failure: Exception, english: list[str], language: str
) -> None:
    told = LANGUAGES[language].tell(str(failure))
    assert "core_x" in told
    for ours in (*english, "Nothing was changed."):
        assert ours in str(failure), ours
        assert ours not in told, told


@pytest.mark.parametrize(
    ("module", "english"),
    [
        (module, text)
        for text, modules in collect("sentences").items()
        for module in modules
        if module.startswith(("matrix/mas", "moodle/report_errors")) and isinstance(text, str)
    ],
)
def test_what_the_authentication_service_and_reports_fail_with_is_told_whole(
    module: str, english: str
) -> None:
    filled = re.sub(r"\{\w+\}", "XYZ", english)
    for language in ("de", "fr", "es"):
        assert LANGUAGES[language].tell(filled) != filled, (module, filled)


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
