"""`world`: an engine with its own database, an empty Moodle and an empty homeserver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "store.db")
    await made.db.start()
    yield made
    await made.db.stop()
