"""`init`: from a few answers, by flags or on a terminal, to the two files of an installation; nothing is lost."""

from __future__ import annotations

import errno
import io
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from moodle_appservice import app_setup, cli, config, privatefile, registration
from moodle_appservice.cli_setup import FLAGS, Init
from moodle_appservice.draft import QUESTIONS, TOKEN, TOKEN_FILE, filled
from moodle_appservice.errors import ConfigError, PermanentFailure, Refused

ROOT = Path(__file__).parents[2]
TOKEN_TEXT = "0123456789abcdef0123456789abcdef"
WORDS = "--site uni --moodle-url https://moodle.example.org --homeserver-url http://127.0.0.1:8008 --domain example.org"


def parsed(folder: Path, words: str) -> Init:
    (folder / "token").write_text(TOKEN_TEXT)
    (folder / "token").chmod(0o600)
    command = cli.parse(
        ["init", "-c", str(folder / "config.yaml"), *words.replace("FOLDER", str(folder)).split()]
    )
    assert isinstance(command, Init)
    return command


def made(
    folder: Path, words: str = f"{WORDS} --moodle-token-file FOLDER/token", **environment: str
) -> app_setup.Made:
    return app_setup.write(app_setup.answered(parsed(folder, words), environment), environment)


def test_flags_make_both_files_for_their_owner_alone(tmp_path: Path) -> None:
    said = made(tmp_path).said
    path, registered = tmp_path / "config.yaml", tmp_path / "registration.yaml"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, registered)] == [0o600, 0o600]
    settings = config.load(path, {})
    assert (settings.site, settings.moodle.url) == ("uni", "https://moodle.example.org")
    assert (settings.homeserver.address, settings.homeserver.domain) == (
        "http://127.0.0.1:8008",
        "example.org",
    )
    assert settings.moodle.token.get_secret_value() == TOKEN_TEXT
    assert TOKEN_TEXT not in path.read_text() and "token_file:" in path.read_text()
    assert registration.read(registered, site="uni", domain="example.org").url == "http://127.0.0.1:29301"
    assert said[0] == f"Wrote {path}." and said[-1] == f"Wrote {registered}."


def test_the_token_may_come_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN_TEXT}\n"))
    made(tmp_path, f"{WORDS} --moodle-token-file -")
    assert config.load(tmp_path / "config.yaml", {}).moodle.token.get_secret_value() == TOKEN_TEXT


def test_what_the_environment_says_is_not_asked_for(tmp_path: Path) -> None:
    environment = {"MOODLE_APPSERVICE_MOODLE__TOKEN": TOKEN_TEXT, "MOODLE_APPSERVICE_SITE": "uni"}
    made(tmp_path, WORDS.replace("--site uni", ""), **environment)
    assert TOKEN_TEXT not in (tmp_path / "config.yaml").read_text()
    assert config.load(tmp_path / "config.yaml", environment).site == "uni"


def test_a_homeserver_elsewhere_gets_our_address_and_we_listen_for_it(tmp_path: Path) -> None:
    words = f"{WORDS} --moodle-token-file FOLDER/token --appservice-url http://moodle-appservice:29301"
    assert made(tmp_path, words).url == "http://moodle-appservice:29301"
    assert config.load(tmp_path / "config.yaml", {}).appservice.hostname == "0.0.0.0"


def test_a_registration_elsewhere_is_named_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "synapse").mkdir()
    made(tmp_path, f"{WORDS} --moodle-token-file FOLDER/token -r FOLDER/synapse/moodle.yaml")
    assert (
        config.load(tmp_path / "config.yaml", {}).appservice.registration == tmp_path / "synapse/moodle.yaml"
    )


def test_the_next_steps_name_the_exact_lines_and_functions(tmp_path: Path) -> None:
    said = "\n".join(app_setup.next_steps(made(tmp_path), tmp_path / "config.yaml"))
    assert f"\n       app_service_config_files:\n         - {tmp_path / 'registration.yaml'}\n" in said
    assert "core_enrol_get_enrolled_users" in said and f"doctor -c {tmp_path / 'config.yaml'}" in said


def test_every_missing_flag_is_named_without_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        app_setup.answered(parsed(tmp_path, "--domain example.org"), {})
    assert {problem.path for problem in caught.value.problems} == {
        "--site", "--moodle-url", "--moodle-token-file", "--homeserver-url"
    }  # fmt: skip
    assert not (tmp_path / "config.yaml").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("uni", "Uni-Wien"), "command line: --site: "),
        (("https://moodle", "moodle"), "command line: --moodle-url: "),
        (("https://moodle", "http://moodle"), "would send the token unencrypted"),
        (("FOLDER/token", "FOLDER/nothing"), "command line: --moodle-token-file: "),
        (("http://127.0.0.1:8008", "127.0.0.1"), "command line: --homeserver-url: "),
        (("--domain example.org", "--domain https://example.org"), "command line: --domain: "),
    ],
)
def test_a_wrong_flag_is_named_and_nothing_is_written(
    wrong: tuple[str, str], said: str, tmp_path: Path
) -> None:
    words = f"{WORDS} --moodle-token-file FOLDER/token".replace(*wrong)
    with pytest.raises(ConfigError, match=said) as caught:
        app_setup.answered(parsed(tmp_path, words), {})
    assert "Nothing was written." in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_a_configuration_that_exists_is_left_alone_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(Refused, match=r"exists already and was left as it is\. .*--force"):
        app_setup.answered(parsed(tmp_path, ""), {})
    assert (tmp_path / "config.yaml").read_text() == "mine"


def test_with_force_the_old_files_stay_beside_the_new_ones(tmp_path: Path) -> None:
    words = f"{WORDS} --moodle-token-file FOLDER/token --force"
    path, registered = tmp_path / "config.yaml", tmp_path / "registration.yaml"
    made(tmp_path, words)
    before = path.read_text(), registered.read_text()
    assert made(tmp_path, words).said[-1] == f"Kept {registered}, which fits."
    assert registered.read_text() == before[1]
    said = made(tmp_path, words.replace("--site uni", "--site other")).said
    assert said[-1] == f"Wrote {registered}; the one before is {registered}.bak."
    assert (tmp_path / "registration.yaml.bak").read_text() == before[1]
    assert (tmp_path / "config.yaml.bak").read_text() == before[0]
    assert config.load(path, {}).site == "other"


def test_a_registration_for_something_else_is_left_alone_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "registration.yaml").write_text("of another bridge")
    with pytest.raises(Refused, match="is not for this site, homeserver and address"):
        made(tmp_path)
    assert not (tmp_path / "config.yaml").exists()
    assert (tmp_path / "registration.yaml").read_text() == "of another bridge"


def test_a_folder_that_does_not_exist_is_said_before_anything_is_asked(tmp_path: Path) -> None:
    command = cli.parse(["init", "-c", str(tmp_path / "there" / "config.yaml")])
    assert isinstance(command, Init)
    with pytest.raises(PermanentFailure, match="is no folder in which this user can write"):
        app_setup.answered(command, {})


def test_every_question_has_its_flag_and_fits_the_example() -> None:
    assert {TOKEN_FILE if one.name == TOKEN else one.name for one in QUESTIONS} == set(FLAGS)
    for question in QUESTIONS:
        assert f"{question.name.rpartition('.')[2]}: 'it''s: here'\n" in filled({question.name: "it's: here"})


def test_a_file_system_without_links_takes_new_files_too_and_keeps_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "config.yaml"
    privatefile.write(path, "one")
    with pytest.raises(Refused):
        privatefile.write(path, "two")
    assert path.read_text() == "one" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PermanentFailure, match="No space left on device"):
        privatefile.write(tmp_path / "config.yaml", "text")
    assert list(tmp_path.iterdir()) == []


class Terminal:
    """A program on a terminal of its own: what it shows, and keys that are pressed."""

    def __init__(self, folder: Path) -> None:
        self.shown = ""
        self._end, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moodle_appservice", "init", "--no-doctor"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=self._at_a_terminal,
        )
        os.close(theirs)

    @staticmethod
    def _at_a_terminal() -> None:
        os.close(os.open(os.ttyname(0), os.O_RDWR))
        # Tests that run in the background of a shell ignore Ctrl+C, and so would whatever they start.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def until(self, text: str) -> None:
        """Read until it shows this after what was there before."""
        start, end = len(self.shown), time.monotonic() + 60
        while text not in self.shown[start:]:
            assert select.select([self._end], [], [], end - time.monotonic())[0], self.shown
            self.shown += os.read(self._end, 4096).decode()

    def type(self, line: str) -> None:
        """Press keys and Enter."""
        os.write(self._end, f"{line}\n".encode())

    def ended(self) -> int:
        """Read to its end; its code."""
        while True:
            try:
                self.shown += os.read(self._end, 4096).decode()
            except OSError:
                break
        return self.process.wait(30)

    def close(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._end)


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    it = Terminal(folder)
    try:
        yield it
    finally:
        it.close()


def test_on_a_terminal_it_asks_and_a_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    with terminal(tmp_path) as it:
        it.until("https://moodle.example.org: ")
        it.type("moodle.example")
        it.until("https://moodle.example.org: ")
        it.type("https://moodle.uni.example")
        it.until("while you type): ")
        it.type(TOKEN_TEXT)
        it.until("[uni]: ")
        it.type("")
        it.until("[http://127.0.0.1:8008]: ")
        it.type("http://synapse:8008")
        it.until("@anna:example.org: ")
        it.type("")
        it.until("@anna:example.org: ")
        it.type("uni.example")
        it.until("http://moodle-appservice:29301: ")
        it.type("http://here:29301")
        assert it.ended() == 0
    assert "is not a web address" in it.shown and "It is needed." in it.shown
    assert TOKEN_TEXT not in it.shown
    assert "app_service_config_files:" in it.shown
    settings = config.load(tmp_path / "config.yaml", {})
    assert (settings.site, settings.homeserver.domain) == ("uni", "uni.example")
    assert settings.moodle.token.get_secret_value() == TOKEN_TEXT
    assert settings.appservice.url == "http://here:29301"


@pytest.mark.parametrize("end", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_who_stops_it_finds_nothing_written(end: str, tmp_path: Path) -> None:
    with terminal(tmp_path) as it:
        it.until("https://moodle.example.org: ")
        it.type("https://moodle.example.org")
        it.until("while you type): ")
        os.write(it._end, end.encode())
        assert it.ended() == cli.Exit.OTHER
    assert "Nothing was written." in it.shown and "Traceback" not in it.shown
    assert list(tmp_path.iterdir()) == []
