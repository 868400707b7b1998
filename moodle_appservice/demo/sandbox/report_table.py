"""A report as a table: which rows, in which order, which part of them, and the text of each cell.

Columns that the site does not know are left out, header and all. With an aggregated column the others become the
key of a group; otherwise `uniquerows` merges equal rows. A report without sorting has no order that one may rely on
from one request to the next: see `Reports.restless`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .report_columns import Column, column_of
from .report_conditions import conditions_of
from .report_rows import Row, rows_of
from .report_view import Cell, View
from .reports import Report, identifiers_in

_UNSORTED = re.compile(r"\W")


class Table:
    """One report for one request."""

    def __init__(self, view: View, report: Report) -> None:
        """Look up the columns that the report has here and now."""
        self._view = view
        self._report = report
        stored = ((column, column_of(view.session, column.identifier)) for column in report.columns)
        known = [(column, found) for column, found in stored if found is not None]
        self._columns = [found for _, found in known]
        self._aggregations = [column.aggregation for column, _ in known]
        self._sorts = {column.identifier: found for column, found in known}
        self.headers = [column.heading or found.title for column, found in known]

    def page(self, page: int, perpage: int) -> tuple[list[list[Cell]], int]:
        """The rows of a page, counted from 0, and the number of all rows; `perpage` 0 is all of them."""
        if not self._columns:
            return [], 0
        rows = self._rows()
        start = max(page, 0) * perpage if perpage > 0 else 0
        part = slice(start, start + perpage if perpage > 0 else None)
        if any(self._aggregations):
            table = self._grouped(rows)
        elif self._report.uniquerows:
            table = [list(cells) for cells in dict.fromkeys(zip(*self._cells(rows), strict=True))]
        else:
            return [list(cells) for cells in zip(*self._cells(rows[part]), strict=True)], len(rows)
        return table[part], len(table)

    def _rows(self) -> list[Row]:
        """All rows that the conditions leave, in the report's order."""
        view, report = self._view, self._report
        stored = report.conditions or {}
        conditions = conditions_of(view, stored, set(identifiers_in(stored)) - report.removed_conditions)
        chosen = view.session.site.reports.filter_values.get((report.id, view.session.user), {})
        conditions += conditions_of(view, chosen, report.filters)
        needed = frozenset({column.record for column in self._columns} | {one.record for one in conditions})
        rows = [
            row
            for row in rows_of(view.university, report.source, needed)
            if all(condition.holds(row) for condition in conditions)
        ]
        self._sort(rows)
        return rows

    def _sort(self, rows: list[Row]) -> None:
        sorting = [entry for entry in self._report.sorting if entry.lstrip("-") in self._sorts]
        if not sorting and self._view.session.site.reports.restless:
            random.shuffle(rows)
        for entry in reversed(sorting):
            column = self._sorts[entry.lstrip("-")]
            keys: dict[int, Any] = {}
            for row in rows:
                found = getattr(row, column.record)
                if id(found) not in keys:
                    keys[id(found)] = _order(None if found is None else column.raw(self._view, found))
            rows.sort(
                key=lambda row, keys=keys, record=column.record: keys[id(getattr(row, record))],  # type: ignore[misc]
                reverse=entry.startswith("-"),
            )

    def _cells(self, rows: Sequence[Row]) -> list[list[Cell]]:
        """The cells column by column, each made once per record; the rows keep the records alive meanwhile."""
        return [self._cells_of(column, rows) for column in self._columns]

    def _cells_of(self, column: Column, rows: Iterable[Row]) -> list[Cell]:
        view, record, show = self._view, column.record, column.show
        made: dict[int, Cell] = {id(None): column.missing}
        cells: list[Cell] = []
        for row in rows:
            found = getattr(row, record)
            if id(found) not in made:
                made[id(found)] = show(view, found)
            cells.append(made[id(found)])
        return cells

    def _grouped(self, rows: list[Row]) -> list[list[Cell]]:
        plain = [
            self._cells_of(column, rows)
            for column, how in zip(self._columns, self._aggregations, strict=True)
            if not how
        ]
        keys = zip(*plain, strict=True) if plain else (() for _ in rows)
        groups: dict[tuple[Cell, ...], list[Row]] = {}
        for key, row in zip(keys, rows, strict=True):
            groups.setdefault(tuple(key), []).append(row)
        table = []
        for key, members in groups.items():
            cells = iter(key)
            table.append(
                [
                    AGGREGATIONS[how](self._view, column, members) if how else next(cells)
                    for column, how in zip(self._columns, self._aggregations, strict=True)
                ]
            )
        return table


def _order(value: Any) -> tuple[bool, Any]:
    """What to sort by: without regard to case, nothing last."""
    if isinstance(value, tuple):
        return False, tuple(part.casefold() if isinstance(part, str) else part for part in value)
    return value is None, value.casefold() if isinstance(value, str) else value or 0


def _found(column: Column, rows: list[Row]) -> list[Any]:
    return [found for row in rows if (found := getattr(row, column.record)) is not None]


def _count(_view: View, column: Column, rows: list[Row]) -> Cell:
    return len(_found(column, rows))


def _count_distinct(view: View, column: Column, rows: list[Row]) -> Cell:
    return len({column.raw(view, found) for found in _found(column, rows)})


def _largest(view: View, column: Column, rows: list[Row]) -> Cell:
    found = _found(column, rows)
    return column.show(view, max(found, key=lambda one: column.raw(view, one))) if found else column.missing


def _concat(view: View, column: Column, rows: list[Row]) -> Cell:
    """All values, in the order in which a database compares text: signs and blanks count for nothing."""

    def order(found: Any) -> str:
        raw = column.raw(view, found)
        return _UNSORTED.sub("", "".join(map(str, raw)) if isinstance(raw, tuple) else str(raw)).casefold()

    return ", ".join(str(column.show(view, found)) for found in sorted(_found(column, rows), key=order))


def _concat_distinct(view: View, column: Column, rows: list[Row]) -> Cell:
    different = {
        column.raw(view, getattr(row, column.record)): row for row in rows if getattr(row, column.record)
    }
    return _concat(view, column, list(different.values()))


AGGREGATIONS: dict[str, Callable[[View, Column, list[Row]], Cell]] = {
    "count": _count,
    "countdistinct": _count_distinct,
    "max": _largest,
    "groupconcat": _concat,
    "groupconcatdistinct": _concat_distinct,
}
