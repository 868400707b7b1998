"""Single fields of Moodle's JSON, read strictly: a wrong type is a `BadAnswer` that names the field.

Numbers may come as digits in a string and truths as 0 and 1, because PHP is careless about both; nothing else is
guessed. `function` is the Moodle function whose answer it is, for the error's message.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from . import errors
from .answer import Json

Row: TypeAlias = "dict[str, Json]"

_LARGEST: Final = 2**63 - 1


def row_of(function: str, value: Json, where: str) -> Row:
    """An object. `where` names it in the error. Raises `BadAnswer` for anything else."""
    if not isinstance(value, dict):
        raise errors.BadAnswer(function, about=where)
    return value


def rows_of(function: str, value: Json, where: str) -> list[Row]:
    """A list of objects, not null and not false: Moodle writes `[]` for none. Raises `BadAnswer` for anything else."""
    if not isinstance(value, list):
        raise errors.BadAnswer(function, about=f"{where}, which is no list")
    return [row_of(function, entry, f"an entry of {where}") for entry in value]


def text_of(function: str, row: Row, key: str, default: str | None = None) -> str:
    """A string, or a number as one; the default where the field is missing or null.

    Raises `BadAnswer` for a list or an object; without a default for all that is no string and no number.
    """
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        if default is None or isinstance(value, (dict, list)):
            raise errors.BadAnswer(function, about=f"the field {key}")
        return default
    # Half a surrogate pair is valid JSON and can't be written anywhere.
    return str(value).encode("utf-8", "replace").decode()


def whole_of(function: str, row: Row, key: str, default: int | None = None) -> int:
    """A whole number; the default where the field is missing or null."""
    value = row.get(key)
    if value is None and default is not None:
        return default
    return number_of(function, value, key)


def number_of(function: str, value: Json, where: str) -> int:
    """A whole number within 64 bits, also from digits in a string. Raises `BadAnswer` for what is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or abs(value) > _LARGEST:
        raise errors.BadAnswer(function, about=f"the field {where}")
    return value


def id_of(function: str, row: Row, key: str) -> int:
    """A whole number above 0. Raises `BadAnswer` for anything else."""
    value = row.get(key)
    number = 0 if isinstance(value, bool) else number_of(function, value, key)
    if number <= 0:
        raise errors.BadAnswer(function, about=f"the field {key}")
    return number


def moment_of(function: str, row: Row, key: str) -> float | None:
    """Unix seconds; Moodle writes 0 for no date."""
    moment = whole_of(function, row, key, 0)
    return float(moment) if moment else None


def is_true(value: Json) -> bool:
    """Whether PHP meant yes: `true`, 1, "1"."""
    return value not in (None, False, 0, "", "0", "false")
