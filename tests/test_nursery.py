"""Runs that are forked are processes like any other: they print, end with their code, and can be killed."""

from __future__ import annotations

import signal
from pathlib import Path

from moodle_appservice import __version__
from tests.nursery import nursery


def test_a_run_prints_and_ends_as_the_program_does(tmp_path: Path) -> None:
    log = tmp_path / "output"
    assert nursery().begin(["--version"], cwd=tmp_path, log=log).wait() == 0
    assert log.read_text() == f"moodle-appservice {__version__}\n"
    assert nursery().begin(["plan"], cwd=tmp_path, log=log).wait() == 2
    assert "config.yaml" in log.read_text()
    assert nursery().begin(["no-such-word"], cwd=tmp_path, log=log).wait() == 2


def test_a_run_can_be_killed(tmp_path: Path) -> None:
    # It asks, and nobody answers.
    run = nursery().begin(["init"], cwd=tmp_path, log=tmp_path / "output")
    run.signal(signal.SIGSTOP)
    run.kill()
    assert run.code in (-signal.SIGKILL, 2)
    assert not run.running
