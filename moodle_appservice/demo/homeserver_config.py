"""The configuration files of the embedded homeserver: small, quick, and deaf to the rest of the world.

One listener on 127.0.0.1 for clients and administrators, none for federation; no key server, no presence, no
telemetry. Rate limits are out of the way unless a test wants Synapse's own: with them off, `rate_limited: true` in a
registration has nothing to bite on. Password hashing is cheap on purpose: nothing here outlives the process.
What we write is JSON, which is YAML; registrations are somebody else's and read as YAML.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ruamel.yaml import YAML

_UNLIMITED = {"per_second": 100_000.0, "burst_count": 100_000}
_NO_LIMITS: dict[str, Any] = {
    "rc_message": _UNLIMITED,
    "rc_registration": _UNLIMITED,
    "rc_registration_token_validity": _UNLIMITED,
    "rc_admin_redaction": _UNLIMITED,
    "rc_joins_per_room": _UNLIMITED,
    "rc_3pid_validation": _UNLIMITED,
    "rc_third_party_invite": _UNLIMITED,
    "rc_media_create": _UNLIMITED,
    "rc_key_requests": _UNLIMITED,
    "rc_delayed_event_mgmt": _UNLIMITED,
    "rc_profile": _UNLIMITED,
    "rc_reports": _UNLIMITED,
    "rc_room_creation": _UNLIMITED,
    "rc_user_directory": _UNLIMITED,
    "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
    "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
    "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
}


def write_config(
    folder: Path,
    *,
    server_name: str,
    port: int,
    shared_secret: str,
    registrations: Sequence[Path],
    postgres_url: str | None,
    rate_limits: bool,
    settings: Mapping[str, Any],
) -> Path:
    """Write everything that Synapse reads at start into `folder`; gives the file for `-c`."""
    config: dict[str, Any] = {
        "server_name": server_name,
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "pid_file": str(folder / "homeserver.pid"),
        "listeners": [_listener(port)],
        "database": _database(folder, postgres_url),
        "log_config": str(folder / "log.yaml"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "registration_shared_secret": shared_secret,
        "macaroon_secret_key": shared_secret,
        "form_secret": shared_secret,
        "app_service_config_files": [str(path.resolve()) for path in registrations],
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "enable_registration": False,
        "presence": {"enabled": False},
        "bcrypt_rounds": 4,
        "login_via_existing_session": {"enabled": True, "require_ui_auth": False, "token_timeout": "5m"},
        **({} if rate_limits else _NO_LIMITS),
        **settings,
    }
    _write(folder / "log.yaml", json.dumps(_logging(folder, port), indent=1))
    _write_signing_key(folder / "signing.key")
    target = folder / "homeserver.yaml"
    _write(target, json.dumps(config, indent=1))
    return target


def users_of_services(registrations: Sequence[Path], server_name: str) -> dict[str, list[re.Pattern[str]]]:
    """For each application service: the user id of its sender, and what its users' ids look like."""
    found: dict[str, list[re.Pattern[str]]] = {}
    for path in registrations:
        registration = YAML(typ="safe", pure=True).load(path)
        users = registration.get("namespaces", {}).get("users") or []
        sender = f"@{registration['sender_localpart']}:{server_name}"
        found[sender] = [re.compile(entry["regex"]) for entry in users]
    return found


def _listener(port: int) -> dict[str, Any]:
    return {
        "port": port,
        "type": "http",
        "tls": False,
        "x_forwarded": False,
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": ["client"], "compress": False}],
    }


def _database(folder: Path, postgres_url: str | None) -> dict[str, Any]:
    if postgres_url is None:
        return {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}}
    url = urlsplit(postgres_url)
    arguments: dict[str, Any] = {
        "host": url.hostname,
        "port": url.port or 5432,
        "user": unquote(url.username or ""),
        "dbname": url.path.lstrip("/"),
        "cp_min": 1,
        "cp_max": 10,
    }
    if url.password:
        arguments["password"] = unquote(url.password)
    return {"name": "psycopg2", "args": arguments}


def _logging(folder: Path, port: int) -> dict[str, Any]:
    def to_file(name: str, layout: str) -> dict[str, Any]:
        target = str(folder / name)
        return {"class": "logging.FileHandler", "filename": target, "formatter": layout, "encoding": "utf-8"}

    return {
        "version": 1,
        "formatters": {
            "plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
            "bare": {"format": "%(message)s"},
        },
        "handlers": {"log": to_file("homeserver.log", "plain"), "access": to_file("access.log", "bare")},
        "loggers": {
            f"synapse.access.http.{port}": {"level": "INFO", "handlers": ["access"], "propagate": False}
        },
        "root": {"level": "WARNING", "handlers": ["log"]},
        "disable_existing_loggers": False,
    }


def _write_signing_key(path: Path) -> None:
    if not path.exists():
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        _write(path, f"ed25519 a_{secrets.token_hex(2)} {seed}\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
