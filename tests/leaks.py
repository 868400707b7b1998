"""No secret stands in any log of a whole run of the tests.

The secrets are those of the configurations and registrations that tests have written below the run's folder; the logs
are what services wrote there, and what services inside the test process logged (`collecting` writes that down, masked
only by how things look: less than what a service, which knows its secrets, masks). All is looked at once, when the run
has ended.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moodle_appservice.logs import Masker, TextFormatter

_SECRET = re.compile(rb"""(?:token|secret|password)["']?\s*:\s*["']?([A-Za-z0-9]{16,})""")
_WORD = re.compile(rb"[A-Za-z0-9]{16,}")
_WRITTEN = ("*.yaml", "*.yml")
_LOGS = ("*.log", "log", "*.err")


@contextmanager
def collecting(folder: Path) -> Iterator[None]:
    """Write down what this process logs meanwhile."""
    handler = logging.FileHandler(folder / "this-process.log", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(TextFormatter(Masker()))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def secrets_below(folder: Path) -> set[bytes]:
    """Whatever stands behind the name of a secret in a configuration or a registration."""
    found: set[bytes] = set()
    for path in _files(folder, _WRITTEN):
        found.update(_SECRET.findall(path.read_bytes()))
    return found


def leaks_below(folder: Path) -> list[str]:
    """Where a secret stands in a log, a line for each place, without the secret."""
    secrets = secrets_below(folder)
    return [
        f"{path}:{number}"
        for path in _files(folder, _LOGS)
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if not secrets.isdisjoint(_WORD.findall(line))
    ]


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.rglob(pattern) if path.is_file())
