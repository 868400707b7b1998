"""A caller of a sandbox Moodle for tests: sends what a PHP client would send and keeps the plain answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from moodle_appservice.demo.sandbox import SandboxMoodle

REST_PATH = "/webservice/rest/server.php"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def errorcode(self) -> str | None:
        """The error code, None when the answer is no error object."""
        found = self.json
        return found.get("errorcode") if isinstance(found, dict) else None


async def post(moodle: SandboxMoodle, fields: list[tuple[str, str]]) -> Answer:
    """Post form fields as they are."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            moodle.url + REST_PATH,
            data=urlencode(fields),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ) as response,
    ):
        return Answer(response.status, response.headers["Content-Type"], await response.text())


async def ask(moodle: SandboxMoodle, function: str, *fields: tuple[str, object]) -> Answer:
    """Call one function with the sandbox's token."""
    head = [("wstoken", moodle.token), ("wsfunction", function), ("moodlewsrestformat", "json")]
    return await post(moodle, head + [(name, str(value)) for name, value in fields])


def options(**values: object) -> list[tuple[str, object]]:
    """`options[0][name]=…&options[0][value]=…` of `core_enrol_get_enrolled_users`."""
    fields: list[tuple[str, object]] = []
    for place, (name, value) in enumerate(values.items()):
        fields += [(f"options[{place}][name]", name), (f"options[{place}][value]", value)]
    return fields


async def participants(moodle: SandboxMoodle, course: int, **values: object) -> list[dict[str, Any]]:
    """The participants of a course; fails on an error object."""
    answer = await ask(moodle, "core_enrol_get_enrolled_users", ("courseid", course), *options(**values))
    rows = answer.json
    assert isinstance(rows, list), rows
    return rows


async def usernames(moodle: SandboxMoodle, course: int, **values: object) -> set[str]:
    """The user names of a course's participants."""
    return {row["username"] for row in await participants(moodle, course, userfields="username", **values)}
