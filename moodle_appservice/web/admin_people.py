"""The dashboard's pages about people and about what has happened.

/admin/people              search (`?q=`, `?show=trouble`)
/admin/people/<id>         why somebody is in which room; a code for another account, or undoing a link
/admin/audit, /audit.csv   the audit log with filters
/admin/doctor              every check, made now
/admin/configuration       the configuration, secrets masked
"""

from __future__ import annotations

import csv
import io
import secrets
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from ..domain.model import MoodleUserId
from ..errors import AppError
from ..ports.search import AuditFilter
from .admin_frame import PAGE, AdminFrame, back, course_in, page_of, person_in
from .admin_inside import AdminInside
from .forms import read_query, text
from .guard import Guard
from .inside import Inside
from .links import Links
from .pages import harmless

MOST_LINES = 10_000
"""Lines of one CSV file."""
PERSON = r"/admin/people/{person:[1-9]\d{0,17}}"
_COLUMNS = ("time", "course", "room", "person", "kind", "why", "signal", "result", "reference")


class AdminPeople:
    """People, audit, doctor, configuration."""

    def __init__(
        self, guard: Guard, frame: AdminFrame, inside: Inside, admin: AdminInside, links: Links
    ) -> None:
        self._guard = guard
        self._frame = frame
        self._inside = inside
        self._admin = admin
        self._links = links

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        return [
            get("/admin/people", guarded(self._people)),
            get(PERSON, guarded(self._person)),
            web.post(f"{PERSON}/code", guarded(self._code)),
            web.post(f"{PERSON}/unlink", guarded(self._unlink)),
            get("/admin/audit", guarded(self._audit)),
            get("/admin/audit.csv", guarded(self._csv)),
            get("/admin/doctor", guarded(self._doctor)),
            get("/admin/configuration", guarded(self._configuration)),
        ]

    async def _people(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        asked = read_query(request)
        words, page = text(asked, "q", longest=100).strip(), page_of(asked)
        trouble = text(asked, "show", longest=10) == "trouble"
        rows, found = await self._admin.search.people(
            words, trouble=trouble, limit=PAGE, offset=(page - 1) * PAGE
        )
        return self._frame.page(
            "admin_people.html",
            request,
            session,
            rows=rows,
            found=found,
            page=page,
            pages=max(1, -(-found // PAGE)),
            q=words,
            trouble=trouble,
        )

    async def _person(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        user_id = _person(request)
        explanation, trouble = None, ""
        try:
            explanation = await self._admin.explainer.why(user_id)
        except AppError as failure:
            trouble = str(failure)
        link = (await self._inside.store.links.of([user_id])).get(user_id)
        lines, _ = await self._admin.search.audit(AuditFilter(person=user_id), limit=20, offset=0)
        return self._frame.page(
            "admin_person.html",
            request,
            session,
            user_id=user_id,
            explanation=explanation,
            trouble=trouble,
            link=link,
            lines=lines,
            done=text(read_query(request), "done", longest=20),
        )

    async def _code(self, request: web.Request) -> web.Response:
        session, _ = await self._frame.act(request)
        code = await self._inside.linking.give_code(_person(request), signal="dashboard")
        return self._frame.page(
            "admin_code.html",
            request,
            session,
            code=code,
            user_id=_person(request),
            bot=self._inside.rules.bot,
            links=self._links,
        )

    async def _unlink(self, request: web.Request) -> web.Response:
        session, _ = await self._frame.act(request)
        user_id = _person(request)
        await self._inside.linking.undo(
            user_id,
            # Notices are sent once for each reference.
            reference=f"dashboard-{secrets.token_hex(4)}",
            administrator=session.user_id,
            account=session.account,
            signal="dashboard",
        )
        return back(f"/admin/people/{user_id}?done=linked")

    async def _audit(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        asked = read_query(request)
        wanted, page = _filter(asked), page_of(asked)
        lines, found = await self._admin.search.audit(wanted, limit=PAGE, offset=(page - 1) * PAGE)
        people = [line.person for line in lines if line.person is not None]
        return self._frame.page(
            "admin_audit.html",
            request,
            session,
            lines=lines,
            found=found,
            page=page,
            pages=max(1, -(-found // PAGE)),
            wanted=wanted,
            kinds=await self._admin.search.kinds(),
            names=await self._inside.store.people.names(people),
        )

    async def _csv(self, request: web.Request) -> web.Response:
        await self._frame.see(request)
        lines, _ = await self._admin.search.audit(_filter(read_query(request)), limit=MOST_LINES, offset=0)
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(_COLUMNS)
        for line in lines:
            at = datetime.fromtimestamp(line.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            writer.writerow(
                _harmless(value)
                for value in (
                    *(at, line.course_id, line.room_id, line.person, line.kind, line.why, line.signal),
                    *(line.result, line.reference),
                )
            )
        response = web.Response(text=out.getvalue(), content_type="text/csv", charset="utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
        return harmless(response)

    async def _doctor(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        return self._frame.page("admin_doctor.html", request, session, findings=await self._admin.doctor())

    async def _configuration(self, request: web.Request) -> web.Response:
        session = await self._frame.see(request)
        return self._frame.page(
            "admin_configuration.html", request, session, text=self._admin.configuration()
        )


def _person(request: web.Request) -> MoodleUserId:
    return MoodleUserId(int(request.match_info["person"]))


def _filter(asked: object) -> AuditFilter:
    assert isinstance(asked, dict)
    result = text(asked, "result", longest=10)
    return AuditFilter(
        course_id=course_in(asked),
        person=person_in(asked),
        kind=text(asked, "kind", longest=60),
        result=result if result in ("done", "failed") else "",
        words=text(asked, "q", longest=100).strip(),
    )


def _harmless(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    written = "" if value is None else str(value)
    return f"'{written}" if written[:1] in ("=", "+", "-", "@", "\t", "\r") else written
