"""SIGHUP: the configuration is read again, and what can be changed while the service runs is changed.

That is what is logged (`logging`) and for how long things are kept (`audit`). Everything else that differs is named,
because it takes a restart. A configuration that is wrong changes nothing: all that is wrong with it stands in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from . import logs
from .config import Settings
from .errors import AppError
from .rulebook import keep_from
from .service import Service

AT_ONCE = ("logging.", "audit.")
"""Sections whose keys are taken over at once."""
log = logging.getLogger(__name__)


class Reload:
    """Called for each SIGHUP. `read` reads the configuration and raises `AppError` where it is wrong."""

    def __init__(self, service: Service, read: Callable[[], Settings]) -> None:
        self._service = service
        self._read = read
        self._settings = service.settings

    def __call__(self) -> None:
        """Read, take over, and say what came of it."""
        try:
            fresh = self._read()
        except AppError as failure:
            log.error("The configuration was read again and is wrong; nothing was changed.\n%s", failure)
            return
        changed = differing(self._settings, fresh)
        now = [name for name in changed if name.startswith(AT_ONCE)]
        later = [name for name in changed if not name.startswith(AT_ONCE)]
        secrets = (*self._service.registration.secrets(), *self._settings.secrets(), *fresh.secrets())
        logs.set_up(fresh.logging.level, fresh.logging.format, secrets)
        self._service.retention.keep = keep_from(fresh)
        self._settings = self._settings.model_copy(update={"logging": fresh.logging, "audit": fresh.audit})
        log.info("The configuration was read again. Taken over: %s.", ", ".join(now) or "nothing")
        if later:
            log.warning("These keys have changed and take a restart: %s.", ", ".join(later))


def differing(before: Settings, after: Settings) -> list[str]:
    """The names of keys with different values, such as `logging.level`, in order."""
    old, new = _flat(before.model_dump()), _flat(after.model_dump())
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found
