"""`world`: the pages with a fake Moodle beside them, which has registered us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.store_events import BOT
from tests.web.world import World, open_world


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    db = Db(f"sqlite:{tmp_path / 'pages.db'}")
    await db.start()
    yield Books(db, bot=BOT, prefix="!moodle")
    await db.stop()


@pytest.fixture
async def fresh(books: Books) -> AsyncIterator[World]:
    """Not registered yet."""
    async with open_world(books) as made:
        yield made


@pytest.fixture
async def world(fresh: World) -> World:
    await fresh.register()
    return fresh
