"""Runs that are forked are processes like any other: they print, end with their code, and can be killed."""

from __future__ import annotations

import os
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
    # Nobody ever writes into this file, so that who reads it waits.
    config = tmp_path / "config.yaml"
    os.mkfifo(config, 0o600)
    run = nursery().begin(["-c", str(config), "plan"], cwd=tmp_path, log=tmp_path / "output")
    assert run.running
    run.kill()
    assert (run.code, run.running) == (-signal.SIGKILL, False)
    run.kill()
