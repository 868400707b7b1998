"""Custom reports: what an administrator has put together in Moodle's report builder.

A report is a *source* (which tables are joined), a list of *columns* by their unique identifiers, *conditions* that
keep rows out for everybody, and an *audience* that may see the result, whatever rights its members have otherwise.
Everything is mutable while the sandbox runs:

    reports = moodle.site.reports
    reports.add("own", PARTICIPANTS, ["course:fullname", "user:username"], {"enrolment:status_operator": 1})
    reports.named("Matrix memberships").drop_column("role:shortname")
    reports.named("Matrix memberships").audience = set()
    reports.forget("enrolment:status")       # as an upgrade does: gone from columns and conditions alike

Nothing of that leaves a trace in what the web service tells about a report: `timemodified` and `conditiondata` stay
as they were when a column or even a condition is taken away (Moodle keeps the values of a removed condition).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PARTICIPANTS = "core_course\\reportbuilder\\datasource\\participants"
COURSES = "core_course\\reportbuilder\\datasource\\courses"
GROUPS = "core_group\\reportbuilder\\datasource\\groups"
USERS = "core_user\\reportbuilder\\datasource\\users"
ROLES = "core_role\\reportbuilder\\datasource\\roles"

SOURCE_NAMES = {
    PARTICIPANTS: "Course participants",
    COURSES: "Courses",
    GROUPS: "Groups",
    USERS: "Users",
    ROLES: "Roles",
    "mod_forum\\reportbuilder\\datasource\\forums": "Forum posts",
}
UNANSWERED_SOURCES = frozenset({"mod_forum\\reportbuilder\\datasource\\forums"})
"""Sources of which the sandbox can list a report but not show its rows."""

ADMIN = 2
"""The account that makes reports on a fresh site."""


@dataclass(slots=True)
class ReportColumn:
    """One column of a report; `heading` replaces Moodle's title, `aggregation` is as in `report_table.AGGREGATIONS`."""

    identifier: str
    aggregation: str = ""
    heading: str = ""


@dataclass
class Report:
    """One custom report; see the module's docstring.

    `conditions` are the stored values (`{"enrolment:status_operator": 1, …}`); None is a report that never had any.
    `sorting` lists identifiers, with `-` before one for descending; without it rows come in no certain order.
    `audience` None is Moodle's "All users", a set is those accounts only.
    """

    id: int
    name: str
    source: str
    columns: list[ReportColumn]
    conditions: dict[str, Any] | None = None
    sorting: list[str] = field(default_factory=list)
    filters: set[str] = field(default_factory=set)
    audience: set[int] | None = None
    uniquerows: bool = False
    timecreated: int = 0
    timemodified: int = 0
    usercreated: int = ADMIN
    removed_conditions: set[str] = field(default_factory=set)

    def column(self, identifier: str) -> ReportColumn:
        """The column with that identifier."""
        return next(column for column in self.columns if column.identifier == identifier)

    def drop_column(self, identifier: str) -> None:
        """Take a column away, as an administrator does by accident."""
        self.columns.remove(self.column(identifier))

    def drop_condition(self, identifier: str) -> None:
        """Take a condition away; its values stay visible in `conditiondata`, as in Moodle."""
        if identifier not in identifiers_in(self.conditions or {}):
            raise KeyError(identifier)
        self.removed_conditions.add(identifier)

    def sees(self, user: int) -> bool:
        """Whether the account is in the audience."""
        return self.audience is None or user in self.audience


def identifiers_in(values: Mapping[str, Any]) -> list[str]:
    """The identifiers that stored condition or filter values speak of: `user:suspended_operator` → `user:suspended`."""
    return list(dict.fromkeys(key.rpartition("_")[0] for key in values))


class Reports:
    """All custom reports of a site; see the module's docstring."""

    def __init__(self, now: Callable[[], int]) -> None:
        """Start without reports."""
        self._now = now
        self._reports: dict[int, Report] = {}
        self._last = 0
        self.forgotten: set[str] = set()
        self.filter_values: dict[tuple[int, int], dict[str, Any]] = {}
        self.restless = False
        """Whether a report without sorting comes in another order at every request, as a database may give it."""

    def __iter__(self) -> Iterator[Report]:
        """All reports in the order of their making."""
        return iter(self._reports.values())

    def add(
        self,
        name: str,
        source: str,
        columns: Iterable[str | ReportColumn],
        conditions: dict[str, Any] | None = None,
        *,
        sorting: Sequence[str] = (),
        id: int | None = None,
        **settings: Any,
    ) -> Report:
        """Make a report; further settings as in `Report`."""
        number = id or self._last + 1
        self._last = max(self._last, number)
        made = self._now()
        settings = {"timecreated": made, "timemodified": made, **settings}
        listed = [ReportColumn(column) if isinstance(column, str) else column for column in columns]
        report = Report(number, name, source, listed, conditions, list(sorting), **settings)
        self._reports[number] = report
        return report

    def get(self, number: int) -> Report | None:
        """The report with that id."""
        return self._reports.get(number)

    def named(self, name: str) -> Report:
        """The first report with that name."""
        return next(report for report in self if report.name == name)

    def remove(self, name: str) -> None:
        """Delete a report."""
        del self._reports[self.named(name).id]

    def clear(self) -> None:
        """Delete all reports."""
        self._reports.clear()

    def forget(self, *identifiers: str) -> None:
        """Make the site know these columns and conditions, or whole sources, no longer, as an upgrade may."""
        self.forgotten.update(identifiers)
