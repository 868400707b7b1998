"""The local door: how the command line talks to a running service.

A Unix socket with mode 0600 that speaks HTTP and JSON: whoever may open the file may ask. While a service runs it
owns the database, so `plan` and `sync` go through here; without one they do the work themselves.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from .domain.model import CourseId
from .engine.figures import FigureReader
from .engine.operations import Operations
from .engine.pauses import COMMAND_LINE
from .engine.personal import Personal
from .errors import AppError, PermanentFailure, Unreachable
from .roomwork import ROOM_WORK, RoomWork
from .show import plan_json, progress_json, report_json
from .switches import SWITCHES, Switches
from .web.lti_registration import LtiRegistrar

LAST_ANSWERS = 1.0
"""Seconds that a question has to be answered when the service stops."""
PATIENCE = 3600.0
"""Seconds that a first sync of a large site may take."""


class ControlDoor:
    """The server side."""

    def __init__(
        self,
        path: Path,
        operations: Operations,
        registrar: LtiRegistrar,
        personal: Personal,
        accept_reports: Callable[[], Awaitable[Sequence[str]]],
        switches: Switches,
        rooms: RoomWork,
        figures: FigureReader | None = None,
    ) -> None:
        self._figures = figures
        self._rooms = rooms
        self._switches = switches
        self._accept_reports = accept_reports
        self._path = path
        self._operations = operations
        self._registrar = registrar
        self._personal = personal
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. A socket file that a killed service has left is replaced: the database's lock says who owns it.

        Raises `Unreachable` where the socket can't be made.
        """
        app = web.Application()
        app.add_routes(
            [
                web.post("/plan", self._plan),
                web.post("/sync", self._sync),
                web.post("/progress", self._progress),
                web.post("/lti/invite", self._invite),
                web.post("/accept", self._accept),
                web.post("/user", self._user),
                *(web.post(f"/{name}", self._switch(name)) for name in SWITCHES),
                *(web.post(f"/rooms/{name}", self._room_work(name)) for name in ROOM_WORK),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWERS)
        await self._runner.setup()
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            await web.UnixSite(self._runner, str(self._path)).start()
        except OSError as error:
            raise Unreachable(
                f"The control socket {self._path} can't be made ({error}). Nothing was started. "
                "Give `control_socket` a shorter path in a folder that can be written."
            ) from None
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Close and remove the socket."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._path.unlink(missing_ok=True)

    async def _plan(self, request: web.Request) -> web.Response:
        asked = await request.json()
        return await _answer(self._plans(_course(asked), compare=bool(asked.get("compare"))))

    async def _plans(self, course_id: CourseId | None, *, compare: bool) -> Mapping[str, Any]:
        spaces = await self._operations.space_plans() if course_id is None else ()
        groups = await self._operations.holds.groups(course_id)
        return plan_json(await self._operations.plans(course_id, compare=compare), spaces, groups)

    async def _sync(self, request: web.Request) -> web.Response:
        asked = await request.json()
        group = str(asked.get("group") or "")
        return await _answer(self._report(_course(asked), confirm=bool(asked.get("confirm")), group=group))

    async def _report(self, course_id: CourseId | None, *, confirm: bool, group: str) -> Mapping[str, Any]:
        if group:
            return report_json(await self._operations.sync_confirmed(group, course_id, by=COMMAND_LINE))
        return report_json(await self._operations.sync(course_id, confirm=confirm))

    async def _progress(self, _request: web.Request) -> web.Response:
        return await _answer(self._left())

    async def _left(self) -> Mapping[str, Any]:
        return {} if self._figures is None else progress_json((await self._figures.read()).progress)

    async def _invite(self, request: web.Request) -> web.Response:
        asked = await request.json()
        return await _answer(self._invitation(replace=bool(asked.get("replace"))))

    async def _invitation(self, *, replace: bool) -> Mapping[str, Any]:
        return {"url": await self._registrar.invite(replace=replace)}

    async def _accept(self, _request: web.Request) -> web.Response:
        return await _answer(self._accepted())

    async def _accepted(self) -> Mapping[str, Any]:
        return {"changed": list(await self._accept_reports())}

    async def _user(self, request: web.Request) -> web.Response:
        asked = await request.json()
        return await _answer(about_user(self._personal, str(asked.get("do")), str(asked.get("person"))))

    def _switch(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return await _answer(self._switches.do(name, await request.json()))

        return answer

    def _room_work(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return await _answer(self._rooms.do(name, await request.json()))

        return answer


async def about_user(personal: Personal, what: str, person: str) -> Mapping[str, Any]:
    """What `user` answers: `{"sentences": [...]}`, or the export. `what` as on the command line.

    Raises `PermanentFailure` for any other `what`, and what `Personal` raises.
    """
    if what == "export":
        return await personal.export(person)
    match what:
        case "show":
            said = await personal.show(person)
        case "erase":
            said = await personal.erase(person)
        case "readmit":
            said = await personal.readmit(person)
        case "unlink":
            said = await personal.unlink(person)
        case "link" | "message":
            said = await personal.give_code(person, message=what == "message")
        case _:
            raise PermanentFailure(
                f"This service knows no “user {what}”. Nothing was done. Is it an older version?"
            )
    return {"sentences": list(said)}


async def is_running(path: Path) -> bool:
    """Whether a service listens behind this socket."""
    if not await asyncio.to_thread(path.exists):
        return False
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True


async def ask(path: Path, what: str, **arguments: Any) -> Mapping[str, Any] | None:
    """Ask a running service: `plan`, `sync`, `user`, `lti/invite`, `accept`. None if none is running.

    Raises what the service raised.
    """
    if not await asyncio.to_thread(path.exists):
        return None
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.post(f"http://service/{what}", json=arguments) as response,
        ):
            answer: Mapping[str, Any] = await response.json()
    except aiohttp.ClientConnectorError:
        # The file of a service that was killed.
        return None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(
            f"The running service did not answer ({type(error).__name__}). It may still be at work; see its log."
        ) from None
    if "error" in answer:
        raise AppError(str(answer["error"]))
    return answer


async def _answer(work: Any) -> web.Response:
    try:
        return web.json_response(await work)
    except AppError as failure:
        return web.json_response({"error": str(failure)}, status=409)


def _course(asked: Mapping[str, Any]) -> CourseId | None:
    course = asked.get("course")
    return CourseId(course) if isinstance(course, int) else None
