"""What a web service function accepts: Moodle's `external_function_parameters` in miniature.

A description is a tree of `Value`, `Struct` and `Many`. `check` walks it beside the received data, fills defaults and
fails as Moodle does: a missing or unknown key and a value that changes when it is cleaned are all the same
`invalidparameter`. Data comes from a form (everything is text, lists are maps with numbers as keys) or, inside the
bulk function, from JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import InvalidParameter

REQUIRED = object()
OPTIONAL = object()

_CLEAN = {
    "alpha": re.compile(r"[^a-zA-Z]"),
    "alphanum": re.compile(r"[^A-Za-z0-9]"),
    "alphanumext": re.compile(r"[^A-Za-z0-9_-]"),
}


@dataclass(frozen=True)
class Value:
    """A scalar; `kind` is a Moodle parameter type: int, bool, alpha, alphanum, alphanumext or raw."""

    kind: str
    default: Any = REQUIRED


@dataclass(frozen=True)
class Struct:
    """A map with known keys."""

    keys: Mapping[str, Value | Struct | Many]
    default: Any = REQUIRED


@dataclass(frozen=True)
class Many:
    """A list of equal things."""

    content: Value | Struct
    default: Any = REQUIRED


Description: TypeAlias = Value | Struct | Many


def php_int(text: object) -> int:
    """PHP's `(int)` of a text: the leading number, else 0."""
    match = re.match(r"\s*([+-]?\d+)", str(text), re.ASCII)
    return int(match.group(1)[:19]) if match else 0


def clean(kind: str, value: Any) -> Any:
    """Make a value fit its type by dropping what does not (Moodle: `clean_param`)."""
    if kind == "int":
        return php_int(value)
    if kind in _CLEAN:
        return _CLEAN[kind].sub("", str(value))
    return value if isinstance(value, str) else _text(value)


def check(description: Description, data: Any) -> Any:
    """The data with defaults filled in, or `InvalidParameter` (Moodle: `external_api::validate_parameters`)."""
    if isinstance(description, Value):
        return _check_value(description, data)
    if isinstance(data, list):
        data = {str(place): item for place, item in enumerate(data)}
    if not isinstance(data, dict):
        raise InvalidParameter(f"Only arrays accepted. The bad value is: '{data}'")
    if isinstance(description, Many):
        return [check(description.content, item) for item in data.values()]
    return _check_struct(description, data)


def _check_struct(description: Struct, data: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, below in description.keys.items():
        if key in data:
            try:
                result[key] = check(below, data[key])
            except InvalidParameter as failure:
                raise failure.inside(key) from None
        elif below.default is REQUIRED:
            raise InvalidParameter(f"Missing required key in single structure: {key}")
        elif below.default is not OPTIONAL:
            result[key] = below.default
    if unknown := [key for key in data if key not in description.keys]:
        raise InvalidParameter(f"Unexpected keys ({', '.join(unknown)}) detected in parameter array.")
    return result


def _check_value(description: Value, data: Any) -> Any:
    if isinstance(data, dict | list):
        raise InvalidParameter("Scalar type expected, array or object received.")
    if data is None:
        return None
    text = _text(data)
    if description.kind == "bool":
        if text not in ("0", "1", ""):
            raise _wrong(text, "bool")
        return text == "1"
    cleaned = clean(description.kind, text)
    if str(cleaned) != text:
        raise _wrong(text, description.kind)
    return cleaned


def _wrong(text: str, kind: str) -> InvalidParameter:
    return InvalidParameter(
        f'Invalid external api parameter: the value is "{text}", the server was expecting "{kind}" type'
    )


def _text(value: object) -> str:
    """PHP's `(string)` of a scalar."""
    if isinstance(value, bool):
        return "1" if value else ""
    return str(value)
