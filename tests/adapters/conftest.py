"""`db` and `books`: a fresh store. It is SQLite's here; the same tests run on PostgreSQL among the live ones.

`homeserver`: one that answers as a test has scripted it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.store.books import Books
from moodle_appservice.store.db import Db
from tests.adapters.scripted_homeserver import ScriptedHomeserver
from tests.adapters.store_events import BOT


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """The address of the database of `db`."""
    return f"sqlite:{tmp_path / 'store.db'}"


@pytest.fixture
def fresh_url(tmp_path: Path) -> str:
    """The address of another one, that nobody has opened."""
    return f"sqlite:{tmp_path / 'fresh.db'}"


@pytest.fixture
async def db(store_url: str) -> AsyncIterator[Db]:
    made = Db(store_url)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def books(db: Db) -> Books:
    return Books(db, bot=BOT, prefix="!moodle")


@pytest.fixture
async def homeserver() -> AsyncIterator[ScriptedHomeserver]:
    made = ScriptedHomeserver()
    await made.start()
    yield made
    await made.stop()
