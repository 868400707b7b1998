"""Cells of a report's columns, each parsed once, and the error that a cell which does not fit becomes.

A cell that does not hold what its column holds makes the whole report unreadable: skipping it would look like somebody
who left. The error names the column, never what the cell holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from ..domain.model import CourseId, MoodleUserId
from . import report_cells, report_errors
from .report_fetch import RETRIEVE, Page
from .report_kinds import Cell, Column
from .report_layout import Layout, Row
from .shapes import FRONT_PAGE

Value = TypeVar("Value")


class Parsed(dict[object, Value], Generic[Value]):
    """Cells of one column, each parsed once."""

    def __init__(self, parse: Callable[[object], Value]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, cell: object) -> Value:
        value = self[cell] = self._parse(cell)
        return value


@contextmanager
def reading(page: Page) -> Iterator[None]:
    """Turn the fault of a cell into `ReportUnreadable`."""
    try:
        yield
    except ValueError as fault:
        seen = page.description
        raise report_errors.ReportUnreadable(
            RETRIEVE, about=f"report {seen.id}, “{seen.name}”", detail=str(fault)
        ) from None


def column(layout: Layout, key: str, parse: Callable[[object], Value]) -> Parsed[Value]:
    """The cells of one column; a fault in one names the column."""
    header = next(column.headers[0] for column in layout.kind.columns if column.key == key)

    def parsed(cell: object) -> Value:
        try:
            return parse(cell)
        except ValueError as fault:
            raise ValueError(f"in the column “{header}”, {fault}") from None

    return Parsed(parsed)


def course_id(cell: object) -> CourseId | None:
    """The course that a cell leads to; None for an empty cell and for the front page."""
    found = report_cells.link(cell, "course")
    return CourseId(found[0]) if found and found[0] != FRONT_PAGE else None


def user_id(cell: object) -> MoodleUserId | None:
    """The person that a cell leads to; None for an empty cell."""
    found = report_cells.link(cell, "user")
    return MoodleUserId(found[0]) if found else None


def check(layout: Layout, wanted: Column, rows: Sequence[Row]) -> None:
    """Raises ValueError for the first cell of a column that does not hold what it must."""
    parse: Callable[[object], object] = {
        Cell.COURSE: lambda cell: report_cells.link(cell, "course"),
        Cell.USER: lambda cell: report_cells.link(cell, "user"),
        Cell.CATEGORY: lambda cell: report_cells.link(cell, "category"),
        Cell.CONTEXT: report_cells.text,
        Cell.ROLE: report_cells.role,
        Cell.YES_NO: report_cells.truth,
        Cell.DATE: report_cells.moment,
        Cell.TEXT: report_cells.text,
    }[wanted.cell]
    cells = column(layout, wanted.key, parse)
    for row in rows:
        cells[row[layout.columns[wanted.key]]]
