"""Which rows a report shows: its stored conditions, and the filters that the caller has set on top.

Both are a map of values with keys `<identifier>_operator`, `<identifier>_value` and so on; how an operator is read
depends on the kind of the condition. As in SQL a comparison with a record that is not there keeps the row out: with
a condition on the account, enrolment methods that nobody uses vanish. An identifier that the site does not know is
ignored without a word, and the report then shows more rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .parameters import php_int
from .report_columns import Column, column_of
from .report_rows import Row
from .report_view import View
from .reports import identifiers_in

Test: TypeAlias = Callable[[Any], bool]
"""Looks at the value of a column, None where the join found nothing."""

_KINDS = {
    "enrolment:status": "select", "enrol:plugin": "select", "user:auth": "select", "user:lang": "select",
    "role:name": "select", "role:archetype": "select", "group:visibility": "select", "course:groupmode": "select",
    "context:level": "select",
    "enrol:enabled": "yes or no", "user:suspended": "yes or no", "user:confirmed": "yes or no",
    "course:visible": "yes or no", "group:participation": "yes or no",
    "enrolment:timecreated": "date", "enrolment:timestarted": "date", "enrolment:timeended": "date",
    "course:startdate": "date", "course:enddate": "date", "user:lastaccess": "date", "user:timecreated": "date",
    "user:timemodified": "date",
}  # fmt: skip

NOT_EMPTY, EMPTY, RANGE, PAST, FUTURE = 1, 2, 3, 7, 8


class Condition:
    """One condition of a report, bound to a request."""

    def __init__(self, column: Column, view: View, test: Test) -> None:
        """Test the raw value of `column`."""
        self.record = column.record
        self._raw = column.raw
        self._view = view
        self._test = test
        self._known: dict[int, bool] = {}

    def holds(self, row: Row) -> bool:
        """Whether the row may stay."""
        found = getattr(row, self.record)
        known = self._known.get(id(found))
        if known is None:
            value = None if found is None else self._raw(self._view, found)
            known = self._known[id(found)] = self._test(value)
        return known


def conditions_of(
    view: View, values: Mapping[str, Any], wanted: Iterable[str] | None = None
) -> list[Condition]:
    """The conditions that a map of values holds and the site knows, only `wanted` ones where given."""
    conditions = []
    for identifier in identifiers_in(values):
        if wanted is not None and identifier not in wanted:
            continue
        column = column_of(view.session, identifier)
        parts = {
            part: values[f"{identifier}_{part}"]
            for part in ("operator", "value", "from", "to")
            if f"{identifier}_{part}" in values
        }
        test = _TESTS[_KINDS.get(identifier, "text")](parts, view.now) if column else None
        if column is not None and test is not None:
            conditions.append(Condition(column, view, test))
    return conditions


def _select(parts: Mapping[str, Any], _now: int) -> Test | None:
    wanted = str(parts.get("value", 0))
    operator = php_int(parts.get("operator", 0))
    if operator not in (1, 2):
        return None
    return lambda value: value is not None and (str(value) == wanted) == (operator == 1)


def _yes_or_no(parts: Mapping[str, Any], _now: int) -> Test | None:
    operator = php_int(parts.get("operator", 0))
    if operator not in (1, 2):
        return None
    return lambda value: value is not None and bool(value) == (operator == 1)


def _date(parts: Mapping[str, Any], now: int) -> Test | None:
    operator = php_int(parts.get("operator", 0))
    first, last = (php_int(parts.get(part, 0)) for part in ("from", "to"))
    tests: dict[int, Test] = {
        NOT_EMPTY: lambda value: bool(value),
        EMPTY: lambda value: not value,
        PAST: lambda value: value is not None and value < now,
        FUTURE: lambda value: value is not None and value > now,
    }
    if first and last:
        tests[RANGE] = lambda value: value is not None and first <= value <= last
    elif first or last:
        tests[RANGE] = lambda value: value is not None and (value >= first if first else value < last)
    return tests.get(operator)


def _text(parts: Mapping[str, Any], _now: int) -> Test | None:
    operator = php_int(parts.get("operator", 0))
    wanted = str(parts.get("value", "")).strip().casefold()
    tests: dict[int, Callable[[str], bool]] = {
        1: lambda text: wanted in text, 2: lambda text: wanted not in text,
        3: lambda text: text == wanted, 4: lambda text: text != wanted,
        5: lambda text: text.startswith(wanted), 6: lambda text: text.endswith(wanted),
    }  # fmt: skip
    if operator in (7, 8):
        return lambda value: (not value) == (operator == 7)
    test = tests.get(operator)
    if test is None or not wanted:
        return None
    return lambda value: value is not None and test(str(value).casefold())


_TESTS: dict[str, Callable[[Mapping[str, Any], int], Test | None]] = {
    "select": _select,
    "yes or no": _yes_or_no,
    "date": _date,
    "text": _text,
}
