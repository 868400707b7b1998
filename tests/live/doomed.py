"""A service that is killed: `python -m tests.live.doomed CONFIG COUNT` syncs and dies by SIGKILL at the COUNT-th point.

A point is the moment just after an answer of the homeserver has come, or just after a transaction has changed our
database. With COUNT 0 it lives to the end. The last line it prints is the number of points that it has passed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mautrix.util.async_db import Connection

from moodle_appservice.demo import house
from moodle_appservice.matrix.http import HomeserverApi
from moodle_appservice.service import Service
from moodle_appservice.store.db import Db


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

    async def doomed_transaction(self: Db, work: Callable[[Connection], Awaitable[Any]]) -> Any:
        changes = 0

        async def counted(connection: Connection) -> Any:
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


def main() -> None:
    logging.disable(logging.CRITICAL)
    fate = Fate(int(sys.argv[2]))
    doom(fate)
    failures = asyncio.run(sync(Path(sys.argv[1])))
    sys.stdout.write(f"{fate.passed}\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
