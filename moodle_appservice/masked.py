"""The configuration as the running service has read it, for people to look at: without any secret."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from io import StringIO
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, SecretStr
from ruamel.yaml import YAML

from .config import Settings

MASK = "***"


def masked(settings: Settings) -> str:
    """The whole configuration as YAML, defaults included; of a secret it only says whether there is one."""
    plain = _plain(settings)
    plain["database"] = settings.database_shown
    out = StringIO()
    yaml = YAML()
    yaml.width = 1000
    yaml.dump(plain, out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case BaseModel():
            return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case tuple() | list() | frozenset():
            return [_plain(one) for one in value]
        case Enum():
            return value.value
        case PurePath():
            return str(value)
        case _:
            return value
