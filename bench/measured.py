"""The service itself, asked by a benchmark how much it has done: queries to its database, processor time, memory.

    python bench/measured.py CONFIG [listen]      then, at run.sock beside CONFIG:

`POST /figures` answers `{"queries": …, "statements": …, "cpu_s": …, "rss_mb": …}` so far; `POST /sync` has everything
looked at and answers `{"wall_s": …, "failures": …}`; `POST /pass` makes one pass as the timer does, to its end. With
`listen` nothing but the door for pushes is open: no worker takes a key.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

from moodle_appservice import logs
from moodle_appservice.demo import house
from moodle_appservice.ports import SITE
from moodle_appservice.service import Service
from moodle_appservice.store.db import Db


class Count:
    """Trips to the database: one for each transaction, read or statement that our store asks for."""

    def __init__(self) -> None:
        self.queries = 0
        original: Callable[..., Awaitable[Any]] = Db._to_its_end

        async def counted(db: Db, work: Any) -> Any:
            self.queries += 1
            return await original(db, work)

        Db._to_its_end = counted  # type: ignore[method-assign, assignment]


class Answers:
    """One job after the other."""

    def __init__(self, service: Service, counted: Count) -> None:
        self._service = service
        self._count = counted

    async def figures(self, _: web.Request) -> web.Response:
        """What was used so far."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        rss = psutil.Process().memory_info().rss / 2**20
        cpu = used.ru_utime + used.ru_stime
        return web.json_response({"queries": self._count.queries, "cpu_s": cpu, "rss_mb": rss})

    async def sync(self, _: web.Request) -> web.Response:
        """Everything, now."""
        began = time.perf_counter()
        report = await self._service.operations.sync()
        failures = [f"{key}: {failure}" for key, failure in report.failures.items()]
        return web.json_response({"wall_s": time.perf_counter() - began, "failures": failures})

    async def one_pass(self, _: web.Request) -> web.Response:
        """As the timer does."""
        began = time.perf_counter()
        await self._service.queue.add(SITE, signal="pass")
        await self._service.queue.idle()
        return web.json_response({"wall_s": time.perf_counter() - began})


async def serve(config: Path, *, only_listen: bool) -> None:
    """Listen until somebody ends us."""
    counted = Count()
    settings, registration = house.read(config)
    logs.set_up("WARNING", "text", settings.secrets())
    service = Service(settings, registration)
    if only_listen:
        await service.prepare()
        await service.listen()
    else:
        await service.start(timer=False)
    answers = Answers(service, counted)
    app = web.Application(client_max_size=2**26)
    app.add_routes(
        [
            web.post("/figures", answers.figures),
            web.post("/sync", answers.sync),
            web.post("/pass", answers.one_pass),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(config.with_name("run.sock"))).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), only_listen="listen" in sys.argv[2:]))
