"""What `doctor --reports` says: report by report what is right, what is missing, and what to click.

Each kind of report is looked for, opened with a few rows, and held against what it must be. A finding is a sentence;
one that needs somebody's hand carries the clicks, so that a person who has never seen Moodle's report builder can
follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..domain.model import SiteInfo
from . import errors, report_columns, report_tables
from .report_errors import ReportAmbiguous, ReportMissing, ReportUnreadable
from .report_fetch import LIST, RETRIEVE, Choice, Listed, Page, ReportReader, find
from .report_kinds import COURSE_GROUPS, ENDS, KINDS, MEMBERSHIPS, ROLE_HOLDERS, STARTS, Kind, clicks
from .report_layout import SAMPLE, Layout, difference, narrowing, recognise
from .report_roles import role_holders
from .report_snapshot import problems
from .rights import State

_BUILDER = "Site administration > Reports > Report builder > Custom reports"


@dataclass(frozen=True, slots=True)
class ReportFinding:
    """One thing about one kind of report (`kind` empty: about all). `clicks`: what to do, a sentence each."""

    kind: str
    state: State
    sentence: str
    clicks: tuple[str, ...] = ()


class ReportCheck:
    """Looks at the reports with our token.

    `info`: who the token belongs to and what it may call; `expected`: fingerprints of the reports as they were set up.
    """

    def __init__(
        self,
        reader: ReportReader,
        choice: Choice,
        info: SiteInfo,
        expected: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._expected = expected
        self._reader = reader
        self._choice = choice
        self._info = info

    async def run(self) -> list[ReportFinding]:
        """All findings, at least one for every kind of report. Raises the `MoodleError` that stops even the list."""
        found = [
            ReportFinding(
                "",
                State.MISSING,
                f"The function {name} is not in the service of our token.",
                (
                    f"Site administration > Server > Web services > External services > Functions: add {name}.",
                ),
            )
            for name in (LIST, RETRIEVE)
            if name not in self._info.functions
        ]
        if found:
            return found
        listed = await self._reader.list_reports()
        for kind in KINDS:
            found += await self._look(kind, listed)
        return found

    async def _look(self, kind: Kind, listed: Sequence[Listed]) -> list[ReportFinding]:
        missing = State.MISSING if kind.needed else State.OPTIONAL
        try:
            number = find(kind, self._choice, listed)
            if number is None:
                return [self._not_there(kind, missing)]
            page = await self._reader.look(number, rows=SAMPLE)
        except ReportAmbiguous as error:
            return [
                ReportFinding(kind.name, State.MISSING, str(error), (f"{_BUILDER}: rename one of them.",))
            ]
        except errors.ReportNotShared:
            return [self._not_shared(kind, number)]
        except (ReportMissing, errors.AccessDenied):
            return [self._not_there(kind, missing)]
        layout = recognise(kind, page.description, page.rows)
        if layout.problems:
            return [self._wrong(kind, page, problem) for problem in problems(layout, self._info)]
        before, now = self._expected.get(kind.name), page.description.fingerprint()
        if before is not None and before != now:
            return [self._changed(kind, page, difference(before, now))]
        fault = _fault(kind, page, layout)
        return [self._wrong(kind, page, fault)] if fault else [*self._fine(kind, page, layout)]

    def _not_there(self, kind: Kind, state: State) -> ReportFinding:
        name = self._choice.name(kind)
        cost = "" if kind.needed else " Without it the rest goes on."
        sentence = (
            f"There is no report “{name}” that our account may see. It tells {kind.purpose}.{cost} "
            "If it exists, our account is missing in its audience."
        )
        return ReportFinding(kind.name, state, sentence, clicks(kind, name))

    def _not_shared(self, kind: Kind, number: int | None) -> ReportFinding:
        sentence = f"Our account is not in the audience of report {number}, “{self._choice.name(kind)}”."
        click = f"{_BUILDER} > report {number} > Audience > Manually added users: add the account of our token, save."
        return ReportFinding(kind.name, State.MISSING, sentence, (click,))

    def _wrong(self, kind: Kind, page: Page, problem: str) -> ReportFinding:
        seen = page.description
        sentence = f"Report {seen.id}, “{seen.name}”: {problem}"
        return ReportFinding(kind.name, State.MISSING, sentence, clicks(kind, self._choice.name(kind)))

    def _changed(self, kind: Kind, page: Page, what: str) -> ReportFinding:
        seen = page.description
        sentence = (
            f"Report {seen.id}, “{seen.name}”, is not the one that was set up, and nothing is read: {what}"
        )
        click = (
            "Put it back as it was, or accept it as it is now: moodle-appservice doctor --reports --accept."
        )
        return ReportFinding(kind.name, State.MISSING, sentence, (click,))

    def _fine(self, kind: Kind, page: Page, layout: Layout) -> list[ReportFinding]:
        seen = page.description
        found = [
            ReportFinding(
                kind.name,
                State.HELD,
                f"Report {seen.id}, “{seen.name}”: {page.total} rows, every column is there.",
            )
        ]
        for column in kind.columns:
            if column.without and not layout.has(column.key):
                sentence = f"Report {seen.id}: without the column “{column.headers[0]}” {column.without}."
                click = (
                    f"{_BUILDER} > report {seen.id}: add the column {column.entity} > {column.headers[0]}."
                )
                found.append(ReportFinding(kind.name, State.OPTIONAL, sentence, (click,)))
        for identifier in narrowing(kind, seen):
            sentence = (
                f"Report {seen.id} does not show the whole site: it has the condition {identifier}. Who is not in it "
                "does not exist for us."
            )
            found.append(ReportFinding(kind.name, State.OPTIONAL, sentence))
        return found


def _fault(kind: Kind, page: Page, layout: Layout) -> str:
    """What can't be read in the sample, or nothing."""
    try:
        if kind is MEMBERSHIPS:
            report_tables.memberships(page, layout)
        elif kind is COURSE_GROUPS:
            report_tables.groups(page, layout)
        elif kind is ROLE_HOLDERS:
            role_holders(page, layout)
        elif kind in (STARTS, ENDS):
            report_tables.moments(page, layout, ends=kind is ENDS)
        else:
            with report_columns.reading(page):
                for column in kind.columns:
                    if layout.has(column.key):
                        report_columns.check(layout, column, page.rows)
    except ReportUnreadable as error:
        return str(error)
    return ""
