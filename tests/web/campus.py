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

from moodle_appservice.browsers import Browsers, Parts
from moodle_appservice.config import Settings
from moodle_appservice.engine.choosing import Choosing
from moodle_appservice.engine.explain import Explainer
from moodle_appservice.engine.figures import FigureReader
from moodle_appservice.engine.linking import Linking
from moodle_appservice.engine.notices import Notices
from moodle_appservice.engine.observers import Observers
from moodle_appservice.engine.pauses import Pauses
from moodle_appservice.engine.sampling import Sampler
from moodle_appservice.machines import Machines
from moodle_appservice.web.admin_inside import Finding
from moodle_appservice.web.metrics import Metrics
from tests.engine.world import World as Engine
from tests.fakes import FakeInbox, FakeMessenger


class Campus:
    """An engine whose workers run, and what is put around it."""

    def __init__(self, database: Path, **rules: object) -> None:
        self.engine = engine = Engine(database, **{"existing_courses": True, **rules})
        self.store, self.clock, self.facts = engine.store, engine.clock, engine.facts
        self.findings: list[Finding] = []
        """What doctor says."""
        self.figures = FigureReader(engine.store, engine.queue, engine.troubles, engine.clock)
        self.metrics = Metrics(self.figures)
        self.observer = Observers(self.figures, self.metrics)
        engine.courses._observer = self.observer
        engine.courses._hands._observer = self.observer
        self.pauses = Pauses(engine.store, engine.queue, engine.clock)
        self.workers = engine.workers(2, for_people=2, pauses=self.pauses, observer=self.observer)
        self.figures.watch(self.workers)
        self.operations = engine.operations(self.workers)
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

    def browsers(self, settings: Settings) -> Browsers:
        engine = self.engine
        choosing = Choosing(
            *(engine.store, engine.facts, engine.site, self.workers, engine.rules, engine.clock)
        )
        self.inbox, self.messenger = FakeInbox(), FakeMessenger()
        linking = Linking(
            *(engine.store, engine.queue, engine.facts, engine.rules, engine.clock),
            Notices(self.messenger, self.inbox),
            secret=b"secret",
        )
        sampler = Sampler(self.figures, engine.store.samples, engine.clock)
        parts = Parts(
            *(engine.store, engine.facts, engine.queue, engine.rules, engine.clock, engine.planner),
            *(engine.troubles, self.operations, choosing, linking, self.explainer, self.pauses),
            *(self.figures, sampler, self._examined),
        )
        return Browsers(settings, parts, counted=self.metrics.launched)

    async def _examined(self) -> list[Finding]:
        return self.findings

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
