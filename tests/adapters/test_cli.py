"""The command line: which words mean which command, and how wrong words are answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moodle_appservice import __version__
from moodle_appservice.cli import (
    Command,
    Demo,
    Doctor,
    Exit,
    Generate,
    LtiInvite,
    Plan,
    Run,
    Sync,
    User,
    exit_code,
    parse,
)
from moodle_appservice.cli_operations import AuditExport, Backup, Explain, Files, OfCourse, Pause, Restore
from moodle_appservice.cli_setup import Init, Migrate
from moodle_appservice.domain.model import CourseId
from moodle_appservice.errors import (
    AppError,
    ConfigError,
    PermanentFailure,
    Problem,
    TemporaryFailure,
    Unreachable,
)

HERE = Files()
THERE = Files(Path("/etc/c.yaml"), Path("r.yaml"))


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("", Run(HERE)),
        ("run", Run(HERE)),
        ("-c /etc/c.yaml -r r.yaml", Run(THERE)),
        ("run --config /etc/c.yaml --registration r.yaml", Run(THERE)),
        ("-c /etc/c.yaml run -r r.yaml", Run(THERE)),
        ("-g", Generate(HERE, force=False)),
        ("-c /etc/c.yaml -r r.yaml --generate --force", Generate(THERE, force=True)),
        ("doctor", Doctor(HERE, json=False)),
        ("doctor --reports", Doctor(HERE, json=False, reports=True)),
        ("doctor --reports --accept", Doctor(HERE, json=False, reports=True, accept=True)),
        ("doctor --json -c /etc/c.yaml -r r.yaml", Doctor(THERE, json=True)),
        ("plan", Plan(HERE, None, json=False)),
        ("plan --course 42 --json", Plan(HERE, CourseId(42), json=True)),
        ("sync", Sync(HERE, None, confirm=False)),
        ("-c /etc/c.yaml -r r.yaml sync --confirm --course 7", Sync(THERE, CourseId(7), confirm=True)),
        ("lti invite", LtiInvite(HERE, replace=False)),
        ("-c /etc/c.yaml lti invite --replace -r r.yaml", LtiInvite(THERE, replace=True)),
        ("user show anna", User(HERE, "show", "anna")),
        (
            "-c /etc/c.yaml -r r.yaml user erase @anna:uni.test --yes",
            User(THERE, "erase", "@anna:uni.test", yes=True),
        ),
        ("user readmit 17", User(HERE, "readmit", "17")),
        ("user link 5 --message", User(HERE, "link", "5", message=True)),
        ("explain anna", Explain(HERE, "anna", None, json=False)),
        ("explain @anna:uni.test 42 --json", Explain(HERE, "@anna:uni.test", CourseId(42), json=True)),
        ("pause", Pause(HERE, None)),
        ("-c /etc/c.yaml -r r.yaml pause --course 7 --why Exams", Pause(THERE, CourseId(7), "Exams")),
        ("audit export", AuditExport(HERE, csv=False)),
        (
            "audit export --csv --course 7 --person anna --since 1970-01-02",
            AuditExport(HERE, True, CourseId(7), "anna", 86400.0),
        ),
        ("backup -c /etc/c.yaml -r r.yaml b.gz", Backup(THERE, Path("b.gz"))),
        ("restore b.gz --replace", Restore(HERE, Path("b.gz"), replace=True)),
        ("course archive 7", OfCourse(HERE, "archive", CourseId(7))),
        ("course reset 7 --yes", OfCourse(HERE, "reset", CourseId(7), yes=True)),
        ("course release 7 --to @a:b @c:d", OfCourse(HERE, "release", CourseId(7), ("@a:b", "@c:d"))),
        ("init -c /etc/c.yaml -r r.yaml", Init(THERE)),
        (
            "init --site uni --moodle-token-file t --force",
            Init(HERE, {"site": "uni", "moodle.token_file": "t"}, force=True),
        ),
        ("init --moodle-token-file - --no-doctor", Init(HERE, {}, token_from_input=True, doctor=False)),
        ("config migrate --yes", Migrate(HERE, yes=True)),
        ("resume --course 7", Pause(HERE, CourseId(7), resume=True)),
        ("demo", Demo(once=False, port=0, homeserver_port=0)),
        ("demo --once --port 8080 --homeserver-port 8008", Demo(once=True, port=8080, homeserver_port=8008)),
    ],
)
def test_words_become_a_command(words: str, command: Command) -> None:
    assert parse(words.split()) == command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--force", "--force belongs to -g"),
        ("lti", "the following arguments are required: action"),
        ("-g doctor", "-g stands alone, without doctor"),
        ("-c x demo", "leave out -c and -r"),
        ("dotcor", "invalid choice: 'dotcor'"),
        ("plan --course zero", "'zero' is not a course id"),
        ("sync --course 0", "'0' is not a course id"),
        ("demo --port 65536", "'65536' is not a port"),
        ("doctor --js", "unrecognized arguments: --js"),
        ("config", "the following arguments are required: what"),
        ("init --moodle-token abc", "unrecognized arguments: --moodle-token abc"),
        ("run --json", "unrecognized arguments: --json"),
    ],
)
def test_wrong_words_end_with_code_2_and_a_hint(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words.split())
    assert ended.value.code == Exit.CONFIGURATION
    error = capsys.readouterr().err
    assert said in error
    assert "Nothing was done. Try: moodle-appservice" in error


def test_help_documents_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert {int(code) for code in re.findall(r"^  (\d)  ", text, re.MULTILINE)} == set(Exit)
    for command in ("init", "run", "doctor", "plan", "sync", "demo", "config"):
        assert re.search(rf"^    {command} ", text, re.MULTILINE)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"moodle-appservice {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError([Problem("config.yaml", 1, "site", "it is missing", "Add it.")]), 2),
        (Unreachable("no answer"), 3),
        (TemporaryFailure("busy"), 1),
        (PermanentFailure("gone"), 1),
    ],
)
def test_an_error_has_its_code(error: AppError, code: int) -> None:
    assert exit_code(error) == code
