"""The dashboard's pages about the site and its courses.

/admin                 overview: numbers and charts
/admin/courses         table of all courses (`?q=`, `?show=on|off|error|gone`)
/admin/courses/<id>    one course: status, raw plan, audit; what its teachers see is a link away
/admin/held            what safety holds, grouped by cause; POST approves a group
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from aiohttp import web

from ..domain.model import CourseId
from ..engine.sampling import EVERY
from ..errors import AppError
from ..ports import CourseRow
from ..ports.search import AuditFilter
from .admin_frame import PAGE, AdminFrame, page_of
from .admin_inside import AdminInside
from .charts import charts
from .forms import read_query, text
from .guard import Guard
from .inside import Inside
from .refusals import Advice, Refusal, Why

SHOWS = ("on", "off", "error", "gone")
_LINES = 30
"""Lines of the audit log on the page of a course."""


class AdminPages:
    """Overview, courses, and one course."""

    def __init__(self, guard: Guard, frame: AdminFrame, inside: Inside, admin: AdminInside) -> None:
        self._guard = guard
        self._frame = frame
        self._inside = inside
        self._admin = admin

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [
            get("/admin", guarded(self._overview)),
            get("/admin/courses", guarded(self._courses)),
            get(r"/admin/courses/{course:[1-9]\d{0,17}}", guarded(self._course)),
        ]

    async def _overview(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        figures = await self._admin.figures.read()
        samples = await self._admin.sampler.last_day()
        return self._frame.page(
            "admin_overview.html",
            request,
            session,
            figures=figures,
            charts=charts(samples, now=self._inside.clock.now()),
            every=EVERY // 60,
            pauses=await self._admin.pauses.all(),
        )

    async def _courses(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        asked = read_query(request)
        words, show = text(asked, "q", longest=100).strip(), text(asked, "show", longest=10)
        rows = _chosen(list((await self._inside.store.courses.all()).values()), words, show)
        page, pages = page_of(asked), max(1, -(-len(rows) // PAGE))
        page = min(page, pages)
        return self._frame.page(
            "admin_courses.html",
            request,
            session,
            rows=rows[(page - 1) * PAGE : page * PAGE],
            found=len(rows),
            page=page,
            pages=pages,
            q=words,
            show=show if show in SHOWS else "",
            shows=SHOWS,
        )

    async def _course(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        course_id = CourseId(int(request.match_info["course"]))
        row = await self._inside.store.courses.get(course_id)
        if row is None:
            raise Refusal(Why.NO_COURSE, Advice.NO_RIGHT)
        status, plan, trouble = None, "", ""
        try:
            status = await self._inside.operations.status(course_id)
            plans = await self._inside.operations.plans(course_id)
            plan = json.dumps(self._admin.plan_json(plans)["courses"][0], indent=2, ensure_ascii=False)
        except AppError as failure:
            trouble = str(failure)
        lines, _ = await self._admin.search.audit(AuditFilter(course_id=course_id), limit=_LINES, offset=0)
        return self._frame.page(
            "admin_course.html",
            request,
            session,
            course=row,
            status=status,
            plan=plan,
            trouble=trouble,
            lines=lines,
            names=await self._inside.store.people.names(
                [one.person for one in lines if one.person is not None]
            ),
        )


def _chosen(rows: list[CourseRow], words: str, show: str) -> Sequence[CourseRow]:
    wanted = words.casefold()
    found = [
        row
        for row in rows
        if (not wanted or wanted in row.shortname.casefold() or wanted == str(row.id))
        and (show not in SHOWS or _shows(row, show))
    ]
    return sorted(found, key=lambda row: (not row.last_error, row.shortname.casefold(), row.id))


def _shows(row: CourseRow, show: str) -> bool:
    match show:
        case "on":
            return row.on and not row.gone
        case "off":
            return not row.on and not row.gone
        case "error":
            return bool(row.last_error)
        case _:
            return row.gone
