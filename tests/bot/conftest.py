"""`world`: an engine with its own database, an empty Moodle and an empty homeserver; `house`: the bot over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.house import House, open_house
from tests.engine.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "store.db")
    await made.db.start()
    yield made
    await made.db.stop()


@pytest.fixture
async def house(world: World) -> AsyncIterator[House]:
    async with open_house(world) as made:
        yield made
