"""Finding reports and reading their rows: `core_reportbuilder_list_reports`, `core_reportbuilder_retrieve_report`.

A report is read in one request where it fits (`perpage=0` gives all rows). Beyond `rows_per_request` it is read page by
page, and pages are only put together when they are known to fit: every page counts the same total, no course comes back
after another one has begun (else the report is not sorted), and every seam between two pages is read once more by a
small page that spans it, after all pages are there. A row that came or went meanwhile moves all seams behind it. Seams
between rows that the sorting can't tell apart are avoided by another size of page. What does not fit is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from . import errors, report_errors
from .answer import Json
from .client import MoodleClient
from .fields import id_of, row_of, rows_of, text_of, whole_of
from .report_cells import link
from .report_kinds import Kind
from .report_layout import Description, Row, conditions_of

LIST: Final = "core_reportbuilder_list_reports"
RETRIEVE: Final = "core_reportbuilder_retrieve_report"

_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """Which reports to read: by number or exact name for a kind, else by `prefix` and the kind (`Matrix users`)."""

    prefix: str = "Matrix"
    reports: Mapping[str, int | str] | None = None

    def name(self, kind: Kind) -> str:
        """What the report of a kind is called, for people."""
        chosen = (self.reports or {}).get(kind.name)
        return chosen if isinstance(chosen, str) else f"{self.prefix} {kind.name}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A report that our account may see."""

    id: int
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a report, all of one length, and what the answer says about the whole."""

    description: Description
    rows: list[Row]
    total: int


def find(kind: Kind, choice: Choice, listed: Sequence[Listed]) -> int | None:
    """The number of the report of a kind, None where there is none. Raises `ReportAmbiguous`."""
    chosen = (choice.reports or {}).get(kind.name)
    if isinstance(chosen, int):
        return chosen
    wanted = _plain(choice.name(kind))
    found = [report for report in listed if _plain(report.name) == wanted]
    if len(found) > 1:
        numbers = ", ".join(str(report.id) for report in found)
        raise report_errors.ReportAmbiguous(LIST, about=f"“{choice.name(kind)}”: {numbers}")
    return found[0].id if found else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def parse_list(answer: Json) -> list[Listed]:
    """`core_reportbuilder_list_reports`. Raises `BadAnswer`."""
    rows = rows_of(LIST, row_of(LIST, answer, "the answer").get("reports"), "reports")
    return [
        Listed(id_of(LIST, row, "id"), text_of(LIST, row, "name"), text_of(LIST, row, "source"))
        for row in rows
    ]


def parse_page(answer: Json) -> Page:
    """`core_reportbuilder_retrieve_report`. Raises `BadAnswer`."""
    whole = row_of(RETRIEVE, answer, "the answer")
    details = row_of(RETRIEVE, whole.get("details"), "details")
    data = row_of(RETRIEVE, whole.get("data"), "data")
    headers = data.get("headers")
    rows = data.get("rows")
    if not isinstance(headers, list) or not isinstance(rows, list):
        raise errors.BadAnswer(RETRIEVE, about="headers or rows, which are no list")
    try:
        conditions = conditions_of(details.get("conditiondata"))
    except ValueError:
        raise errors.BadAnswer(RETRIEVE, about="the field conditiondata") from None
    description = Description(
        id=id_of(RETRIEVE, details, "id"),
        name=text_of(RETRIEVE, details, "name", ""),
        source=text_of(RETRIEVE, details, "source"),
        headers=tuple(str(header) for header in headers),
        conditions=conditions,
        unique_rows=bool(details.get("uniquerows")),
    )
    return Page(description, _rows(rows, len(headers)), whole_of(RETRIEVE, data, "totalrowcount"))


def _rows(rows: list[Json], width: int) -> list[Row]:
    """Rows as tuples, which decoding has made of them already if it was compact (see `answer`)."""
    found: list[Row] = []
    for row in rows:
        cells: object = row.get("columns") if isinstance(row, dict) else row
        cells = tuple(cells) if isinstance(cells, list) else cells
        if not isinstance(cells, tuple) or len(cells) != width:
            raise errors.BadAnswer(RETRIEVE, about="a row with more or fewer cells than there are headers")
        found.append(cells)
    return found


class ReportReader:
    """Reads reports with one client. `rows_per_request`: 0 for whole reports in one request."""

    def __init__(self, client: MoodleClient, *, rows_per_request: int = 0) -> None:
        self._client = client
        self._rows_per_request = rows_per_request

    async def list_reports(self) -> list[Listed]:
        """Every report that our account may see. Raises `MoodleError`."""
        return parse_list(await self._client.call(LIST, {"page": 0, "perpage": 0}))

    async def look(self, report_id: int, *, rows: int) -> Page:
        """The first rows of a report. Raises `ReportMissing` or another `MoodleError`."""
        return await self._page(report_id, 0, rows)

    async def read(self, report_id: int) -> Page:
        """All rows of a report. Raises `ReportMissing`, `ReportNotSorted`, `ReportMoved` or another `MoodleError`."""
        size = self._rows_per_request
        first = await self._page(report_id, 0, size)
        if not size or first.total <= len(first.rows):
            if len(first.rows) != first.total:
                raise errors.BadAnswer(
                    RETRIEVE, about=f"{len(first.rows)} rows of a report that counts {first.total}"
                )
            return first
        for attempt in range(_TRIES):
            whole = await self._in_pages(report_id, max(1, size - attempt))
            if whole is not None:
                return whole
        raise report_errors.ReportMoved(RETRIEVE, about=f"report {report_id}")

    async def _in_pages(self, report_id: int, size: int) -> Page | None:
        """The whole report, or None where its pages do not fit together."""
        first = await self._page(report_id, 0, size)
        rows = list(first.rows)
        seams: list[int] = []
        while len(rows) < first.total:
            seams.append(len(rows))
            page = await self._page(report_id, len(rows) // size, size)
            if page.total != first.total or page.description != first.description or not page.rows:
                return None
            rows += page.rows
            if len(page.rows) != size and len(rows) != first.total:
                return None
        if len(rows) != first.total:
            return None
        if not _is_sorted(rows):
            raise report_errors.ReportNotSorted(
                RETRIEVE, about=f"report {report_id}, “{first.description.name}”"
            )
        for seam in seams:
            if _alike(rows[seam - 1], rows[seam]) or not await self._holds(report_id, rows, seam):
                return None
        return Page(first.description, rows, first.total)

    async def _holds(self, report_id: int, rows: Sequence[Row], seam: int) -> bool:
        """Whether a small page that spans a seam shows what stands on both sides of it."""
        size = next(number for number in range(2, seam + 2) if seam % number)
        page = await self._page(report_id, seam // size, size)
        at = seam % size
        return page.total == len(rows) and page.rows[at - 1 : at + 1] == list(rows[seam - 1 : seam + 1])

    async def _page(self, report_id: int, page: int, size: int) -> Page:
        params: dict[str, Json] = {"reportid": report_id, "page": page, "perpage": size}
        try:
            return parse_page(await self._client.call(RETRIEVE, params, compact=True))
        except errors.RecordMissing:
            raise report_errors.ReportMissing(RETRIEVE, about=f"report {report_id}") from None


def _is_sorted(rows: Sequence[Row]) -> bool:
    """Whether the rows of each course stand together, as far as their names tell courses apart."""
    column = next(
        (
            index
            for index, cell in enumerate(rows[0])
            if isinstance(cell, str) and "/course/view.php?id=" in cell
        ),
        None,
    )
    if column is None:
        return True
    done: set[object] = set()
    last: object = None
    texts: dict[object, object] = {}
    for row in rows:
        cell = row[column]
        if cell not in texts:
            texts[cell] = _text(cell)
        name = texts[cell]
        if name != last:
            if name in done:
                return False
            done.add(name)
            last = name
    return True


def _alike(one: Row, other: Row) -> bool:
    """Whether sorting by names can't tell two rows apart: then their order may differ from request to request."""
    return all(_text(a) == _text(b) for a, b in zip(one, other, strict=True) if _is_link(a) or _is_link(b))


def _is_link(cell: object) -> bool:
    return isinstance(cell, str) and "</a>" in cell


def _text(cell: object) -> object:
    for to in ("course", "user"):
        try:
            found = link(cell, to)
        except ValueError:
            continue
        if found:
            return found[1]
    return cell
