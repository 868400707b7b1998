"""A new database with all its tables, as a copy: making the tables takes longer than many a test."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from moodle_appservice.store.db import Db


def put_empty_database(path: Path) -> None:
    """Let an empty database lie here, unless there is one already."""
    if not path.exists():
        path.write_bytes(_empty())


@cache
def _empty() -> bytes:
    folder = Path(tempfile.mkdtemp(prefix="moodle-appservice-empty-"))
    try:
        # The caller's event loop runs already.
        made = threading.Thread(target=lambda: asyncio.run(_make(folder / "empty.db")))
        made.start()
        made.join()
        return (folder / "empty.db").read_bytes()
    finally:
        shutil.rmtree(folder)


async def _make(path: Path) -> None:
    db = Db(f"sqlite:{path}")
    await db.start()
    await db.stop()
