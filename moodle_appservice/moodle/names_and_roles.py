"""The people of a course by LTI's Names and Roles service (version 2.0, `mod/lti/services.php` in Moodle).

A tool that Moodle knows for the whole site gets every course by its id, hidden ones too, without any right of a web
service account. The token is asked for with a signed assertion and kept as long as it is good. A role is never asked
for: Moodle's address of the next page forgets it. Status codes are HTTP's own: 401 for a token, 404 for a course.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..domain.model import CourseId
from ..ports import Clock, Platform
from ..ports.lists import ToolAccess
from . import errors

SERVICE = "Names and Roles"
SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
CONTENT_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SPARE = 60.0
"""Seconds before its end at which a token is asked for anew."""
_MOST_PAGES = 1000
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')


@dataclass(frozen=True, slots=True)
class ListOfPeople:
    """One course: its names as Moodle says them, and its members as they came."""

    label: str
    title: str
    members: tuple[Mapping[str, Any], ...]


class NamesAndRoles:
    """Reads lists. `timeout`: seconds of one request; `max_bytes`: of one answer."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: ToolAccess,
        clock: Clock,
        *,
        timeout: float,
        max_bytes: int,
    ) -> None:
        self._session = session
        self._access = access
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._max_bytes = max_bytes
        self._token = ""
        self._good_until = 0.0
        self._renewing = asyncio.Lock()

    async def read(self, course_id: CourseId) -> ListOfPeople:
        """Everybody whom Moodle lists in a course. Raises `CourseMissing` or another `MoodleError`."""
        platform = await self._access.platform()
        if platform is None:
            raise errors.RightMissing(SERVICE, "the registration of the LTI tool", about="every course")
        site = platform.issuer
        url = f"{site}/mod/lti/services.php/CourseSection/{course_id}/bindings/{platform.deployment_id}/memberships"
        first: Mapping[str, Any] | None = None
        members: list[Mapping[str, Any]] = []
        for _ in range(_MOST_PAGES):
            page, following = await self._page(platform, course_id, url)
            first = first or page
            members += _members(page)
            if not following:
                context = first.get("context")
                names = context if isinstance(context, dict) else {}
                return ListOfPeople(str(names.get("label", "")), str(names.get("title", "")), tuple(members))
            if not following.startswith(f"{site}/mod/lti/services.php/"):
                raise errors.BadAnswer(SERVICE, about="a next page that is not Moodle's")
            url = following
        raise errors.ListIncomplete(SERVICE, about=f"course {course_id}, whose pages have no end")

    async def _page(self, platform: Platform, course_id: CourseId, url: str) -> tuple[Mapping[str, Any], str]:
        for attempt in (1, 2):
            token = await self._bearer(platform)
            headers = {"Authorization": f"Bearer {token}", "Accept": CONTENT_TYPE}
            status, body, link = await self._ask("GET", url, headers=headers)
            if status == 401 and attempt == 1:
                if token == self._token:
                    self._token = ""
                continue
            break
        if status == 404:
            raise errors.CourseMissing(SERVICE, about=f"course {course_id}")
        if status == 401:
            raise errors.AccessDenied(SERVICE, about=f"course {course_id}")
        if status >= 500:
            raise errors.ServerCrashed(SERVICE, about=f"course {course_id}", detail=f"HTTP {status}")
        if status != 200:
            raise errors.UnexpectedStatus(SERVICE, detail=f"HTTP {status}")
        following = _NEXT.search(link)
        return _object(body), following[1] if following else ""

    async def _bearer(self, platform: Platform) -> str:
        async with self._renewing:
            if not self._token or self._clock.now() >= self._good_until:
                await self._renew(platform)
            return self._token

    async def _renew(self, platform: Platform) -> None:
        now = self._clock.now()
        claims = {
            "iss": platform.client_id,
            "sub": platform.client_id,
            "aud": platform.token_url,
            "iat": int(now),
            "exp": int(now) + 60,
            "jti": secrets.token_urlsafe(16),
        }
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION,
            "client_assertion": await self._access.assertion(claims),
            "scope": SCOPE,
        }
        status, body, _ = await self._ask("POST", platform.token_url, data=form)
        if status != 200:
            raise errors.AccessDenied(SERVICE, about="a token", detail=f"HTTP {status}")
        said = _object(body)
        token, lasts = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lasts, int):
            raise errors.BadAnswer(SERVICE, about="a token")
        self._token, self._good_until = token, now + lasts - _SPARE

    async def _ask(self, method: str, url: str, **arguments: Any) -> tuple[int, bytes, str]:
        try:
            async with self._session.request(
                method, url, allow_redirects=False, timeout=self._timeout, **arguments
            ) as response:
                body = await response.content.read(self._max_bytes + 1)
                while len(body) <= self._max_bytes and (more := await response.content.read(2**16)):
                    body += more
                status, link = response.status, response.headers.get("Link", "")
        except TimeoutError:
            raise errors.TimedOut(SERVICE) from None
        except (aiohttp.ClientError, OSError) as error:
            raise errors.ConnectionLost(SERVICE, detail=type(error).__name__) from None
        if len(body) > self._max_bytes:
            raise errors.AnswerTooLarge(SERVICE, detail=f"more than {self._max_bytes} bytes")
        if status in (502, 503, 504):
            raise errors.GatewayFailed(SERVICE, detail=f"HTTP {status}")
        return status, body, link


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise errors.NotJson(SERVICE)
    return said


def _members(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = page.get("members")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise errors.BadAnswer(SERVICE, about="a page without a list of members")
    return listed
