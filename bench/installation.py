"""One installation for a benchmark: a folder, a registration of its own, and a program that runs in its own process.

A homeserver must know every registration before it starts, so an `Installation` is made first, with a free port, and
told later where homeserver and Moodle are. What runs in it is the very program that an administrator runs; it is asked
through its control socket, and what it used is read from the system (Linux).
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from moodle_appservice import control, registration
from moodle_appservice.demo import house
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port
from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.errors import AppError, Unreachable
from moodle_appservice.registration import Namespace

DOMAIN = "uni.test"
PATIENCE = 60.0
"""Seconds until a program that was started must listen."""


class Installation:
    """`site` is also the end of the bot's name and of the registration's id, so that many live beside each other."""

    def __init__(self, parent: Path, site: str) -> None:
        self.site = site
        self.bot = f"@moodlebot_{site}:{DOMAIN}"
        self.folder = parent / site
        self.folder.mkdir()
        self.port = free_port()
        made = replace(
            registration.make(site=site, domain=DOMAIN, url=f"http://127.0.0.1:{self.port}"),
            id=f"moodle-{site}",
            sender_localpart=f"moodlebot_{site}",
            users=(Namespace(f"@moodle_{site}_.*:{re.escape(DOMAIN)}"),),
        )
        self.token = made.as_token.get_secret_value()
        self.registration = self.folder / "registration.yaml"
        registration.write(made, self.registration)
        self.config = self.folder / "config.yaml"
        self._process: Leash | None = None

    def connect(
        self,
        synapse: EmbeddedSynapse,
        moodle: SandboxMoodle,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Write the configuration; `overrides`: section → keys."""
        self.connect_to(synapse.url, moodle, overrides)

    def connect_to(
        self,
        homeserver_url: str,
        moodle: SandboxMoodle,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        **top: Any,
    ) -> None:
        """The same for a homeserver of any kind; `top`: keys at the top of the configuration."""
        house.write_config(
            self.folder,
            site=self.site,
            moodle_url=moodle.url,
            moodle_token=moodle.token,
            homeserver_url=homeserver_url,
            domain=DOMAIN,
            port=self.port,
            overrides=overrides,
            **top,
        )

    async def start_service(self) -> None:
        """Start `moodle-appservice run` and wait until it can be asked. Its first pass begins by itself."""
        self._start("-m", "moodle_appservice", "-c", str(self.config), "run")
        await self._until(lambda: control.is_running(self._socket))

    async def start_program(self, program: Path, *arguments: str, socket: str = "") -> None:
        """Start another program in the service's place, with the configuration as its first argument.

        It is ready when it listens at our port, or at the local socket of this name in our folder.
        """
        # Where one was killed its socket is left.
        if socket:
            (self.folder / socket).unlink(missing_ok=True)
        self._start(str(program), str(self.config), *arguments)
        if socket:
            await self._until(lambda: _opens(self.folder / socket))
        else:
            await self._until(lambda: _accepts(self.port))

    async def sync(self) -> float:
        """Have everything looked at and wait until nothing is left to do; gives the seconds that it took."""
        began = time.perf_counter()
        report = await control.ask(self._socket, "sync")
        took = time.perf_counter() - began
        if report is None or report["failures"] or report["held"]:
            raise AppError(f"The sync of {self.site} did not end well: {report}\n{self.log_end()}")
        return took

    @property
    def peak_rss_mb(self) -> float:
        """The most memory that the program has had so far, in MiB."""
        status = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None, "no VmHWM: this benchmark needs Linux"
        return int(found[1]) / 1024

    @property
    def cpu_seconds(self) -> float:
        """Processor time that the program has used so far."""
        used = psutil.Process(self._pid).cpu_times()
        return float(used.user + used.system)

    def stop(self) -> None:
        """End the program; does nothing where none runs."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def log_end(self, lines: int = 20) -> str:
        """The last lines that the program has said."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def _socket(self) -> Path:
        return self.folder / "control.sock"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int:
        """The process of the program."""
        return self._pid

    @property
    def _pid(self) -> int:
        assert self._process is not None, "nothing was started"
        return self._process.pid

    def _start(self, *arguments: str) -> None:
        self._process = Leash([sys.executable, *arguments], log=self._log)

    async def _until(self, listens: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not await listens():
            assert self._process is not None
            if not self._process.running or time.monotonic() > deadline:
                raise Unreachable(f"{self.site} does not listen.\n{self.log_end()}")
            await asyncio.sleep(0.05)


async def _opens(socket: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.close()
    return True


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
