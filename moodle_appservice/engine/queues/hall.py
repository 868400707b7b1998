"""How looks ended, told from one process of a cluster to all: who asked for a look may sit in another one.

Somebody who waits has a name, which travels with the key as one of its signals (`ASKED`) and comes back here when a
look that began later has ended. It goes by PostgreSQL's notifications, which are not kept: what is lost is waited for
in vain, as long as whoever asked has patience.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any, Final

import psycopg

from ...errors import AppError, PermanentFailure, TemporaryFailure
from ...ports import Key
from ..stopping import end
from .jobs import Jobs

CHANNEL: Final = "moodle_appservice_looks"
AGAIN: Final = 2.0
"""Seconds until a lost connection is made anew."""
ECHO: Final = 20.0
"""Seconds in which everything that was told must have been heard, also on a machine that has much else to do."""
LONGEST: Final = 2000
"""Characters of a failure that are told; PostgreSQL takes 8,000 bytes in all."""
log = logging.getLogger(__name__)


class Hall:
    """Implements `engine.worker.Ends`. `on_end`: called with every end that is told, by whichever process."""

    def __init__(self, address: str, jobs: Jobs, on_end: Callable[[Key, AppError | None], None]) -> None:
        self._address = address
        self._jobs = jobs
        self._on_end = on_end
        self._waiting: dict[str, asyncio.Future[AppError | None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._listens = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(), name="hall")
        await self._listens.wait()

    async def close(self) -> None:
        """Listen no more; safe before `open`."""
        await end(self._task)
        self._task = None

    def name(self) -> str:
        """A name for somebody who is about to wait."""
        return secrets.token_hex(8)

    async def wait(self, name: str) -> AppError | None:
        """Wait until a look that was asked for under this name has ended; what stopped it, if anything did."""
        waiting: asyncio.Future[AppError | None] = asyncio.get_running_loop().create_future()
        self._waiting[name] = waiting
        try:
            return await waiting
        finally:
            self._waiting.pop(name, None)

    async def tell(self, key: Key, names: Collection[str], failure: AppError | None) -> None:
        """Tell all processes how a look ended."""
        told = {
            "key": [key.kind, key.number],
            "names": sorted(names),
            "failure": None if failure is None else str(failure)[:LONGEST],
            "again": isinstance(failure, TemporaryFailure),
        }
        async with self._jobs.pool.connection() as connection:
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, json.dumps(told)))

    async def echo(self) -> None:
        """Wait until all has been heard that was told before now."""
        name = self.name()
        waiting = asyncio.create_task(self.wait(name))
        try:
            await self.tell(Key("echo", 0), [name], None)
            async with asyncio.timeout(ECHO):
                await waiting
        except TimeoutError:
            log.warning("What other processes tell is late.")
        finally:
            waiting.cancel()

    async def _listen(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._listens.set()
                    async for notify in connection.notifies():
                        self._heard(json.loads(notify.payload))
            except psycopg.OperationalError as error:
                log.warning("The ends of looks are not heard now (%s); the connection is made anew.", error)
            await asyncio.sleep(AGAIN)

    def _heard(self, told: dict[str, Any]) -> None:
        failure: AppError | None = None
        if told["failure"] is not None:
            failure = (TemporaryFailure if told["again"] else PermanentFailure)(told["failure"])
        kind, number = told["key"]
        self._on_end(Key(kind, number), failure)
        for name in told["names"]:
            waiting = self._waiting.get(name)
            if waiting is not None and not waiting.done():
                waiting.set_result(failure)
