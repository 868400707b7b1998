"""Runs another program so that it never outlives us, whatever way we end.

Two halves in one file. The outer half is `Leash`: it starts this same file as a script. The inner half, `main`,
starts the wanted program as its child and then only reads its own standard input, a pipe whose other end we hold.
When that pipe closes (we let go of it, we crashed, somebody killed us with SIGKILL) it ends the program. A pipe works
on every POSIX system and needs no code of ours between fork and exec.

Both processes are the only ones of a session of their own: Ctrl-C on our terminal does not reach them, so we choose
the order in which things stop, and `kill` takes every grandchild with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Leash:
    """One running program. `pid` is the program's own process, not the one that holds it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        end_with: signal.Signals = signal.SIGTERM,
        grace: float = 10.0,
    ) -> None:
        """Start `command`; what it prints is appended to `log`. `user` (only as root) is whom it runs as.

        `end` sends `end_with` and kills what is left after `grace` seconds.
        """
        self._grace = grace
        own = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
        with log.open("ab") as output:
            self._holder = subprocess.Popen(
                [*own, str(int(end_with)), str(grace), user or "", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )
        assert self._holder.stdout is not None
        with self._holder.stdout as told:
            first = told.readline()
        self.pid = int(first) if first else 0

    @property
    def running(self) -> bool:
        """Whether the program has not ended."""
        return self._holder.poll() is None

    def end(self) -> None:
        """Ask the program to end and wait for it. Blocks, at most `grace` seconds and a little."""
        if self._holder.stdin is not None:
            self._holder.stdin.close()
        try:
            self._holder.wait(self._grace + 5.0)
        except subprocess.TimeoutExpired:
            os.killpg(self._holder.pid, signal.SIGKILL)
            self._holder.wait()

    def kill(self) -> None:
        """End everything at once, as a power cut would."""
        if self.running and self.pid:
            # Not the group: the holder still has to collect its child, then it ends the group and itself.
            os.kill(self.pid, signal.SIGKILL)
        if self._holder.stdin is not None:
            self._holder.stdin.close()
        self._holder.wait()


def main(arguments: Sequence[str]) -> None:
    """The inner half: `END_SIGNAL GRACE USER COMMAND…`."""
    end_with, grace, user = int(arguments[0]), float(arguments[1]), arguments[2]
    child = subprocess.Popen(
        arguments[3:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        user=user or None,
        group=_group_of(user) if user else None,
        extra_groups=[] if user else None,
    )
    print(child.pid, flush=True)
    threading.Thread(target=_end_with_parent, args=(child, end_with, grace), daemon=True).start()
    child.wait()
    # Whatever the program started must not stay behind; this ends us too.
    os.killpg(0, signal.SIGKILL)


def _end_with_parent(child: subprocess.Popen[bytes], end_with: int, grace: float) -> None:
    sys.stdin.buffer.read()
    child.send_signal(end_with)
    time.sleep(grace)
    os.killpg(0, signal.SIGKILL)


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


if __name__ == "__main__":
    main(sys.argv[1:])
