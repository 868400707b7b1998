"""`world`: the pages with a fake Moodle beside them, which has registered us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.store.books import Books
from tests.web.campus import Campus
from tests.web.world import World, open_world


@pytest.fixture
async def campus(tmp_path: Path) -> AsyncIterator[Campus]:
    """The engine at work, with an empty Moodle and an empty homeserver."""
    made = Campus(tmp_path / "store.db")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def books(campus: Campus) -> Books:
    return campus.store


@pytest.fixture
async def fresh(campus: Campus) -> AsyncIterator[World]:
    """Not registered yet."""
    async with open_world(campus) as made:
        yield made


@pytest.fixture
async def world(fresh: World) -> World:
    await fresh.register()
    return fresh
