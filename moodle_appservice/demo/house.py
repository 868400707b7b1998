"""One whole installation in a folder: configuration, registration, service. The demo, tests and benchmarks live in it.

Everything goes through the real files and the real reading of them, so that what runs here is what an administrator
runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import config, registration
from ..config import Settings
from ..registration import Registration


def write_config(
    folder: Path,
    *,
    site: str,
    moodle_url: str,
    moodle_token: str,
    homeserver_url: str,
    domain: str,
    port: int,
    registration_file: str = "registration.yaml",
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **top: Any,
) -> Path:
    """Write `config.yaml` into a folder and return its path. `overrides`: section → keys; `top`: top-level keys."""
    content: dict[str, Any] = {
        "site": site,
        "moodle": {"url": moodle_url, "token": moodle_token, "interval": 3600},
        "homeserver": {"address": homeserver_url, "domain": domain},
        "appservice": {"registration": registration_file, "port": port},
        "identity": {"trust_for_moderators": "derived"},
        "rooms": {"existing_courses": True},
        "database": "sqlite:moodle-appservice.db",
        "control_socket": "control.sock",
        **top,
    }
    for section, keys in (overrides or {}).items():
        content[section] = {**content.get(section, {}), **keys}
    path = folder / "config.yaml"
    path.touch(mode=0o600)
    # JSON is YAML.
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


def write_registration(folder: Path, *, site: str, domain: str, port: int) -> Path:
    """Write `registration.yaml` for this installation, as `-g` does, and return its path."""
    path = folder / "registration.yaml"
    registration.write(registration.make(site=site, domain=domain, url=f"http://127.0.0.1:{port}"), path)
    return path


def read(path: Path) -> tuple[Settings, Registration]:
    """Read configuration and registration back, as the program does."""
    settings = config.load(path, {})
    found = registration.read(
        settings.appservice.registration, site=settings.site, domain=settings.homeserver.domain
    )
    return settings, found
