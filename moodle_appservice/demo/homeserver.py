"""A real Synapse of our own, for the demo, the tests and the benchmarks.

`EmbeddedSynapse` starts matrix-synapse as a separate program (it is never imported) on 127.0.0.1, on a port found at
start or named by the caller, with a folder of its own that disappears with it. It is started, killed and started again
on the same folder and port as often as a test likes; accounts, tokens and rooms survive that. It never outlives us
(`leash`), and it can say what it was asked (`mark`, `since`, `requests_by`), so that "no request was sent" is counted
and not believed.

An application service is added by the path of its registration file, which must exist before `start`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib.util
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from moodle_appservice.demo.access_log import AccessLog, LoggedRequest
from moodle_appservice.demo.homeserver_config import users_of_services, write_config
from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port
from moodle_appservice.errors import PermanentFailure, TemporaryFailure, Unreachable

_PORT_IS_TAKEN = ("Address already in use", "CannotListenError")


class EmbeddedSynapse:
    """One homeserver. `url`, `port`, `folder` and `admin_token` are there once `start` has returned."""

    def __init__(
        self,
        *,
        server_name: str = "uni.test",
        port: int = 0,
        registrations: Sequence[Path] = (),
        postgres_url: str | None = None,
        rate_limits: bool = False,
        settings: Mapping[str, Any] | None = None,
        start_within: float = 60.0,
    ) -> None:
        """`rate_limits=True` leaves Synapse's own limits on. `settings` replaces top-level keys of homeserver.yaml.
        `port` 0 finds a free one.

        `postgres_url` (`postgres://user@host:port/empty-database`) takes PostgreSQL in the place of SQLite.
        """
        self.server_name = server_name
        self.port = port
        self.admin_token = ""
        self._registrations = tuple(registrations)
        self._users_of_services: dict[str, list[re.Pattern[str]]] = {}
        self._postgres_url = postgres_url
        self._rate_limits = rate_limits
        self._settings = dict(settings or {})
        self._start_within = start_within
        self._shared_secret = secrets.token_hex(16)
        self._folder: Path | None = None
        self._process: Leash | None = None

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def folder(self) -> Path:
        """Where everything of this homeserver lies. Made on first use, removed by `stop`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="moodle-appservice-synapse-"))
        return self._folder

    @property
    def log(self) -> Path:
        """What Synapse itself writes down."""
        return self.folder / "homeserver.log"

    @property
    def running(self) -> bool:
        """Whether its process is there; it may not answer yet."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Synapse's process; changes with every start."""
        if self._process is None:
            raise PermanentFailure("The embedded homeserver was not started.")
        return self._process.pid

    # Life cycle

    async def start(self) -> None:
        """Start, or start again after `kill`, and return when it answers. Raises `Unreachable` with the log's end."""
        if importlib.util.find_spec("synapse") is None:
            raise PermanentFailure(
                "matrix-synapse is not installed. Install the extra: moodle-appservice[demo]"
            )
        for attempts_left in (2, 1, 0):
            first_time = self.port == 0
            self.port = self.port or free_port()
            try:
                await self._start_once()
                break
            except TemporaryFailure as failure:
                self.kill()
                if not (
                    first_time and attempts_left and any(sign in str(failure) for sign in _PORT_IS_TAKEN)
                ):
                    raise
                self.port = 0
        if not self.admin_token:
            self.admin_token = await self.register(
                "admin", secrets.token_hex(16), "Administrator", admin=True
            )

    async def stop(self) -> None:
        """End it and remove its folder. Does nothing the second time."""
        if self._process is not None:
            await asyncio.to_thread(self._process.end)
            self._process = None
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    async def restart(self) -> None:
        """End it in an orderly way and start it on the same folder and port."""
        if self._process is not None:
            await asyncio.to_thread(self._process.end)
        await self.start()

    def kill(self) -> None:
        """End it as a power cut would. `start` continues on the same folder and port."""
        if self._process is not None:
            self._process.kill()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # Accounts

    async def register(
        self, localpart: str, password: str, displayname: str | None = None, *, admin: bool = False
    ) -> str:
        """Make an account and log it in; gives its access token."""
        path = f"{self.url}/_synapse/admin/v1/register"
        async with aiohttp.ClientSession() as session:
            async with session.get(path) as answer:
                nonce = str((await answer.json())["nonce"])
            signed = "\0".join((nonce, localpart, password, "admin" if admin else "notadmin"))
            mac = hmac.new(self._shared_secret.encode(), signed.encode(), hashlib.sha1).hexdigest()
            body: dict[str, Any] = {
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "admin": admin,
                "mac": mac,
                "displayname": displayname or localpart,
            }
            async with session.post(path, json=body) as answer:
                told = await answer.json()
        if answer.status != 200:
            reason = f"{told.get('errcode')} {told.get('error')}"
            raise PermanentFailure(f"The homeserver did not make the account {localpart!r}: {reason}")
        return str(told["access_token"])

    # What it was asked, what it used

    def mark(self) -> int:
        """A point in time for `since` and `requests_by`."""
        return self._access.mark()

    def since(self, mark: int = 0) -> list[LoggedRequest]:
        """Every request that was finished after `mark`, oldest first."""
        return self._access.since(mark)

    def requests_by(self, user_id: str, since: int = 0) -> list[LoggedRequest]:
        """Those that `user_id` sent or that were sent in its name.

        For an application service give its sender's id: that covers what it did as any user of its namespaces.
        """
        namespaces = self._users_of_services.get(user_id, ())

        def counts(asked: LoggedRequest) -> bool:
            if user_id in (asked.sender, asked.user):
                return True
            return asked.user is not None and any(users.match(asked.user) for users in namespaces)

        return [asked for asked in self.since(since) if counts(asked)]

    def cpu_seconds(self) -> float:
        """Processor time that the homeserver has used since its last start."""
        # Only benchmarks and tests ask, and psutil comes with their requirements.
        import psutil

        used = psutil.Process(self.pid).cpu_times()
        return float(used.user + used.system)

    # Inside

    @property
    def _access(self) -> AccessLog:
        return AccessLog(self.folder / "access.log")

    async def _start_once(self) -> None:
        config = write_config(
            self.folder,
            server_name=self.server_name,
            port=self.port,
            shared_secret=self._shared_secret,
            registrations=self._registrations,
            postgres_url=self._postgres_url,
            rate_limits=self._rate_limits,
            settings=self._settings,
        )
        # Python settings of ours (warnings as errors, other paths) are none of Synapse's business.
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(config)]
        self._process = Leash(command, log=self.log, env=env, cwd=self.folder)
        await self._until_healthy(self._process)
        # What Synapse has taken. Kept, for reading 200 of them takes a second, and tests ask again and again.
        self._users_of_services = users_of_services(self._registrations, self.server_name)

    async def _until_healthy(self, process: Leash) -> None:
        deadline = time.monotonic() + self._start_within
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if not process.running:
                    raise Unreachable(f"The embedded Synapse ended while it started.\n{self._last_lines()}")
                try:
                    async with session.get(f"{self.url}/health") as answer:
                        if answer.status == 200 and process.running:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.05)
        raise Unreachable(
            f"The embedded Synapse did not answer at {self.url} within {self._start_within:.0f} seconds.\n"
            f"{self._last_lines()}"
        )

    def _last_lines(self, count: int = 20) -> str:
        if not self.log.exists():
            return "Its log is empty."
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
        return "\n".join(["The last lines of its log:", *lines]) if lines else "Its log is empty."
