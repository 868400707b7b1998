"""The Moodle of the instructions, as it is after each of their steps, and what `doctor` shows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moodle_appservice.config import Settings
from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.doctor import moodle as about_moodle
from moodle_appservice.doctor import people as about_people
from moodle_appservice.doctor.examined import prepared
from moodle_appservice.doctor.frame import as_text, examine
from moodle_appservice.moodle.bulk import BULK
from moodle_appservice.moodle.shapes import NEEDED
from moodle_appservice.registration import make

TOKEN = "a-token-of-this-test"
HOMESERVER_IS_NEEDED = {"Rights over accounts"}
CHECKS = [
    check for check in (*about_moodle.CHECKS, *about_people.CHECKS) if check.name not in HOMESERVER_IS_NEEDED
]


@dataclass(frozen=True)
class State:
    """How Moodle and the configuration differ from what steps 1 to 4 leave behind."""

    change: Callable[[SandboxMoodle], object] = lambda moodle: None
    settings: Mapping[str, Any] | None = None


async def doctor(state: State, folder: Path) -> list[str]:
    """The lines that `doctor` shows about Moodle."""
    moodle = SandboxMoodle(token=TOKEN, site_url="https://moodle.example.org")
    moodle.site.service.functions = [*NEEDED, BULK]
    async with moodle:
        state.change(moodle)
        plain: dict[str, Any] = {
            "site": "uni",
            "database": f"sqlite:{folder / 'ours.db'}",
            "control_socket": str(folder / "none.sock"),
            "moodle": {"url": moodle.url, "token": TOKEN},
            "homeserver": {"address": "http://127.0.0.1:9", "domain": "example.org"},
        }
        for section, keys in (state.settings or {}).items():
            plain[section] = {**plain.get(section, {}), **keys}
        settings = Settings.model_validate(plain)
        at = await prepared(settings, make(site="uni", domain="example.org", url="http://127.0.0.1:9"))
        try:
            return as_text(await examine(CHECKS, at)).splitlines()
        finally:
            await at.service.stop()
