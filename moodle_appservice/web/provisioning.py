"""The interface for programs, `/_matrix/provision/v1/…`: status, plan, sync, explain.

Whoever has the secret may see and do what an administrator may see and do on the command line, and nothing beyond:
the same operations, the same JSON. `openapi.json` describes it, and the tests send what that allows and what it does
not. Errors are JSON as Matrix has them: `{"errcode": …, "error": …}`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from ..domain.model import CourseId
from ..errors import AppError, PermanentFailure, Refused, Unreachable
from ..ports import Clock
from .limits import Bucket
from .provisioning_api import HIGHEST, LONGEST_PERSON, PATH, described

PATIENCE = 60.0
"""Seconds that a program may wait for a sync; it goes on after that."""
_LONGEST = 4096
_KNOWN = {"status": {"course"}, "plan": {"course"}, "explain": {"person", "course"}, "sync": set[str]()}
log = logging.getLogger(__name__)
Answer = Callable[..., Awaitable[Mapping[str, Any]]]


class BadRequest(Exception):
    """What was sent does not fit the description. The message is a sentence."""


class Provisioning:
    """`status(course)`, `plan(course)`, `sync(course)` and `explain(person, course)` answer as JSON objects."""

    def __init__(
        self, secret: str, clock: Clock, *, status: Answer, plan: Answer, sync: Answer, explain: Answer
    ) -> None:
        self._secret = secret.encode()
        self._wrong = Bucket(clock, size=20, per_second=0.2)
        self._answers: Mapping[str, Answer] = {"status": status, "plan": plan, "explain": explain}
        self._sync = sync
        self._running: set[asyncio.Task[Mapping[str, Any]]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        return [
            web.get(f"{PATH}/openapi.json", self._description),
            *(
                web.get(f"{PATH}/{name}", self._guarded(self._read), allow_head=False)
                for name in self._answers
            ),
            web.post(f"{PATH}/sync", self._guarded(self._post_sync)),
        ]

    async def stop(self) -> None:
        """Wait for nothing any more; what was begun goes on where it runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _guarded(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            sent = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(sent, self._secret):
                if not self._wrong.take():
                    return _error(429, "M_LIMIT_EXCEEDED", "Too many wrong secrets. Wait a minute.")
                return _error(401, "M_UNKNOWN_TOKEN", "The secret is missing or wrong.")
            try:
                return await handler(request)
            except BadRequest as error:
                return _error(400, "M_BAD_JSON", f"{error} Nothing was changed.")
            except (Refused, PermanentFailure) as failure:
                return _error(404, "M_NOT_FOUND", str(failure))
            except Unreachable as failure:
                return _error(502, "M_UNREACHABLE", str(failure))
            except AppError as failure:
                return _error(503, "M_UNAVAILABLE", str(failure))

        return answer

    async def _description(self, _request: web.Request) -> web.Response:
        return web.json_response(described())

    async def _read(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        asked = _query(request, _KNOWN[name])
        course = _course(asked.get("course"))
        if name != "explain":
            return web.json_response(await self._answers[name](course))
        person = asked.get("person", "")
        if not 0 < len(person) <= LONGEST_PERSON or not person.strip() or not person.isprintable():
            raise BadRequest("person must be a Moodle user id, a user name or a Matrix id.")
        return web.json_response(await self._answers[name](person, course))

    async def _post_sync(self, request: web.Request) -> web.Response:
        _query(request, _KNOWN["sync"])
        said = await _json(request)
        course, wait = said.get("course"), said.get("wait", False)
        if isinstance(course, float) and course.is_integer():
            # JSON knows no whole numbers: 42.0 is one too.
            course = int(course)
        if set(said) - {"course", "wait"} or not isinstance(wait, bool):
            raise BadRequest("The body may hold course, a number, and wait, true or false.")
        is_number = isinstance(course, int) and not isinstance(course, bool) and 0 < course <= HIGHEST
        if course is not None and not is_number:
            raise BadRequest("course is no id of a Moodle course.")
        task = asyncio.ensure_future(self._sync(None if course is None else CourseId(course)))
        self._running.add(task)
        task.add_done_callback(self._ended)
        if not wait:
            return web.json_response({"accepted": True}, status=202)
        try:
            async with asyncio.timeout(PATIENCE):
                return web.json_response(await asyncio.shield(task))
        except TimeoutError:
            return web.json_response({"accepted": True}, status=202)

    def _ended(self, task: asyncio.Task[Mapping[str, Any]]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.warning("A sync that a program asked for ended with: %s", failure)


def _query(request: web.Request, known: set[str]) -> dict[str, str]:
    asked = dict(request.query)
    if len(asked) != len(request.query):
        raise BadRequest("A parameter stands twice.")
    for name in asked:
        if name not in known:
            raise BadRequest("There is a parameter that is not known here.")
    return asked


def _course(text: str | None) -> CourseId | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) <= HIGHEST or text.startswith("0"):
        raise BadRequest("course is no id of a Moodle course.")
    return CourseId(int(text))


async def _json(request: web.Request) -> Mapping[str, Any]:
    body = bytearray()
    async for chunk in request.content.iter_chunked(_LONGEST):
        body += chunk
        if len(body) > _LONGEST:
            raise BadRequest(f"The body has more than {_LONGEST} bytes.")
    if not body.strip():
        return {}
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise BadRequest("The body is no JSON object.")
    return said


def _error(status: int, errcode: str, sentence: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": sentence}, status=status)
