"""The stage of a story: a real Synapse, a sandbox Moodle, a database, the service as a process of its own, and proxies
between all of them.

A supervisor starts the service again whenever it has ended, as systemd would. `Model` remembers who belonged where at
any moment, so that each removal at the homeserver can be judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from moodle_appservice.control import ask
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.loopback import free_port
from moodle_appservice.demo.sandbox import Fault, SandboxMoodle
from moodle_appservice.errors import AppError
from tests.faults.proxy import Proxy, Trouble
from tests.faults.schedule import COURSES, PEOPLE, Step, Story, What
from tests.live.homeserver import Seat
from tests.live.house import House, small_university
from tests.live.postgres import PostgresServer
from tests.nursery import Run, nursery

FIRST_COURSE = 2
MOST_LOCK = 1.0


@dataclass
class Model:
    """Who belongs in which course now, and since when anybody has not belonged there, ever (Unix seconds)."""

    roles: dict[tuple[int, int], str] = field(default_factory=dict)
    suspended: set[int] = field(default_factory=set)
    first_out: dict[tuple[int, int], float] = field(default_factory=dict)

    def belongs(self, course: int, person: int) -> bool:
        return (course, person) in self.roles and person not in self.suspended

    def note(self) -> None:
        """Remember who is out now."""
        for course in range(COURSES):
            for person in range(PEOPLE):
                if not self.belongs(course, person):
                    self.first_out.setdefault((course, person), time.time())


class Stage:
    """One story's world. `moodle_clock` is how far Moodle's clock is off."""

    def __init__(
        self,
        synapse: EmbeddedSynapse,
        seat: Seat,
        folder: Path,
        story: Story,
        postgres: PostgresServer | None = None,
    ) -> None:
        self.synapse, self.seat, self.folder, self.story = synapse, seat, folder, story
        self.postgres = postgres
        self.database = f"sqlite:{folder / 'our.db'}"
        self.chance = random.Random(story.seed)
        self.model = Model()
        self.moodle_clock = 0
        self.moodle = SandboxMoodle(small_university(courses=COURSES, people=PEOPLE + 1), clock=self._now)
        self.to_synapse = Proxy(synapse.port, self.chance)
        self.to_service = Proxy(0, self.chance)
        self.to_moodle = Proxy(0, self.chance)
        self.to_database = Proxy(0, self.chance)
        self.service: Run | None = None
        self.starts = 0
        self.disturbances = 0
        self.refused_second = 0
        self.restored = False
        self._backup: Path | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._rights_away: set[str] = set()

    def _now(self) -> int:
        return int(time.time()) + self.moodle_clock

    @property
    def log(self) -> Path:
        return self.folder / "service.log"

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    # Life

    async def open(self) -> None:
        """Start everything but the service, which starts with the first step."""
        await self.moodle.start()
        self.to_service.target = free_port()
        self.to_moodle.target = urlsplit(self.moodle.url).port or 0
        await self.to_synapse.start()
        await self.to_moodle.start()
        await self.to_service.start(self.seat.port)
        if self.story.postgres:
            assert self.postgres is not None
            self.database = self.postgres.create_database(durable=True)
            parts = urlsplit(self.database)
            self.to_database.target = parts.port or 0
            await self.to_database.start()
            self.database = self.database.replace(f":{parts.port}/", f":{self.to_database.port}/")
        for course in range(COURSES):
            for person in range(PEOPLE):
                self.model.roles[course, person] = "student"
        self.model.note()
        self._write_config()
        await self._start_service()

    async def close(self) -> None:
        """End everything."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.service is not None:
            await asyncio.to_thread(self.service.kill)
        for proxy in (self.to_synapse, self.to_service, self.to_moodle, self.to_database):
            await proxy.stop()
        await self.moodle.stop()

    def _write_config(self) -> None:
        house = House(self.synapse, self.seat, self.moodle, self.folder)
        house.overrides = {
            "moodle": {"url": f"http://127.0.0.1:{self.to_moodle.port}", "interval": 10, "timeout": 5},
            "homeserver": {"address": f"http://127.0.0.1:{self.to_synapse.port}", "timeout": 10},
            "appservice": {"port": self.to_service.target},
            "rooms": {"layout": "room"},
        }
        house.top = {"database": self.database}
        house.config()

    def _words(self) -> list[str]:
        return ["-c", str(self.folder / "config.yaml")]

    async def _start_service(self) -> None:
        self.starts += 1
        self.service = await asyncio.to_thread(
            lambda: nursery().begin(self._words(), cwd=self.folder, log=self.log)
        )

    async def supervise(self) -> None:
        """Start the service again where it has ended."""
        if self.service is not None and not self.service.running:
            # Gives back what held it.
            await asyncio.to_thread(self.service.end)
            self.service = None
        if self.service is None:
            await self._start_service()

    async def first_sync(self) -> None:
        """Wait until all rooms are there and everybody is in them."""
        await self.until_ready()
        report = await ask(self.socket, "sync")
        assert report is not None and not report["failures"], report

    def ask_for_a_pass(self) -> None:
        """As an impatient person would, without waiting for the answer."""

        async def sync() -> None:
            with contextlib.suppress(AppError):
                await ask(self.socket, "sync")

        task = asyncio.create_task(sync())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Steps

    async def play(self, step: Step) -> None:
        """Let one step happen, then the world go on."""
        await self.supervise()
        match step.what:
            case What.ENROL | What.LEAVE | What.ROLE | What.SUSPEND | What.RESTORE | What.RENAME:
                self._term(step)
            case What.PASS:
                self.ask_for_a_pass()
            case What.CALM:
                self.calm()
            case _:
                self.disturbances += 1
                await self._disturb(step)
        await asyncio.sleep(step.seconds)

    def _term(self, step: Step) -> None:
        university, course = self.moodle.university, FIRST_COURSE + step.course
        person = self._person(step.person)
        key = (step.course, step.person)
        match step.what:
            case What.ENROL | What.ROLE:
                role = step.how or self.model.roles.get(key, "student")
                university.unenrol(person, course)
                university.enrol(person, course, role)
                self.model.roles[key] = role
            case What.LEAVE:
                university.unenrol(person, course)
                self.model.roles.pop(key, None)
            case What.SUSPEND | What.RESTORE:
                suspended = step.what is What.SUSPEND
                university.people[person].suspended = suspended
                (self.model.suspended.add if suspended else self.model.suspended.discard)(step.person)
            case _:
                university.courses[course].fullname = f"Course {step.person} “{step.seconds:.3f}”"
        self.model.note()

    def _person(self, number: int) -> int:
        wanted = f"s{number + 1}"
        return next(one.id for one in self.moodle.university.people.values() if one.username == wanted)

    async def _disturb(self, step: Step) -> None:
        match step.what:
            case What.KILL_SERVICE:
                assert self.service is not None
                await asyncio.to_thread(self.service.kill)
            case What.STOP_SERVICE:
                assert self.service is not None
                os.kill(self.service.pid, signal.SIGTERM)
            case What.SECOND_SERVICE:
                await self._second_service()
            case What.KILL_SYNAPSE:
                await self._backup_synapse()
            case What.RESTORE_SYNAPSE:
                await self._restore_synapse()
            case What.HOMESERVER:
                self._trouble(self.to_synapse, step.how)
            case What.PUSHES:
                self._trouble(self.to_service, step.how)
            case What.MOODLE:
                self._trouble(self.to_moodle, step.how)
            case What.MOODLE_FAULT:
                self.moodle.faults.fail(Fault[step.how], times=3, rows=1)
            case What.MOODLE_RIGHTS:
                self.moodle.rights.revoke(step.how)
                self._rights_away.add(step.how)
            case What.MOODLE_CLOCK:
                self.moodle_clock = int(step.how)
            case What.DATABASE_LOCKED:
                await asyncio.to_thread(self._lock_database)
            case What.DISK_FULL:
                await self._fill_disk()
            case What.DATABASE_LOST:
                self.to_database.trouble = Trouble.RESET
                self.to_database.cut()
                await asyncio.sleep(0.5)
                self.to_database.trouble = Trouble.NONE
            case What.DATABASE_RESTARTED | What.DATABASE_FAILED_OVER:
                assert self.postgres is not None
                crash = step.what is What.DATABASE_FAILED_OVER
                await asyncio.to_thread(self.postgres.restart, crash=crash)

    def _trouble(self, proxy: Proxy, how: str) -> None:
        proxy.trouble = Trouble(how)
        proxy.cut()

    async def _second_service(self) -> None:
        """Somebody starts the same service again by mistake."""
        log = self.folder / f"second-{self.refused_second}.log"
        log.unlink(missing_ok=True)
        second = await asyncio.to_thread(lambda: nursery().begin(self._words(), cwd=self.folder, log=log))
        try:
            code = await asyncio.to_thread(second.wait, 30)
        except TimeoutError:
            # Ours had just ended, so this one is no second one; it goes as it came.
            await asyncio.to_thread(second.kill)
            return
        out = log.read_text(encoding="utf-8")
        if "Another process of this service uses the same database" in out:
            assert code == 1, out
            self.refused_second += 1

    async def _backup_synapse(self) -> None:
        """Synapse dies, and comes back on the same folder; what lies there is kept as a backup."""
        await asyncio.to_thread(self.synapse.kill)
        self._backup = self.folder / "homeserver-backup"
        self._copy(self.synapse.folder, self._backup)
        await self.synapse.start()

    async def _restore_synapse(self) -> None:
        """Synapse dies, and comes back as it was when it died the last time."""
        await asyncio.to_thread(self.synapse.kill)
        if self._backup is not None:
            self._copy(self._backup, self.synapse.folder)
            self.restored = True
        await self.synapse.start()

    def _copy(self, source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        for name in ("homeserver.db", "homeserver.db-wal", "homeserver.db-shm"):
            (target / name).unlink(missing_ok=True)
            if (source / name).exists():
                shutil.copy2(source / name, target / name)

    def _lock_database(self) -> None:
        path = self.folder / "our.db"
        if not path.exists():
            return
        with contextlib.suppress(sqlite3.OperationalError):
            connection = sqlite3.connect(path, timeout=0.1)
            try:
                connection.execute("BEGIN EXCLUSIVE")
                time.sleep(MOST_LOCK)
                connection.rollback()
            finally:
                connection.close()

    async def _fill_disk(self) -> None:
        """No file may grow for a moment."""
        assert self.service is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            before = resource.prlimit(self.service.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.service.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
            await asyncio.sleep(0.8)
            resource.prlimit(self.service.pid, resource.RLIMIT_FSIZE, before)

    def calm(self) -> None:
        """All works again."""
        for proxy in (self.to_synapse, self.to_service, self.to_moodle, self.to_database):
            proxy.heal()
        self.moodle.faults.clear()
        for right in self._rights_away:
            self.moodle.rights.grant(right)
        self._rights_away.clear()
        self.moodle_clock = 0

    async def until_ready(self, patience: float = 180.0) -> None:
        """Until the service answers at its socket, started again as often as it takes."""
        async with asyncio.timeout(patience):
            while True:
                await self.supervise()
                with contextlib.suppress(AppError):
                    if await ask(self.socket, "paused") is not None:
                        return
                await asyncio.sleep(0.1)

    async def stop_service(self) -> None:
        """In an orderly way."""
        if self.service is not None:
            await asyncio.to_thread(self.service.end)
            self.service = None
