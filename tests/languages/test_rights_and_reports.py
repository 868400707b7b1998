"""What Moodle lacks, and what to click, is told in each language; the names of Moodle's own pages stay as they are."""

from __future__ import annotations

import re

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.languages import LANGUAGES, Language
from moodle_appservice.moodle.report_kinds import KINDS, Kind, clicks
from moodle_appservice.moodle.rights import SILENT, Evidence, Finding, State, missing_functions
from moodle_appservice.moodle.shapes import NEEDED

ENGLISH_WORDS = re.compile(
    r"\b(the|without|them|these|it|our|side|add|sort|leave|choose|courses|people|seen|column)\b"
)
OTHERS = [code for code in LANGUAGES if code != "en"]


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_to_click_for_a_report_is_told_in_each_language(kind: Kind, code: str) -> None:
    told = Language(code).tell(" ".join(clicks(kind, f"Matrix {kind.name}")))
    assert "Site administration > Reports" in told
    assert ENGLISH_WORDS.findall(_without_names(told)) == [], told


@pytest.mark.parametrize("code", OTHERS)
def test_functions_and_rights_that_are_missing_are_told_in_each_language(code: str) -> None:
    findings = missing_functions(frozenset())
    assert {finding.name for finding in findings if finding.state is State.MISSING} == set(NEEDED)
    findings += _rights()
    assert {finding.name for finding in findings} > SILENT
    for finding in findings:
        told = Language(code).tell(finding.sentence)
        assert finding.name in told
        assert ENGLISH_WORDS.findall(told.replace(finding.name, "")) == [], told
    together = " ".join(finding.sentence for finding in findings[:4])
    assert ENGLISH_WORDS.findall(Language(code).tell(together)) == []


def _rights() -> list[Finding]:
    nothing_seen, all_missing = Evidence(), Evidence()
    for finding in nothing_seen.findings():
        all_missing.lacks(finding.name, CourseId(5), CourseId(6))
    return [*nothing_seen.findings(), *all_missing.findings()]


def _without_names(told: str) -> str:
    """Without what stands on Moodle's own pages."""
    return re.sub(r"[A-Z][A-Za-z ]* > [^;.»”“]*|[„«“][^»”“]*[»”“]", "", told)
