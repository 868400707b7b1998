"""What every test may use, and which tests are `live` and which are `browser`: those below the folders of that name.

All asynchronous tests and fixtures of a worker share one event loop (see `[tool.pytest.ini_options]`), so that a
server started by a session-wide fixture can be talked to from any test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import hypothesis
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

from tests.in_memory import write_into_memory
from tests.leaks import collecting, leaks_below

_HERE = Path(__file__).parent

# The machine may be slow and shared; a time limit per example would only measure that.
# Where a change is judged, the same examples each time; what is new is looked for elsewhere.
hypothesis.settings.register_profile(
    "shared-machine", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("shared-machine")


def pytest_configure() -> None:
    write_into_memory()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(_HERE).parts[0]
        if place in ("live", "browser"):
            item.add_marker(place)
        if place == "faults":
            item.add_marker("live")


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Over the whole run, see `tests/leaks.py`. Who looks into one of the logs sees what it was."""
    folder = tmp_path_factory.getbasetemp()
    with collecting(folder):
        yield
    leaks = leaks_below(folder)
    assert leaks == [], "A secret stands in these logs."


class _ClientResponse(ClientResponse):
    """aioresponses 0.7.9 does not know the argument that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **named: Any) -> None:
        named.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **named)


@pytest.fixture
def mocked_http(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """aioresponses for the few tests that need an answer no server of ours gives; 127.0.0.1 stays real."""
    monkeypatch.setattr("aioresponses.core.ClientResponse", _ClientResponse)
    with aioresponses(passthrough=["http://127.0.0.1"]) as answers:
        yield answers
