"""One process or several: what differs before anything is built.

The parts of a cluster are imported only where it is on, for their packages are an extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from .config import Settings
from .errors import ConfigError, Problem
from .matrix.fence import fenced_session
from .ports import Clock

if TYPE_CHECKING:
    from .clustered import Clustered


def cluster_of(settings: Settings, clock: Clock) -> Clustered | None:
    """Our part of a cluster; None where this process works alone. Raises `ConfigError` where a package is missing."""
    if not settings.cluster.enabled:
        return None
    try:
        from .clustered import Clustered
    except ModuleNotFoundError as missing:
        wrong = f"is on, and the package {missing.name} is not installed"
        right = "Install the extra: pip install 'moodle-appservice[cluster]'."
        raise ConfigError([Problem("configuration", None, "cluster.enabled", wrong, right)]) from None
    return Clustered(settings.database.get_secret_value(), clock)


def new_session(clustered: Clustered | None, **arguments: Any) -> aiohttp.ClientSession:
    """What carries all requests; in a cluster only as long as this process holds its lease."""
    headers = {"User-Agent": "moodle-appservice"}
    if clustered is None:
        return aiohttp.ClientSession(headers=headers, **arguments)
    return fenced_session(clustered.lease.check, headers=headers, **arguments)
