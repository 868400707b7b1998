"""`POST /hooks/moodle`: somebody says that something has changed in Moodle, and we look sooner than we would.

A hint carries no facts, only where to look: a course id, a user id, or both; without either, everywhere. So a wrong or
repeated one costs a look and changes nothing. It is JSON or a form, with the secret as a bearer token, or signed: the
header `X-Signature: sha256=<hex>` is an HMAC of the timestamp, a full stop and the body, and `X-Timestamp` (Unix
seconds) may be five minutes old; a signature is good once, whichever replica it is sent to. A key that was hinted at a
moment ago is looked at once more a little later, however many hints come until then.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from ..domain.model import CourseId, MoodleUserId
from ..ports import SITE, Clock, CourseBook, Key, LtiBook, Priority, Queue, course_key, person_key
from .cookies import hashed
from .limits import Bucket

LONGEST = 16 * 1024
"""Bytes of a hint."""
WINDOW = 300.0
"""Seconds that a signed hint may be older, or newer, than our clock."""
GAP = 10.0
"""Seconds between two looks at one key because of hints."""
SIGNAL = "hook"
_COURSE = ("course_id", "courseid", "course")
_PERSON = ("user_id", "userid", "relateduserid", "user")
_MOST_KEYS = 10_000
_HIGHEST = 2**53
log = logging.getLogger(__name__)


class Hooks:
    """Takes hints. `used` remembers signatures; `counted` is told `taken` or `refused`."""

    def __init__(
        self,
        secret: str,
        queue: Queue,
        courses: CourseBook,
        used: LtiBook,
        clock: Clock,
        counted: Callable[[str], None],
    ) -> None:
        self._secret = secret.encode()
        self._queue = queue
        self._courses = courses
        self._used = used
        self._clock = clock
        self._counted = counted
        self._hinted: dict[Key, float] = {}
        """When each key is looked at, or will be, because of a hint."""
        self._wrong = Bucket(clock, size=20, per_second=0.2)
        self._right = Bucket(clock, size=2000, per_second=200)

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        return [web.post("/hooks/moodle", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await _read(request)
        if body is None:
            return self._refuse(413, f"A hint has at most {LONGEST} bytes. Nothing was done.")
        if not await self._is_known(request, body):
            if not self._wrong.take():
                return self._refuse(429, "Too many wrong secrets. Nothing was done; wait a minute.")
            return self._refuse(
                401,
                "The secret, the signature or the timestamp is wrong, or it was used before. Nothing was done.",
            )
        if not self._right.take():
            return self._refuse(
                429, "Too many hints at once. This one was left out; the next pass finds the change."
            )
        try:
            course, person = _numbers(_said(request.content_type, body))
        except ValueError as error:
            return self._refuse(400, f"{error} Nothing was done.")
        looked_at = await self._look(course, person)
        self._counted("taken")
        return web.json_response({"looked_at": looked_at}, status=202)

    async def _look(self, course: int | None, person: int | None) -> list[str]:
        keys: list[Key] = []
        if person is not None:
            user_id = MoodleUserId(person)
            keys.append(person_key(user_id))
            if course is None:
                keys += [course_key(one) for one in await self._courses.courses_of(user_id)]
        if course is not None:
            row = await self._courses.get(CourseId(course))
            # Which courses there are, and which are on, is the listing's to say.
            keys.append(course_key(CourseId(course)) if row is not None and row.on else SITE)
        for key in keys or [SITE]:
            await self._queue.add(
                key, priority=Priority.HINT, signal=SIGNAL, not_before=self._not_before(key)
            )
        return [str(key) for key in keys or [SITE]]

    def _not_before(self, key: Key) -> float:
        now = self._clock.now()
        if len(self._hinted) > _MOST_KEYS:
            self._hinted = {one: at for one, at in self._hinted.items() if at > now - GAP}
        last = self._hinted.get(key)
        if last is not None and last > now:
            return last
        at = now if last is None else max(now, last + GAP)
        self._hinted[key] = at
        return at

    async def _is_known(self, request: web.Request, body: bytes) -> bool:
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith("Bearer "):
            return hmac.compare_digest(authorization.removeprefix("Bearer ").strip().encode(), self._secret)
        signature = request.headers.get("X-Signature", "").removeprefix("sha256=").lower()
        stamp = request.headers.get("X-Timestamp", "")
        now = self._clock.now()
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12 or abs(now - int(stamp)) > WINDOW:
            return False
        right = hmac.new(self._secret, stamp.encode() + b"." + body, "sha256").hexdigest()
        if not hmac.compare_digest(signature.encode(), right.encode()):
            return False
        # What is right in every other way alone is written down, so that no stranger fills the database.
        return await self._used.use_once(
            hashed(f"hook {signature}"), now=now, expires_at=int(stamp) + WINDOW + 1
        )

    def _refuse(self, status: int, sentence: str) -> web.Response:
        log.info("A hint was refused with %d: %s", status, sentence)
        self._counted("refused")
        return web.json_response({"error": sentence}, status=status)


async def _read(request: web.Request) -> bytes | None:
    """The body; None where it is too long."""
    body = bytearray()
    async for chunk in request.content.iter_chunked(LONGEST):
        body += chunk
        if len(body) > LONGEST:
            return None
    return bytes(body)


def _said(content_type: str, body: bytes) -> Mapping[str, Any]:
    """The fields of a hint. Raises `ValueError` with a sentence."""
    if not body.strip():
        return {}
    try:
        text = body.decode()
        if content_type == "application/x-www-form-urlencoded":
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("The hint is neither JSON nor a form.") from None
    if not isinstance(said, dict):
        raise ValueError("The hint is no JSON object.")
    return said


def _numbers(said: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Course and user. Raises `ValueError` with a sentence."""
    return _number(said, _COURSE), _number(said, _PERSON)


def _number(said: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = said.get(name)
        if value in (None, "", 0, "0"):
            continue
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _HIGHEST:
            raise ValueError(f"{name} is no id of Moodle.")
        return value
    return None
