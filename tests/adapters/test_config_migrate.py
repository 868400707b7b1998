"""Former names of keys: understood with a warning, refused in the end, and written anew into the file on demand."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from moodle_appservice import __version__, app_setup
from moodle_appservice.cli_operations import Files
from moodle_appservice.config import check, keys, load
from moodle_appservice.config.migrate import migrated
from moodle_appservice.config.renamed import RENAMES, Rename, Renames
from moodle_appservice.errors import ConfigError

MAJOR = int(__version__.split(".")[0])
NEVER = f"{MAJOR + 1}.1.0"
"""A version whose renames this one still understands."""
TABLE: Renames = (
    Rename("moodle.poll_every", "moodle.interval", NEVER),
    Rename("rooms.levels_of_the_bot", "bot.name", NEVER),
    Rename("limits", "safety", NEVER),
    Rename("moodle.secret", "moodle.token", NEVER),
    Rename("old.way", "web.public_url", NEVER),
)
TEXT = """\
# My site.
site: uni
moodle:
  url: https://moodle.example.org
  token: 'a-token-for-the-test'   # never show it
  # How often we look.
  poll_every: 600   # ten minutes
homeserver:
  address: http://127.0.0.1:8008
  domain: example.org
limits:
  # Small rooms.
  max_removals: 7
"""
HERE = Path("config.yaml")


def test_no_entry_of_the_table_names_a_key_that_there_is_not_or_was_not_renamed() -> None:
    known = {key.name for key in keys()}
    assert [one for one in RENAMES if one.new not in known or one.old in known] == []


@pytest.mark.parametrize(("since", "refused_from"), [("0.5.0", 2), ("1.0.0", 2), ("1.4.0", 3), ("2.0.1", 3)])
def test_a_former_name_is_understood_for_a_whole_major_version(since: str, refused_from: int) -> None:
    rename = Rename("a", "b", since)
    assert rename.refused_from == refused_from
    assert rename.is_understood(f"{refused_from - 1}.9.9")
    assert not rename.is_understood(f"{refused_from}.0.0")


def test_former_names_mean_what_the_present_ones_mean_and_are_warned_of() -> None:
    settings = check(TEXT, HERE, {}, TABLE)
    assert (settings.moodle.interval, settings.safety.max_removals) == (600, 7)
    assert [str(warning) for warning in settings.warnings] == [
        f"config.yaml:7: moodle.poll_every: it is called moodle.interval since version {NEVER}. Rename it, or run: "
        f"moodle-appservice config migrate — from version {MAJOR + 3}.0 on it is an error.",
        f"config.yaml:11: limits: it is called safety since version {NEVER}. Rename it, or run: moodle-appservice "
        f"config migrate — from version {MAJOR + 3}.0 on it is an error.",
    ]


def test_a_wrong_value_under_a_former_name_is_reported_in_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        check(TEXT.replace("600", "soon"), HERE, {}, TABLE)
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [(7, "moodle.interval")]


def test_former_variables_of_the_environment_are_understood_too() -> None:
    environment = {
        "MOODLE_APPSERVICE_MOODLE__POLL_EVERY": "900",
        "MOODLE_APPSERVICE_LIMITS__MAX_GROWTH": "50",
    }
    settings = check(TEXT.replace("  poll_every", "  #"), HERE, environment, TABLE)
    assert (settings.moodle.interval, settings.safety.max_growth) == (900, 50)
    assert {warning.path for warning in settings.warnings} >= set(environment)


def test_a_former_secret_file_is_understood(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("another-token")
    (tmp_path / "t").chmod(0o600)
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("token: 'a-token-for-the-test'", "secret_file: t"))
    path.chmod(0o600)
    settings = load(path, {}, TABLE)
    assert settings.moodle.token.get_secret_value() == "another-token"
    assert "moodle.secret_file" in {warning.path for warning in settings.warnings}


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        (TEXT.replace("  poll_every", "  interval: 300\n  poll_every"), {}),
        (TEXT + "safety: {max_removals: 5}\n", {}),
        (
            TEXT,
            {"MOODLE_APPSERVICE_MOODLE__POLL_EVERY": "9", "MOODLE_APPSERVICE_MOODLE__INTERVAL": "90"},
        ),
    ],
    ids=["key", "section", "environment"],
)
def test_a_former_and_a_present_name_together_are_an_error(text: str, environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="former name of"):
        check(text, HERE, environment, TABLE)


def test_after_its_time_a_former_name_is_an_error_that_says_the_present_one() -> None:
    table = (Rename("moodle.poll_every", "moodle.interval", "0.0.1"),)
    expired = tuple(Rename(one.old, one.new, one.since) for one in table if not one.is_understood("2.0.0"))
    assert expired
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rename, "is_understood", lambda self, version="": False)
        with pytest.raises(ConfigError, match=r"it is called moodle\.interval since version 0\.0\.1"):
            check(TEXT.replace("limits:", "safety:"), HERE, {}, expired)


def test_present_names_are_written_into_the_text_and_nothing_else_changes() -> None:
    assert migrated(TEXT, HERE, {}, TABLE) == TEXT.replace("poll_every", "interval").replace(
        "limits:", "safety:"
    )
    assert check(migrated(TEXT, HERE, {}, TABLE), HERE, {}, TABLE).warnings == ()


def test_a_text_without_former_names_stays_as_it_is() -> None:
    text = migrated(TEXT, HERE, {}, TABLE)
    assert migrated(text, HERE, {}, TABLE) == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rooms:\n  version: 11\n  levels_of_the_bot: M\n", "rooms:\n  version: 11\nbot:\n  name: M\n"),
        ("rooms:\n  levels_of_the_bot: M\n  version: 11", "rooms:\n  version: 11\nbot:\n  name: M\n"),
        (
            "bot:\n    prefix: '!'\nrooms:\n  version: 11\n  levels_of_the_bot: >\n    M\n\n    N\n",
            "bot:\n    name: >\n      M\n\n      N\n    prefix: '!'\nrooms:\n  version: 11\n",
        ),
        ("old:\n  way: https://chat.example.org\n", "web:\n  public_url: https://chat.example.org\n"),
        (
            "web:\n  #lti: {}\nold:\n  way: https://chat.example.org\n",
            "web:\n  public_url: https://chat.example.org\n  #lti: {}\n",
        ),
    ],
)
def test_a_key_of_another_section_moves_there(before: str, after: str) -> None:
    base = TEXT.replace("limits:", "safety:").replace("poll_every", "interval")
    assert migrated(base + before, HERE, {}, TABLE) == base + after


@pytest.mark.parametrize(
    "tail",
    ["rooms: {version: 11, levels_of_the_bot: M}\n", "bot: {prefix: '!'}\nrooms:\n  levels_of_the_bot: M\n"],
)
def test_what_stands_in_braces_is_left_to_the_person(tail: str) -> None:
    with pytest.raises(ConfigError, match=r"it is called bot\.name now and stands in braces"):
        migrated(TEXT + tail, HERE, {}, TABLE)


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def test_the_difference_is_shown_and_the_old_file_kept(
    old_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (old_file.parent / "config.yaml.bak").write_text("an older one")
    assert app_setup.migrate(Files(old_file), {}, yes=True, renames=TABLE)
    said = capsys.readouterr().out
    assert "-  poll_every: 600   # ten minutes" in said and "+  interval: 600   # ten minutes" in said
    assert "a-token-for-the-test" not in said and "token: '***'" in said
    kept = old_file.parent / "config.yaml.bak2"
    assert f"the one before is {kept}" in said
    assert kept.read_text() == TEXT and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "interval: 600" in old_file.read_text() and stat.S_IMODE(old_file.stat().st_mode) == 0o640
    assert (old_file.parent / "config.yaml.bak").read_text() == "an older one"
    assert app_setup.migrate(Files(old_file), {}, yes=True, renames=TABLE)
    assert "nothing to change" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["no", "", None])
def test_without_a_yes_nothing_is_written(
    answer: str | None, old_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: answer is not None, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    assert not app_setup.migrate(Files(old_file), {}, yes=False, renames=TABLE)
    assert old_file.read_text() == TEXT
    assert [path.name for path in old_file.parent.iterdir()] == ["config.yaml"]
    assert "was left as it is" in capsys.readouterr().err
