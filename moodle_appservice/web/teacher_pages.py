"""The page of a course's teachers: how every room stands, who is missing and why, and what may be changed.

    /c/<id>/manage            status, people (`?q=` searches, `?page=`)
    /c/<id>/manage/plan       what a sync would do now
    /c/<id>/manage/sync       POST: look at the course in Moodle now
    /c/<id>/manage/settings   what people may choose for the course; POST saves
    /c/<id>/manage/<step>     reset or archive: GET shows what it means, POST with the course's short name does it

Staff may look and have the course looked at; who may edit the course in Moodle may change it. Every form carries the
session's token, every request looks the rights up anew, and what was done stands in the audit log with the person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from ..domain.model import CourseId
from ..engine.roster import Attendee
from ..errors import AppError, PermanentFailure, Refused
from ..languages import N_
from .cookies import Cookies, Session
from .course_pages import COURSE, course_of
from .forms import read_form, read_query, text
from .guard import Guard
from .inside import Inside
from .links import Links
from .pages import render
from .refusals import Refusal, Why
from .rights import EDITOR, STAFF, Rights
from .settings_form import changes, shown
from .steps import STEPS, Step

PAGE = 50
"""People on one page of the list."""
PATIENCE = 8.0
"""Seconds that a page waits for what it has begun; it goes on after that."""
BY = "page"
WRONG_NAME = N_("That is not the short name of the course. Nothing was changed.")
log = logging.getLogger(__name__)


class TeacherPages:
    """Pages for the staff of a course, and for the site's administrators."""

    def __init__(self, guard: Guard, cookies: Cookies, inside: Inside, rights: Rights, links: Links) -> None:
        self._guard = guard
        self._cookies = cookies
        self._inside = inside
        self._rights = rights
        self._links = links
        self._running: set[asyncio.Task[AppError | None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        get, guarded = partial(web.get, allow_head=False), self._guard.guarded
        here = f"{COURSE}/manage"
        return [
            get(here, guarded(self._manage)),
            get(f"{here}/plan", guarded(self._plan)),
            web.post(f"{here}/sync", guarded(self._sync)),
            get(f"{here}/settings", guarded(self._settings)),
            web.post(f"{here}/settings", guarded(self._save)),
            *(get(f"{here}/{name}", guarded(self._ask)) for name in STEPS),
            *(web.post(f"{here}/{name}", guarded(self._step)) for name in STEPS),
        ]

    async def _manage(self, request: web.Request) -> web.Response:
        session = await self._see(request, STAFF)
        asked, course_id = read_query(request), course_of(request)
        status, trouble = None, ""
        people: tuple[Attendee, ...] = ()
        try:
            status = await self._inside.operations.status(course_id)
            if status is not None and status.on:
                people = await self._inside.roster.of(course_id)
        except AppError as failure:
            trouble = str(failure)
        words, wanted = text(asked, "q", longest=100).strip(), text(asked, "state", longest=20)
        found = [one for one in people if one.fits(words) and wanted in ("", one.state)]
        return await self._page(
            "manage.html",
            request,
            session,
            status=status,
            trouble=trouble,
            **self._list(found, asked),
            counts=_counted(people),
            q=words,
            state=wanted,
            done=text(asked, "done", longest=20),
            may_edit=await self._may(session, course_id, EDITOR),
            now=self._inside.clock.now(),
        )

    def _list(self, found: list[Attendee], asked: Mapping[str, str]) -> dict[str, Any]:
        number = text(asked, "page", longest=6) or "1"
        if not number.isascii() or not number.isdigit() or int(number) < 1:
            raise Refusal(Why.MALFORMED)
        pages = max(1, -(-len(found) // PAGE))
        page = min(int(number), pages)
        return {
            "people": found[(page - 1) * PAGE : page * PAGE],
            "found": len(found),
            "page": page,
            "pages": pages,
        }

    async def _plan(self, request: web.Request) -> web.Response:
        session = await self._see(request, STAFF)
        plans = await self._inside.operations.plans(course_of(request))
        names = await self._inside.store.people.names(
            [action.person for plan in plans for action in _of_people(plan)]
        )
        return await self._page("plan.html", request, session, plan=plans[0], names=names)

    async def _sync(self, request: web.Request) -> web.Response:
        await self._act(request, STAFF)
        failure, done = await self._waited(self._inside.operations.sync_course(course_of(request)))
        return self._back(request, "failed" if failure else "synced" if done else "going")

    async def _settings(self, request: web.Request) -> web.Response:
        session = await self._see(request, EDITOR)
        course_id = course_of(request)
        chosen = await self._inside.choosing.of(course_id)
        fields = shown(chosen, fixed=await self._inside.choosing.fixed(course_id))
        return await self._page("settings.html", request, session, fields=fields, problem="")

    async def _save(self, request: web.Request) -> web.Response:
        session, said = await self._act(request, EDITOR)
        course_id = course_of(request)
        chosen = await self._inside.choosing.of(course_id)
        fixed = await self._inside.choosing.fixed(course_id)
        try:
            wanted = changes(said, chosen, fixed=fixed)
            failure, done = await self._waited(self._choose(session, course_id, wanted))
        except Refused as refused:
            return await self._page(
                "settings.html",
                request,
                session,
                fields=shown(chosen, said, fixed=fixed),
                problem=str(refused),
                code=400,
            )
        return self._back(request, "failed" if failure else "saved" if done else "going")

    async def _choose(
        self, session: Session, course_id: CourseId, wanted: Mapping[str, Any]
    ) -> AppError | None:
        failure: AppError | None = None
        for setting, value in wanted.items():
            failure = await self._inside.choosing.choose(
                course_id, setting, value, by=BY, person=session.user_id
            )
        return failure

    async def _ask(self, request: web.Request) -> web.Response:
        session = await self._see(request, EDITOR)
        return await self._page("step.html", request, session, step=_step(request), problem="")

    async def _step(self, request: web.Request) -> web.Response:
        session, said = await self._act(request, EDITOR)
        course_id, step = course_of(request), _step(request)
        row = await self._inside.store.courses.get(course_id)
        assert row is not None, "a right in a course that is not known was refused"
        problem, code = WRONG_NAME, 400
        if text(said, "confirm").strip() == row.shortname.strip():
            try:
                await step.decide(self._inside.operations.life, course_id, session.user_id)
            except Refused:
                problem, code = step.already, 409
            except PermanentFailure as failure:
                problem, code = str(failure), 409
            else:
                stopped, done = await self._waited(self._inside.operations.sync_course(course_id))
                return self._back(request, "failed" if stopped else step.name if done else "going")
        return await self._page("step.html", request, session, step=step, problem=problem, code=code)

    async def _see(self, request: web.Request, level: int) -> Session:
        session = await self._cookies.require(request)
        await self._rights.must_have(session, course_of(request), level)
        return session

    async def _act(self, request: web.Request, level: int) -> tuple[Session, Mapping[str, str]]:
        said = await read_form(request)
        session = await self._cookies.check_form(request, said)
        await self._rights.must_have(session, course_of(request), level)
        return session, said

    async def _may(self, session: Session, course_id: CourseId, level: int) -> bool:
        has = await self._rights.level(session, course_id)
        return self._rights.is_admin(session) or (has is not None and has >= level)

    async def _waited(self, work: Awaitable[AppError | None]) -> tuple[AppError | None, bool]:
        """What stopped the work, and whether it has ended; it goes on where nobody waits any longer."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.shield(task), True
        except TimeoutError:
            return None, False

    def _ended(self, task: asyncio.Task[AppError | None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.warning("What a page had begun ended with: %s", failure)

    def _back(self, request: web.Request, done: str) -> web.Response:
        where = f"/c/{course_of(request)}/manage?done={done}"
        return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})

    async def _page(
        self, template: str, request: web.Request, session: Session, *, code: int = 200, **context: object
    ) -> web.Response:
        row = await self._inside.store.courses.get(course_of(request))
        assert row is not None, "a right in a course that is not known was refused"
        common = {
            "session": session,
            "form_token": self._cookies.form_token(request),
            "is_admin": self._rights.is_admin(session),
            "course": row,
            "links": self._links,
            "here": f"/c/{row.id}/manage",
            "steps": list(STEPS.values()),
        }
        return render(template, request, {**common, **context}, status=code)


def _step(request: web.Request) -> Step:
    return STEPS[request.path.rpartition("/")[2]]


def _counted(people: tuple[Attendee, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in people:
        counts[one.state] = counts.get(one.state, 0) + 1
    return counts


def _of_people(plan: Any) -> list[Any]:
    if plan.prepared is None:
        return []
    return [step.action for step in plan.prepared.steps if hasattr(step.action, "person")]
