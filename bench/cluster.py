"""Several processes on one PostgreSQL: how fast keys go, and that none is lost or worked on twice at once.

Keys that do nothing (`noop.py`) are worked off by 1, 2 and 4 processes; while they are, further signals come for some
of them. Then the same with one process killed in the middle. What each process did stands in its log: from all of them
together follows whether every signal was seen and whether a key was ever in two hands.

Real courses are synced for the first time by 1, 2 and 4 whole processes behind a gateway, at a homeserver that costs
nothing (`counting.py`), so that what is ours is the limit; and once more with one of four killed in the middle. The
alternative in the same run is one process with the queue in memory on the same database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.counting import CountingHomeserver
from bench.installation import DOMAIN, Installation
from bench.noop import RealClock
from bench.sync import ON, switch, tell
from moodle_appservice import control
from moodle_appservice.demo import house
from moodle_appservice.demo.gateway import Gateway
from moodle_appservice.demo.leash import Leash
from moodle_appservice.demo.loopback import free_port
from moodle_appservice.demo.sandbox import SandboxMoodle, generate
from moodle_appservice.engine.lease import Lease
from moodle_appservice.engine.queues.jobs import Jobs
from moodle_appservice.engine.queues.procrastinate import ProcrastinateQueue
from moodle_appservice.ports import Key
from tests.live.postgres import PostgresServer, postgres_server

PROCESSES = (1, 2, 4)
WORKERS = 8
SIGNALS = 500
"""Further signals while keys are worked off."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the logs of all processes say together."""

    looks: int
    lost: int
    twice: int


def read_logs(logs: Sequence[Path], sent: dict[int, set[str]], killed_at: float | None) -> Seen:
    """Put the logs together. A look of a killed process ended with it."""
    looks: dict[int, list[tuple[float, float]]] = defaultdict(list)
    seen: dict[int, set[str]] = defaultdict(set)
    for log in logs:
        begun: dict[int, float] = {}
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                what, key, at, *signals = json.loads(line)
            except ValueError:
                continue
            if what == "begin":
                begun[key] = at
                seen[key] |= set(signals[0])
            else:
                looks[key].append((begun.pop(key), at))
        for key, at in begun.items():
            looks[key].append((at, killed_at or at))
    lost = sum(len(signals - seen[key]) for key, signals in sent.items())
    twice = 0
    for spans in looks.values():
        ordered = sorted(spans)
        twice += sum(1 for one, two in pairwise(ordered) if two[0] < one[1])
    return Seen(sum(map(len, looks.values())), lost, twice)


async def no_op(
    server: PostgresServer, folder: Path, keys: int, processes: int, *, kill: bool
) -> dict[str, Any]:
    """Keys that do nothing."""
    url = server.create_database()
    jobs = Jobs(url)
    await jobs.open()
    of_reader = frozenset({"course"})
    queue = ProcrastinateQueue(jobs, RealClock(), Lease(), for_reader=of_reader, reads=lambda: False)
    sent = {number: {"pass"} for number in range(1, keys + 1)}
    added = await seconds_of(in_parallel([queue.add(Key("course", number)) for number in sent]))
    logs = [folder / f"noop-{processes}-{kill}-{number}.log" for number in range(processes)]
    running = [worker(url, log) for log in logs]
    killed_at: float | None = None
    try:
        while not await jobs.depth() < keys:
            await asyncio.sleep(0.05)
        began = time.perf_counter()
        await signalled(queue, sent)
        if kill:
            os.kill(running[-1].pid, signal.SIGKILL)
            killed_at = time.monotonic()
        while await jobs.depth():
            await asyncio.sleep(0.1)
        wall = time.perf_counter() - began
    finally:
        for one in running:
            await asyncio.to_thread(one.end)
        await jobs.close()
    found = read_logs(logs, sent, killed_at)
    server.drop_database(url)
    result = {
        "added_per_s": round(keys / added),
        "keys_per_s": round(found.looks / wall),
        "looks": found.looks,
        "signals_lost": found.lost,
        "keys_twice_at_once": found.twice,
    }
    tell(f"no-op keys, {processes} processes, {'one killed' if kill else 'none killed'}: {result}")
    return result


def worker(url: str, log: Path) -> Leash:
    """A process that takes keys and does nothing with them."""
    program = str(Path(__file__).with_name("noop.py"))
    return Leash([sys.executable, program, url, str(log), str(WORKERS)], log=log.with_name("noop.out"))


async def signalled(queue: ProcrastinateQueue, sent: dict[int, set[str]]) -> None:
    """Send signals to some of the keys, and book each as sent."""
    for number in random.Random(1).choices(list(sent), k=SIGNALS):
        name = f"s{len(sent[number])}"
        sent[number].add(name)
        await queue.add(Key("course", number), signal=name)


async def seconds_of(work: Awaitable[None]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def in_parallel(work: Sequence[Any], at_once: int = 8) -> None:
    """Await all, some at a time."""
    waiting = iter(work)

    async def one_after_the_other() -> None:
        for one in waiting:
            await one

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))


class Fleet:
    """Whole processes of one installation."""

    def __init__(
        self, home: Installation, homeserver: CountingHomeserver, moodle: SandboxMoodle, url: str
    ) -> None:
        self._home = home
        self._homeserver = homeserver
        self._moodle = moodle
        self._url = url
        self.running: list[Leash] = []
        self.sockets: list[Path] = []

    async def start(self, ports: Sequence[int], *, shared: bool) -> None:
        """Start one at each port."""
        for number, port in enumerate(ports):
            folder = self._home.folder / f"{len(ports)}-{number}-{port}"
            folder.mkdir()
            config = house.write_config(
                folder,
                site=self._home.site,
                moodle_url=self._moodle.url,
                moodle_token=self._moodle.token,
                homeserver_url=self._homeserver.url,
                domain=DOMAIN,
                port=port,
                registration_file=str(self._home.registration),
                database=self._url,
                overrides={"cluster": {"enabled": shared, "name": f"p{number}"}},
            )
            command = [sys.executable, "-m", "moodle_appservice", "-c", str(config), "run"]
            self.running.append(Leash(command, log=folder / "log"))
            self.sockets.append(folder / "control.sock")
        for socket in self.sockets:
            while not await control.is_running(socket):
                await asyncio.sleep(0.1)

    def end(self) -> None:
        """End all."""
        for one in self.running:
            one.end()


def made(homeserver: CountingHomeserver, wall: float) -> dict[str, Any]:
    """What was made there, in so many seconds."""
    members = [
        sum(1 for kind, user in room.state if kind == "m.room.member" and user != homeserver.bot)
        for room in homeserver.rooms.values()
    ]
    return {
        "wall_s": round(wall, 1),
        "places_per_s": round(sum(members) / wall, 1),
        "rooms": sum(1 for one in members if one),
        "places": sum(members),
        "membership_events_twice": homeserver.memberships - sum(members) - len(homeserver.rooms),
    }


async def courses(
    server: PostgresServer,
    folder: Path,
    number: int,
    people: int,
    processes: int,
    *,
    shared: bool = True,
    kill: bool = False,
) -> dict[str, Any]:
    """A first sync of real courses."""
    url = server.create_database()
    home = Installation(folder, f"c{processes}{'k' if kill else ''}{'' if shared else 'm'}")
    homeserver = CountingHomeserver.of(home)
    ports = [free_port() for _ in range(processes)]
    university = generate(number, people)
    switch(university, ON)
    async with SandboxMoodle(university) as moodle, homeserver, Gateway(home.port, ports):
        fleet = Fleet(home, homeserver, moodle, url)
        began = time.perf_counter()
        try:
            await fleet.start(ports, shared=shared)
            syncing = asyncio.create_task(control.ask(fleet.sockets[0], "sync"))
            if kill:
                while homeserver.memberships < number * people / 2:
                    await asyncio.sleep(0.05)
                os.kill(fleet.running[-1].pid, signal.SIGKILL)
            report = await syncing
            wall = time.perf_counter() - began
        finally:
            await asyncio.to_thread(fleet.end)
    server.drop_database(url)
    result = {**made(homeserver, wall), "failures": len(report["failures"]) if report else -1}
    tell(f"courses, {processes} processes{', one killed' if kill else ''}: {result}")
    return result


async def measure(
    keys: int, number: int, people: int, processes: Sequence[int], *, kills: bool
) -> dict[str, Any]:
    """The whole run."""
    result: dict[str, Any] = {"bench": "cluster", "keys": keys, "courses": number, "people": people}
    with postgres_server() as server, tempfile.TemporaryDirectory(prefix="moodle-appservice-bench-") as name:
        folder = Path(name)
        result["no_op"] = {str(one): await no_op(server, folder, keys, one, kill=False) for one in processes}
        result["one_process_in_memory"] = await courses(server, folder, number, people, 1, shared=False)
        result["real"] = {str(one): await courses(server, folder, number, people, one) for one in processes}
        if kills:
            most = max(processes)
            result["no_op_one_killed"] = await no_op(server, folder, keys, most, kill=True)
            result["real_one_killed"] = await courses(server, folder, number, people, most, kill=True)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Several processes on one PostgreSQL; see README.md.")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--courses", type=int, default=200)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--processes", type=int, nargs="+", default=list(PROCESSES))
    parser.add_argument("--no-kill", action="store_true", help="leave out the runs in which one is killed")
    options = parser.parse_args()
    told = measure(
        options.keys, options.courses, options.people, options.processes, kills=not options.no_kill
    )
    print(json.dumps(asyncio.run(told)))


if __name__ == "__main__":
    main()
