"""What stands in the pages beside commands and keys: names of files, snippets of other programs, roles, spelling."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest
import yaml

from docs.said import KINDS, errors, messages
from moodle_appservice.demo.sandbox.rights import CONTENT_READER, LEAST_PRIVILEGE
from moodle_appservice.doctor.database import OLDEST
from moodle_appservice.errors import AppError, ConfigError
from moodle_appservice.moodle.errors import MoodleError, MoodlePermanent, MoodleTemporary
from moodle_appservice.moodle.report_errors import ReportFailure
from tests.docs.test_docs import DOCS, PAGES, ROOT, Fence, fences

BASES = {AppError, ConfigError, MoodleError, MoodleTemporary, MoodlePermanent, ReportFailure, *KINDS}
"""Classes that no message is of, or whose messages each name a file and a line."""
OURS = "discreet,intervall"
SAMPLES = {"sh", "console", "yaml", "text", "python", "json", "nginx", "caddy", "ini", ""}


def pictures() -> list[Path]:
    return sorted((DOCS / "pictures").iterdir())


def test_every_file_that_the_page_on_architecture_names_exists() -> None:
    named = re.findall(
        r"`((?:moodle_appservice|tests)/[\w/.-]+)`", (DOCS / "architecture.md").read_text(encoding="utf-8")
    )
    assert len(named) > 50
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert len(set(named)) == len(named), "one question, one file"


def test_every_page_names_only_files_that_exist() -> None:
    for page in PAGES:
        for name in re.findall(
            r"`((?:moodle_appservice|tests|contrib|requirements|bench|docs)/[\w/.-]+)", page.read_text()
        ):
            assert (ROOT / name.rstrip(".")).exists(), f"{page.name}: {name}"


def test_every_error_has_its_entry_among_the_messages_or_under_troubleshooting() -> None:
    said = {one.error for one in messages()}
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    assert len(said) > 10
    assert "Course … is held" in text, "SourceHeld"
    for name, kind in errors().items():
        if kind in BASES or name in ("SourceHeld", "_Paused"):
            continue
        if issubclass(kind, MoodleError):
            assert kind.happened in text, name
        else:
            # Which class of two is raised may be decided by the answer; a message is then that of its kin.
            kin = {other for other, one in errors().items() if issubclass(one, kind) and one not in BASES}
            kin |= {one.__name__ for one in kind.__mro__ if one not in BASES}
            assert kin & said or any(issubclass(errors()[one], MoodleError) for one in kin & set(errors())), (
                name
            )


@pytest.mark.parametrize("fence", fences("console", ""), ids=str)
def test_every_snippet_of_another_programs_configuration_is_well_formed(fence: Fence) -> None:
    if fence.text.startswith(("$ ", "# ")) or "{\n" in fence.text:
        return
    assert isinstance(yaml.safe_load(fence.text), dict), fence


def test_every_piece_of_json_is_json() -> None:
    for fence in fences("json"):
        json.loads(fence.text)


@pytest.mark.parametrize("fence", fences("python"), ids=str)
def test_every_piece_of_python_compiles_and_imports_what_there_is(fence: Fence) -> None:
    exec(compile(fence.text, str(fence), "exec", dont_inherit=True), {"__name__": "of_a_page"})


def test_every_block_says_what_it_holds() -> None:
    assert [str(fence) for fence in fences() if fence.kind not in SAMPLES] == []


@pytest.mark.parametrize(
    ("file", "rights"), [("matrixsync.xml", LEAST_PRIVILEGE), ("matrixreader.xml", CONTENT_READER)]
)
def test_the_file_of_a_role_holds_the_rights_that_are_needed_in_the_order_that_moodle_wants(
    file: str, rights: frozenset[str]
) -> None:
    """`admin/roles/role_schema.xml` in Moodle: a sequence of these elements, each at most once."""
    role = tree.parse(ROOT / "contrib" / "moodle" / file).getroot()
    assert role.tag == "role"
    assert [part.tag for part in role] == [
        "shortname",
        "name",
        "description",
        "archetype",
        "contextlevels",
        "allowassign",
        "allowoverride",
        "allowswitch",
        "permissions",
    ]
    assert role.findtext("shortname") == file.removesuffix(".xml")
    assert [one.text for one in role.iter("level")] == ["system"]
    permissions = role.find("permissions")
    assert permissions is not None
    assert {one.tag for one in permissions} == {"allow"}
    assert {one.text for one in permissions} == rights


def test_the_rights_of_the_reader_stand_in_the_page_on_announcements() -> None:
    text = (DOCS / "announcements.md").read_text(encoding="utf-8")
    rows = "".join(line for line in text.splitlines() if re.match(r" +\| `", line))
    assert set(re.findall(r"`([a-z]+/[a-z:]+)`", rows)) == CONTENT_READER


def test_every_picture_is_shown_somewhere_with_words_for_who_cannot_see_it_and_is_small() -> None:
    shown = {
        page.parent / path: words
        for page in PAGES
        for words, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    for picture in pictures():
        assert picture in shown, picture
        assert len(shown[picture]) > 20
        assert picture.stat().st_size < 100_000


def test_the_table_of_versions_names_those_that_the_project_declares() -> None:
    text = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["classifiers"]:
        if line.startswith("Programming Language :: Python :: 3."):
            assert f"| {line.rpartition(' ')[2]}" in text, line
    locked = re.search(
        r"(?m)^matrix-synapse==(\S+)", (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    )
    assert locked is not None
    assert f"| {locked[1]} " in text
    for engine, version in OLDEST.items():
        oldest = ".".join(map(str, version))
        assert f"a {engine} before {oldest}" in text
        assert re.search(rf"(?m)^\| {engine} {version[0]}\.", text), (
            f"{engine} {oldest} is warned of and was not run"
        )


def test_nothing_known_as_a_misspelling_stands_in_pages_code_or_contrib() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "codespell_lib", "-L", OURS),
            # Conversations in four languages, and the translations.
            *("-S", "conversation.md,catalogues,*.pyc,*.png"),
            *("README.md", "CHANGELOG.md", "docs", "moodle_appservice", "contrib", "Makefile", "Dockerfile"),
            *("bench", "release", "translations"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "", done.stdout
    assert done.returncode == 0, done.stderr
