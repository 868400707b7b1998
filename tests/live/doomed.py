"""Services that are killed: `python -m tests.live.doomed` reads lines `CONFIG COUNT`, each of which is a life.

A life syncs, and dies by SIGKILL at the COUNT-th point: the moment just after an answer of the homeserver has come, or
just after a transaction has changed our database. With COUNT 0 it lives to the end. For each one a line comes back: how
the process ended (negative is the signal) and the number of points that it says it has passed. Each life is a process
of its own, forked from this one, which has read the program once for all of them.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mautrix.util.async_db import Connection as DbConnection

from moodle_appservice.demo import house
from moodle_appservice.matrix.http import HomeserverApi
from moodle_appservice.service import Service
from moodle_appservice.store.db import Db

FORK = multiprocessing.get_context("fork")


class Fate:
    """Counts points, and kills at the one that was chosen."""

    def __init__(self, at: int) -> None:
        self.passed = 0
        self._at = at

    def point(self) -> None:
        self.passed += 1
        if self.passed == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def doom(fate: Fate) -> None:
    """Put a point behind each request and each commit that changed something."""
    call, transaction = HomeserverApi.call, Db.transaction

    async def doomed_call(self: HomeserverApi, *args: Any, **named: Any) -> Any:
        answer = await call(self, *args, **named)
        fate.point()
        return answer

    async def doomed_transaction(self: Db, work: Callable[[DbConnection], Awaitable[Any]]) -> Any:
        changes = 0

        async def counted(connection: DbConnection) -> Any:
            nonlocal changes
            before = connection.wrapped.total_changes
            result = await work(connection)
            changes = connection.wrapped.total_changes - before
            return result

        result = await transaction(self, counted)
        if changes:
            fate.point()
        return result

    HomeserverApi.call = doomed_call  # type: ignore[method-assign]
    Db.transaction = doomed_transaction  # type: ignore[method-assign]


async def sync(config: Path) -> int:
    """One pass, to its end; returns how many keys were not done."""
    service = Service(*house.read(config))
    await service.start(timer=False)
    try:
        report = await service.operations.sync()
        return len(report.failures)
    finally:
        await service.stop()


def live(config: Path, count: int) -> tuple[int, int]:
    """One life; returns how it ended and how many points it says it has passed (0 where it was killed)."""
    told, tell = FORK.Pipe(duplex=False)
    life = FORK.Process(target=_live, args=(config, count, tell))
    life.start()
    tell.close()
    life.join()
    assert life.exitcode is not None
    return life.exitcode, told.recv() if life.exitcode == 0 else 0


def _live(config: Path, count: int, tell: Connection) -> None:
    # What is random must not be the same in each life.
    random.seed()
    fate = Fate(count)
    doom(fate)
    failures = asyncio.run(sync(config))
    tell.send(fate.passed)
    sys.exit(1 if failures else 0)


def main() -> None:
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        config, count = line.rsplit(maxsplit=1)
        code, points = live(Path(config), int(count))
        sys.stdout.write(f"{code} {points}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
