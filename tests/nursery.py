"""The program, begun without reading it anew: `nursery().begin([…])` forks it from a process that has read it.

Reading the program takes seconds of processor time, and tests begin it hundreds of times. A run is a process of its own
as `python -m moodle_appservice` would be: with its own pid to be killed or stopped by, its folder, environment, output
and exit code. That a fresh interpreter starts is seen where the demo, the container and the processes of a cluster are.

Two halves in one file: `Nursery` in the test's process begins this module as a program, sends a line of JSON for each
run, and reads what became of them. `main` is that program. It has no thread and no event loop, so that forking is safe,
and it ends with all its runs when the test's process does.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

_ROOT = Path(__file__).parents[1]
PATIENCE = 180.0
"""Seconds that a run may take to begin, or to end when it is asked to."""


class Run:
    """One run. `log`: where what it prints is appended."""

    def __init__(self, pid: int, log: Path, codes: _Codes) -> None:
        self.pid = pid
        self.log = log
        self._codes = codes

    @property
    def code(self) -> int | None:
        """The exit code, the negative number of a signal, or None while it runs."""
        return self._codes.found.get(self.pid)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.code is None

    def wait(self, patience: float = PATIENCE) -> int:
        """Blocks until it has ended; its exit code. Raises `TimeoutError`."""
        return self._codes.of(self.pid, patience)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        # It may have ended, and we not have heard of it yet.
        with suppress(ProcessLookupError):
            if self.running:
                os.kill(self.pid, number)

    def end(self, grace: float = 15.0) -> None:
        """Ask it to end and wait; kill it after `grace` seconds."""
        self.signal(signal.SIGTERM)
        try:
            self.wait(grace)
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()


class _Codes:
    """How runs ended, told by a thread that reads what the nursery writes."""

    def __init__(self) -> None:
        self.found: dict[int, int] = {}
        self._changed = threading.Condition()

    def tell(self, pid: int, code: int) -> None:
        with self._changed:
            self.found[pid] = code
            self._changed.notify_all()

    def begin(self, pid: int) -> None:
        """A number that an earlier run had says nothing about this one."""
        self.found.pop(pid, None)

    def of(self, pid: int, patience: float) -> int:
        with self._changed:
            if not self._changed.wait_for(lambda: pid in self.found, patience):
                raise TimeoutError(f"The run {pid} has not ended within {patience:.0f} s.")
            return self.found[pid]


class Nursery:
    """The process from which runs are forked."""

    def __init__(self) -> None:
        self._codes = _Codes()
        self._begun: list[int] = []
        self._heard = threading.Condition()
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(
        self, words: Sequence[str], *, cwd: Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> Run:
        """Begin `moodle-appservice words…`; `environment` comes on top of ours. Blocks for some milliseconds."""
        job = {
            "words": list(words),
            "cwd": str(cwd),
            "log": str(log),
            "environment": {**os.environ, **(environment or {})},
        }
        assert self._process.stdin is not None
        with self._one_at_a_time, self._heard:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
            if not self._heard.wait_for(lambda: bool(self._begun), PATIENCE):
                raise TimeoutError(f"No run has begun within {PATIENCE:.0f} s.")
            return Run(self._begun.pop(), log, self._codes)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, *numbers = line.decode().split()
            if what == "ended":
                self._codes.tell(*map(int, numbers))
                continue
            self._codes.begin(int(numbers[0]))
            with self._heard:
                self._begun.append(int(numbers[0]))
                self._heard.notify_all()


@cache
def nursery() -> Nursery:
    """The one of this process; it ends with it."""
    return Nursery()


def main() -> None:
    """Fork a run for each line of our standard input; end with all of them when it closes."""
    from moodle_appservice.app import main as program

    gc.freeze()
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    runs: set[int] = set()
    waiting = b""
    while True:
        ready, _, _ = select.select([0, wakes], [], [])
        if wakes in ready:
            os.read(wakes, 4096)
            _collect(runs)
        if 0 not in ready:
            continue
        read = os.read(0, 65536)
        if not read:
            break
        *lines, waiting = (waiting + read).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                os.close(wakes)
                os.close(woken)
                _live(program, json.loads(line))
            runs.add(pid)
            _tell("begun", pid)
    for pid in runs:
        os.kill(pid, signal.SIGKILL)


def _collect(runs: set[int]) -> None:
    for pid in list(runs):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            runs.discard(pid)
            _tell("ended", pid, os.waitstatus_to_exitcode(status))


def _tell(*what: object) -> None:
    os.write(1, (" ".join(map(str, what)) + "\n").encode())


def _live(program: Any, job: Mapping[str, Any]) -> NoReturn:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    # What is random must not be the same in each run.
    random.seed()
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    # An exception goes up through `main` and is printed, as in an interpreter of its own.
    sys.exit(program(job["words"]))


if __name__ == "__main__":
    main()
