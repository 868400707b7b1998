"""Which courses' announcements have changed, out of one custom report of forums (Moodle 5.1 and newer).

The report shows edits, but neither the ids of posts nor for whom they are: posts to groups, before their time and in
hidden courses are in it. So it is read by the account of the facts, and tells nothing but where to look: each course's
rows are hashed, and a course whose hash is another one than before is looked at. A post with times of display becomes
visible without any change, so its course is looked at always.
"""

from __future__ import annotations

from typing import Final

from ..domain.model import CourseId
from ..errors import PermanentFailure
from .client import MoodleClient
from .report_cells import link
from .report_fetch import ReportReader

SOURCE: Final = r"mod_forum\reportbuilder\datasource\forums"
TIMES: Final = frozenset({"Display start", "Display end"})
"""Headers of the columns of a discussion's times, in English."""


class ReportDetector:
    """Implements `ports.Detector`. `report`: its number or its exact name."""

    def __init__(self, client: MoodleClient, report: str) -> None:
        self._reports = ReportReader(client)
        self._name = report
        self._number = int(report) if report.isascii() and report.isdigit() else None
        self._last: dict[CourseId, int] | None = None

    async def changed(self) -> frozenset[CourseId] | None:
        """The courses whose rows are other ones; None at the first reading. Raises `MoodleError`."""
        page = await self._reports.read(await self._find())
        times = [place for place, header in enumerate(page.description.headers) if header in TIMES]
        rows: dict[CourseId, list[tuple[str, ...]]] = {}
        always: set[CourseId] = set()
        for row in page.rows:
            found = next((one for cell in row if (one := _course(cell)) is not None), None)
            if found is None:
                raise PermanentFailure(
                    f"The report {self._name} for announcements has no course with a link in it; every course is "
                    "looked at instead. Add the column “Course full name with link”, or empty relay.report."
                )
            course_id = CourseId(found[0])
            rows.setdefault(course_id, []).append(tuple(map(str, row)))
            if any(row[place] for place in times):
                always.add(course_id)
        now = {course_id: hash(tuple(sorted(one))) for course_id, one in rows.items()}
        before, self._last = self._last, now
        if before is None:
            return None
        different = {one for one in {*now, *before} if now.get(one) != before.get(one)}
        return frozenset(different | always)

    async def _find(self) -> int:
        if self._number is None:
            found = [one.id for one in await self._reports.list_reports() if one.name == self._name]
            if len(found) != 1:
                raise PermanentFailure(
                    f"{len(found)} reports are called {self._name} for the account of moodle.token; every course "
                    "is looked at instead. Write the report's number into relay.report, or empty it."
                )
            self._number = found[0]
        return self._number


def _course(cell: object) -> tuple[int, str] | None:
    """The course that a cell leads to, None for a cell that is something else."""
    try:
        return link(cell, "course")
    except ValueError:
        return None
