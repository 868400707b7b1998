"""The documentation says what the product does: commands, configuration, links, names and tables in it are checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from docs.generate import filled, stale
from moodle_appservice import cli
from moodle_appservice.bot.commands import COMMANDS
from moodle_appservice.config import keys, load
from moodle_appservice.config.keys import Kind
from moodle_appservice.demo.sandbox.rights import LEAST_PRIVILEGE
from moodle_appservice.domain.model import Role, UserId
from moodle_appservice.domain.power import power_levels
from moodle_appservice.domain.rules import DEFAULT_LEVELS, Rules
from moodle_appservice.moodle import errors
from moodle_appservice.moodle.bulk import BULK
from moodle_appservice.moodle.shapes import NEEDED
from moodle_appservice.store import schema

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "bench/README.md")),
    *sorted(DOCS.rglob("*.md")),
]
RUN = ("moodle-appservice", "make")
WHOLE = """
site: uni
moodle: {url: https://moodle.example.org, token: a-token-for-the-test}
homeserver: {address: http://127.0.0.1:8008, domain: example.org}
"""


@dataclass(frozen=True)
class Fence:
    """One fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(*kinds: str) -> list[Fence]:
    found: list[Fence] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"(?ms)^( *)```(\w*)\n(.*?)^\1```$", text):
            body = re.sub(rf"(?m)^{match[1]}", "", match[3])
            found.append(Fence(page, text.count("\n", 0, match.start()) + 1, match[2], body))
    return [fence for fence in found if not kinds or fence.kind in kinds]


def _commands() -> Iterator[tuple[str, str]]:
    """Every command of a `sh` block, and every one that stands alone between backquotes, with its place."""
    for fence in fences("sh"):
        for line in fence.text.splitlines():
            if line.startswith(RUN):
                yield str(fence), line
    for page in PAGES:
        for match in re.finditer(r"`((?:moodle-appservice|make) [^`]+)`", page.read_text(encoding="utf-8")):
            yield page.name, match[1]


def commands() -> list[tuple[str, str]]:
    return list(_commands())


def makefile_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8")))


def parts_of(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def cells(page: str, block: str) -> list[list[str]]:
    """The rows of a generated table, without its head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(rf"(?s)<!-- generated: {block} -->(.*)<!-- end of {block} -->", text)
    assert found
    lines = [line for line in found[1].splitlines() if line.startswith("|")]
    return [
        [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if not line.startswith("|---")
    ][1:]


def test_there_is_something_to_check() -> None:
    assert len(commands()) > 20
    assert len(fences("yaml")) > 10


@pytest.mark.parametrize(("place", "command"), commands())
def test_every_command_is_understood(place: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = shlex.split(command)
    if program == "make":
        assert [word for word in words if "=" not in word and word not in makefile_targets()] == []
        return
    if len(words) == 1 and words[0] in cli.WORDS:
        return  # Its name alone: a sentence about the command.
    if words and words[0] in ("--help", "--version"):
        with pytest.raises(SystemExit) as ended:
            cli.parse(words)
        assert ended.value.code == 0
        return
    cli.parse(["42" if word == "ID" else word for word in words])


@pytest.mark.parametrize("fence", fences("yaml"), ids=str)
def test_every_piece_of_configuration_is_valid_in_a_whole_one(fence: Fence, tmp_path: Path) -> None:
    piece = yaml.safe_load(fence.text)
    whole: dict[str, Any] = yaml.safe_load(WHOLE)
    if "token_file" in piece.get("moodle", {}):
        del whole["moodle"]["token"]
        piece["moodle"]["token_file"] = "token"
        (tmp_path / "token").write_text("a-token-for-the-test")
        (tmp_path / "token").chmod(0o600)
    for name, value in piece.items():
        whole[name] = {**whole.get(name, {}), **value} if isinstance(value, dict) else value
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(whole, allow_unicode=True), encoding="utf-8")
    path.chmod(0o600)
    load(path, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        file, _, part = target.partition("#")
        there = (page.parent / unquote(file)).resolve() if file else page
        assert there.exists(), f"{page.name}: {target}"
        assert not part or part in parts_of(there), f"{page.name}: {target}"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_every_page_can_be_found_from_the_readme_or_the_list_of_decisions(page: Path) -> None:
    index = DOCS / "adr" / "README.md" if page.parent.name == "adr" and page.name != "README.md" else None
    start = index or ROOT / "README.md"
    assert f"({page.relative_to(start.parent)})" in start.read_text(encoding="utf-8")


def test_generated_parts_are_as_the_code_is() -> None:
    assert stale() == [], "Run: make docs"


def test_a_changed_block_is_noticed_and_written_anew() -> None:
    page = "Before\n<!-- generated: role-levels -->\nold\n<!-- end of role-levels -->\nAfter\n"
    fresh = filled(page)
    assert "old" not in fresh
    assert fresh.startswith("Before\n") and fresh.endswith("After\n")
    assert filled(fresh) == fresh


def test_every_key_of_the_configuration_is_documented() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert [
        key.name for key in keys() if key.kind is not Kind.SECTION and f"| `{key.name}` |" not in text
    ] == []


def test_every_key_that_a_page_names_exists() -> None:
    sections = {key.name for key in keys() if key.kind is Kind.SECTION}
    known = {key.name for key in keys()} | {"moodle.token_file"}
    for page in PAGES:
        for name in re.findall(r"`([a-z_]+\.[a-z_.]+)`", page.read_text(encoding="utf-8")):
            if name.partition(".")[0] in sections and not name.endswith((".yaml", ".db", ".py")):
                assert name in known, f"{page.name}: {name}"


@pytest.mark.parametrize("column, version", [(1, "12"), (2, "11"), (2, "10")])
def test_the_table_of_power_levels_is_what_rooms_get(column: int, version: str) -> None:
    bot = UserId("@bot:example.org")
    content = power_levels(version, Rules(site="uni", domain="example.org", bot=bot), {})
    rows = {row[0]: int(row[column]) for row in cells("rooms-and-roles.md", "power-levels")}
    nested = {f"notifications.{name}": level for name, level in content["notifications"].items()}
    plain = {name: level for name, level in content.items() if isinstance(level, int)}
    assert rows == plain | nested | content["events"]


def test_the_table_of_roles_is_what_people_get() -> None:
    rows = {row[0]: int(row[1]) for row in cells("rooms-and-roles.md", "role-levels")}
    assert {Role(name): level for name, level in rows.items() if " " not in name} == DEFAULT_LEVELS


def test_every_exit_code_is_documented() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"(?m)^\| (\d) \|", text)} == set(cli.Exit)


def test_every_word_of_the_command_line_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    for words in ([], ["lti", "invite"], *([one] for one in cli.WORDS)):
        assert not words or f"`moodle-appservice {' '.join(words)}" in text
        with pytest.raises(SystemExit):
            cli.parse([*words, "--help"])
        for flag in re.findall(r"(?m)--[a-z-]+", capsys.readouterr().out):
            # The short forms of these are what people write.
            if flag not in ("--config", "--registration", "--generate"):
                assert flag in text, f"{words} {flag}"


def test_every_test_that_the_threat_model_names_exists() -> None:
    text = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 25
    rows = [line for line in text.splitlines() if line.startswith("| ") and "Wants to" not in line]
    assert [row for row in rows if "`tests/" not in row] == [], "a row without a test"
    for path, name in named:
        file = DOCS.parent / path
        assert file.exists(), path
        assert not name or f"def {name}(" in file.read_text(encoding="utf-8"), f"{path}::{name}"


def test_every_command_of_the_bot_is_documented() -> None:
    assert [row[0] for row in cells("commands.md", "bot-commands")] == [
        one.usage for one in COMMANDS.values()
    ]


def test_the_rights_and_functions_in_the_instructions_are_those_that_are_needed() -> None:
    text = (DOCS / "setup-moodle.md").read_text(encoding="utf-8")
    needed, more = text.split("Only where it applies:")[0], text.split("## 4. ")[1]
    assert set(re.findall(r"(?m)^\| `([a-z]+/[a-z:]+)` \|", needed)) == LEAST_PRIVILEGE
    assert set(re.findall(r"(?m)^ +- `(\w+)`", more)) == {*NEEDED, BULK}


def test_every_table_of_the_database_is_named_under_privacy() -> None:
    text = (DOCS / "privacy.md").read_text(encoding="utf-8")
    folder = Path(schema.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    tables = set(re.findall(r"CREATE TABLE (\w+)", source))
    assert len(tables) > 10
    assert [name for name in tables if f"`{name}`" not in text] == []


def test_messages_in_the_tables_of_troubleshooting_stand_in_the_code() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "moodle_appservice").rglob("*.py"))
    )
    # A message may be broken over lines, and names stand where the code has placeholders.
    code = re.sub(r"\s*\"\s*\n\s*f?\"", "", source)
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = [
        quote for cell in re.findall(r"(?m)^\| (`.*?) \|", text) for quote in re.findall(r"`([^`]+)`", cell)
    ]
    assert len(quoted) > 30
    for quote in quoted:
        shown = re.sub(r"^config\.yaml:\d+: \S+: ", "", quote)
        for part in re.split(r"\s*…\s*|5…|127\.0\.0\.1:29301|\b30 s\b", shown):
            assert part.strip(" ,.") in code, quote


def test_every_failure_of_moodle_has_its_entry() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.MoodleError)
    ]
    assert len(kinds) > 25
    own = [kind.happened for kind in kinds if "happened" in vars(kind) and kind is not errors.MoodleError]
    assert [happened for happened in own if happened not in text] == []


def test_the_readme_leads_to_a_first_course_in_ten_steps_at_most() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = [
        int(number) for number in re.findall(r"(?m)^(\d+)\. ", text.split("## Connect")[1].split("## ")[0])
    ]
    assert steps == list(range(1, len(steps) + 1))
    assert 0 < len(steps) <= 10
    assert {"make demo", "make test"} <= {command for _, command in commands()}
