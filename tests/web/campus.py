"""The engine at work behind pages and interfaces: workers over a fake homeserver and Moodle, with a real database.

What is fake here exists for real in the browser tests and the live tests; these are about what pages and interfaces
say and refuse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from moodle_appservice.config import Settings
from moodle_appservice.engine.explain import Explainer
from moodle_appservice.engine.figures import FigureReader
from moodle_appservice.engine.observers import Observers
from moodle_appservice.engine.operations import Operations
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.engine.worker import Workers
from moodle_appservice.machines import Machines
from moodle_appservice.web.metrics import Metrics
from tests.engine.world import World as Engine


class Campus:
    """An engine whose workers run, and what is put around it."""

    def __init__(self, database: Path, **rules: object) -> None:
        self.engine = Engine(database, **{"existing_courses": True, **rules})
        engine = self.engine
        self.figures = FigureReader(engine.store, engine.queue, engine.troubles, engine.clock)
        self.metrics = Metrics(self.figures)
        self.observer = Observers(self.figures, self.metrics)
        engine.courses._observer = self.observer
        engine.courses._hands._observer = self.observer
        self.pauses = Pauses(engine.store, engine.queue, engine.clock)
        self.workers = Workers(
            *(engine.queue, engine.store, engine.clock),
            site=engine.site,
            people=engine.people,
            courses=engine.courses,
            number=2,
            for_people=2,
            pauses=self.pauses,
            observer=self.observer,
        )
        self.figures.watch(self.workers)
        self.operations = Operations(
            *(engine.store, engine.queue, self.workers, engine.planner, engine.site, engine.status),
            *(engine.troubles, engine.facts),
        )
        self.explainer = Explainer(
            *(engine.store, engine.planner, engine.facts, engine.troubles, self.pauses, engine.rules),
            *(engine.clock, self.workers),
        )

    async def start(self) -> None:
        await self.engine.db.start()
        self.workers.start()

    async def stop(self) -> None:
        await self.workers.stop()
        await self.engine.db.stop()

    def machines(self, settings: Settings) -> Machines:
        engine = self.engine
        return Machines(
            *(settings, engine.store, engine.queue, self.operations, self.explainer, self.pauses),
            *(self.figures, self.metrics, engine.clock),
        )


@asynccontextmanager
async def serving(
    routes: list[web.RouteDef],
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """These routes, served."""
    app = web.Application()
    app.add_routes(routes)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


def settings_with(**pages: Mapping[str, Any] | str) -> Settings:
    """A configuration with these keys in its section `web`."""
    return Settings.model_validate(
        {
            "site": "uni",
            "moodle": {"url": "https://moodle.uni.test", "token": "0123456789abcdef0123456789abcdef"},
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "uni.test"},
            "web": pages,
        }
    )
