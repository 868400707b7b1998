"""The list of all keys, read from the models: for the environment's names, for suggestions and for documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from ..problems import is_secret, model_of
from .settings import Settings

ENVIRONMENT_PREFIX = "MOODLE_APPSERVICE_"
FILE_SUFFIX = "_file"


class Kind(StrEnum):
    """What a key holds."""

    SECTION = "section"
    VALUE = "value"
    LIST = "list"
    MAP = "map"
    SECRET = "secret"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `default` is None where the key is required or has none; secrets also have a `<name>_file`."""

    name: str
    kind: Kind
    description: str
    required: bool
    default: Any = None

    @property
    def place(self) -> tuple[str, ...]:
        """The way to it through the sections."""
        return tuple(self.name.split("."))

    @property
    def environment(self) -> str:
        """The environment variable that overrides it."""
        return variable(self.place)


def variable(place: tuple[str, ...]) -> str:
    """The environment variable of a place."""
    return ENVIRONMENT_PREFIX + "__".join(place).upper()


@cache
def keys() -> tuple[Key, ...]:
    """Every key and every section, a section before its keys."""
    return tuple(_walk(Settings, ""))


def _walk(model: type[BaseModel], above: str) -> list[Key]:
    found: list[Key] = []
    for name, field in model.model_fields.items():
        full = above + name
        below = model_of(field)
        if below is None:
            found.append(
                Key(full, _kind(field), field.description or "", field.is_required(), _default(field))
            )
        else:
            found.append(Key(full, Kind.SECTION, (below.__doc__ or "").strip(), field.is_required()))
            found += _walk(below, f"{full}.")
    return found


def _kind(field: FieldInfo) -> Kind:
    if is_secret(field):
        return Kind.SECRET
    origin = get_origin(field.annotation)
    if origin is tuple:
        return Kind.LIST
    return Kind.MAP if origin is Mapping else Kind.VALUE


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return None
    value = field.default
    return value.get_secret_value() if isinstance(value, SecretStr) else value
