"""Which column of a report is which, whether its conditions are right, and its fingerprint.

A column is found by its English header. A link column that somebody has given another heading is found by its cells.
Two columns with the same header (a group's and a grouping's “Name”) can't be told apart: that is a problem, as is every
needed column and condition that is missing. What is not ours is kept as `extras`, by header: profile and course fields.

The fingerprint is what an upgrade of Moodle or an edit would change: number and order of headers, source, conditions.
Whoever sets the source up stores it; from then on every answer is compared with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from . import report_cells
from .report_kinds import LINKS, Cell, Column, Kind

Row: TypeAlias = tuple[object, ...]

SAMPLE: Final = 200
"""Rows that are looked at to find a link column by its cells."""
_LINK_TO: Final = {Cell.COURSE: "course", Cell.USER: "user", Cell.CATEGORY: "category"}
_OF_A_GROUP: Final = frozenset({"visibility", "participation", "full name with link"})
_PART: Final = re.compile(r"_(operator|value\d*|unit|from|to|values)$")


@dataclass(frozen=True, slots=True)
class Description:
    """What `details` and `headers` of an answer say about a report."""

    id: int
    name: str
    source: str
    headers: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, str]]
    """Identifier → part (`operator`, `value`, …) → value as text."""
    unique_rows: bool = False

    def fingerprint(self) -> str:
        """JSON with sorted keys: readable, and the same as long as nothing that matters has changed."""
        said = {
            "source": self.source,
            "headers": list(self.headers),
            "conditions": {key: dict(parts) for key, parts in self.conditions.items()},
            "unique_rows": self.unique_rows,
        }
        return json.dumps(said, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one report by their keys, the rest by its headers, and what is wrong with it, a sentence each."""

    kind: Kind
    columns: Mapping[str, int]
    extras: Mapping[str, int]
    problems: tuple[str, ...]

    def has(self, key: str) -> bool:
        """Whether the report has this column."""
        return key in self.columns


def recognise(kind: Kind, seen: Description, rows: Sequence[Row]) -> Layout:
    """Find the columns of a kind of report. `rows` are some of its rows."""
    problems = (
        [] if seen.source == kind.source else [f"Its report source is {seen.source}, not {kind.source}."]
    )
    columns: dict[str, int] = {}
    for column in kind.columns:
        found = _find(column, kind, seen.headers, rows, set(columns.values()))
        if isinstance(found, int):
            columns[column.key] = found
        elif found:
            problems.append(found)
    problems += _wrong_conditions(kind, seen.conditions)
    taken = set(columns.values())
    extras = {header: index for index, header in enumerate(seen.headers) if index not in taken}
    return Layout(kind, columns, extras, tuple(problems))


def _find(
    column: Column, kind: Kind, headers: Sequence[str], rows: Sequence[Row], taken: set[int]
) -> int | str:
    """The index of a column, a sentence about what is wrong with it, or an empty text: it is missing and may be."""
    names = [name.casefold() for name in column.headers]
    places = [index for index, header in enumerate(headers) if header.strip().casefold() in names]
    if len(places) > 1 and column.cell in LINKS:
        # The full name before the short name: all of them lead to the same thing.
        places = sorted(places, key=lambda index: names.index(headers[index].strip().casefold()))[:1]
    if len(places) > 1:
        places = _always_filled(places, headers, rows)
    if len(places) > 1:
        return (
            f"{len(places)} columns are called “{column.headers[0]}”: keep the one of {column.entity} alone, or rename"
            f" its heading to “{column.entity} {column.headers[0].lower()}”."
        )
    if not places and column.twin_of:
        twin = next(other for other in kind.columns if other.key == column.twin_of)
        words = [name.casefold() for name in twin.headers]
        places = [
            index
            for index, header in enumerate(headers)
            if index not in taken and header.strip().casefold() in words
        ]
    if places:
        return places[0]
    if column.cell in LINKS:
        others = {header.casefold() for other in kind.columns for header in other.headers}
        for index, header in enumerate(headers):
            if index not in taken and header.casefold() not in others and _leads(rows, index, column.cell):
                return index
    if not column.needed:
        return ""
    return f"The column “{column.headers[0]}” of {column.entity} is missing ({column.cell.value})."


def _always_filled(places: list[int], headers: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """Of columns with the same header those that are never empty; any one of them where there is nothing.

    A group and a grouping both have a “Name”; only the group's is filled wherever there is a group.
    """
    tells = [index for index, header in enumerate(headers) if header.casefold() in _OF_A_GROUP]
    there = [row for row in rows if any(row[index] for index in tells)]
    if not there:
        return places[:1]
    filled = [index for index in places if all(row[index] for row in there)]
    return filled or places


def _leads(rows: Sequence[Row], index: int, cell: Cell) -> bool:
    """Whether every filled cell of a column is such a link, and at least one is there."""
    found = False
    for row in rows[:SAMPLE]:
        try:
            found |= report_cells.link(row[index], _LINK_TO[cell]) is not None
        except ValueError:
            return False
    return found


def _wrong_conditions(kind: Kind, there: Mapping[str, Mapping[str, str]]) -> list[str]:
    wrong = [
        f"The condition “{condition.click}” is missing: {condition.why}."
        for condition in kind.conditions
        if not any(_is(there.get(name), operator, value) for name, operator, value in condition.forms)
    ]
    ours = _identifiers(kind)
    for identifier, parts in there.items():
        if identifier in ours or parts.get("operator", "0") == "0":
            continue
        if kind.source.endswith("\\users"):
            wrong.append(
                f"Take the condition {identifier} out: whom it leaves out would look unknown, not suspended."
            )
        elif identifier in kind.tolerated and kind.tolerated[identifier] != (
            parts.get("operator", ""),
            parts.get("value", ""),
        ):
            wrong.append(f"The condition {identifier} leaves out the wrong people: take it out.")
    return wrong


def _is(parts: Mapping[str, str] | None, operator: str, value: str) -> bool:
    if parts is None or parts.get("operator") != operator:
        return False
    return not value or parts.get("value") == value


def _identifiers(kind: Kind) -> set[str]:
    return {identifier for condition in kind.conditions for identifier, _, _ in condition.forms}


def narrowing(kind: Kind, seen: Description) -> list[str]:
    """Conditions that are allowed and make the report show less than the whole site."""
    known = _identifiers(kind) | set(kind.tolerated)
    return sorted(
        identifier
        for identifier, parts in seen.conditions.items()
        if identifier not in known and parts.get("operator", "0") != "0"
    )


def conditions_of(text: object) -> dict[str, dict[str, str]]:
    """`conditiondata`: JSON of `identifier_part` → value, where numbers may come as text. Raises ValueError."""
    if text is None or text == "":
        return {}
    said = json.loads(text) if isinstance(text, str) else text
    if isinstance(said, list) and not said:
        return {}
    if not isinstance(said, dict):
        raise ValueError("conditiondata is no object")
    found: dict[str, dict[str, str]] = {}
    for key, value in said.items():
        part = _PART.search(key)
        identifier = key[: part.start()] if part else key
        if isinstance(value, (dict, list)):
            value = json.dumps(value, sort_keys=True)
        found.setdefault(identifier, {})[part[1] if part else ""] = "" if value is None else str(value)
    return found


def difference(before: str, now: str) -> str:
    """What has changed between two fingerprints, in a sentence."""
    try:
        old, new = json.loads(before), json.loads(now)
    except ValueError:
        return "What was stored about it can't be read."
    if not isinstance(old, dict):
        return "What was stored about it can't be read."
    names = {
        "source": "source",
        "headers": "columns",
        "conditions": "conditions",
        "unique_rows": "unique rows",
    }
    return " ".join(
        f"Its {name} were {json.dumps(old.get(key), ensure_ascii=False)} and are "
        f"{json.dumps(new[key], ensure_ascii=False)}."
        for key, name in names.items()
        if old.get(key) != new[key]
    )
