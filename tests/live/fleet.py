"""Several processes of the service that share one PostgreSQL, with a gateway before them; any may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from moodle_appservice import control
from moodle_appservice.demo import house as files
from moodle_appservice.demo.gateway import Gateway
from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port
from tests.live.house import House, until


class Process:
    """One process of the fleet."""

    def __init__(self, house: House, folder: Path, database: str, name: str, **overrides: Any) -> None:
        self.name = name
        self.port = free_port()
        self.folder = folder / name
        self.folder.mkdir()
        self.socket = self.folder / "control.sock"
        self.log = self.folder / "log"
        self._config = files.write_config(
            self.folder,
            site=house.seat.site,
            moodle_url=house.moodle.url,
            moodle_token=house.moodle.token,
            homeserver_url=house.synapse.url,
            domain=house.synapse.server_name,
            port=self.port,
            registration_file=str(house.seat.path),
            database=database,
            overrides={"cluster": {"enabled": True, "name": name}, **overrides},
        )
        self._leash: Leash | None = None

    def start(self) -> None:
        """Start it; it is ready when `is_ready`."""
        self._leash = Leash(
            [sys.executable, "-m", "moodle_appservice", "-c", str(self._config), "run"], log=self.log
        )

    async def ready(self) -> None:
        """Wait until it can be asked."""

        async def asked() -> bool:
            assert self._leash is not None and self._leash.running, self.told()
            return await control.is_running(self.socket)

        await until(asked, f"{self.name} runs", patience=60)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        assert self._leash is not None
        os.kill(self._leash.pid, number)

    def stop(self) -> None:
        """End it as an administrator does."""
        if self._leash is not None:
            self._leash.end()
            self._leash = None

    def told(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def ask(self, what: str, **given: Any) -> Any:
        """Ask it through its control socket."""
        return await control.ask(self.socket, what, **given)


class Fleet:
    """All processes of one installation, made but not started."""

    def __init__(self, house: House, folder: Path, database: str, *names: str, **overrides: Any) -> None:
        self.all = [Process(house, folder, database, name, **overrides) for name in names]
        self.gateway = Gateway(house.seat.port, [one.port for one in self.all])

    async def __aenter__(self) -> Fleet:
        await self.gateway.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self.all:
            await asyncio.to_thread(one.stop)
        await self.gateway.__aexit__()

    async def start(self) -> None:
        """Start all at the same moment and wait for them."""
        for one in self.all:
            one.start()
        for one in self.all:
            await one.ready()
