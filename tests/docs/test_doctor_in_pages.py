"""What pages say that `doctor`, and each start, shows is what they say of such an installation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.config.renamed import Rename
from moodle_appservice.doctor.checks import CHECKS
from moodle_appservice.doctor.frame import as_text, examine
from moodle_appservice.doctor.homeserver import CHECK_HOMESERVER
from moodle_appservice.doctor.relay import CHECK_RELAY
from moodle_appservice.doctor.web import CHECKS as ABOUT_PAGES
from tests.adapters.test_doctor import installation, relaying, surveyed
from tests.docs.test_docs import DOCS, fences

KEYS = "/mod/lti/certs.php"


def shown(page: str) -> list[list[str]]:
    """The blocks of a page that `doctor` shows, one after the other."""
    return [fence.text.splitlines() for fence in fences("text") if fence.page == DOCS / page]


@pytest.fixture
async def keys() -> AsyncIterator[str]:
    """Where somebody's keys are: Moodle's, and ours."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"keys": [{"kid": "1"}]})

    app = web.Application()
    app.router.add_get(KEYS, answer)
    app.router.add_get("/lti/jwks.json", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize("registered", [False, True])
async def test_doctor_shows_of_the_pages_and_their_registration_what_stands_there(
    registered: bool, keys: str, tmp_path: Path
) -> None:
    lti = {"registered": registered, "keys": keys + KEYS if registered else ""}
    at = installation(tmp_path, survey=surveyed(lti=lti), web={"public_url": keys})
    at.running, at._survey = True, surveyed(lti=lti)
    seen = as_text(await examine(ABOUT_PAGES, at)).splitlines()
    seen = [line.replace(keys + KEYS, "https://moodle.example.org" + KEYS) for line in seen]
    seen = [line.replace(keys, "https://chat.example.org") for line in seen]
    assert [line for line in shown("lti.md")[registered] if line not in seen] == [], "\n".join(seen)


async def test_doctor_shows_of_the_reader_of_announcements_what_stands_there(tmp_path: Path) -> None:
    checks = [check for check in CHECKS if check.name == CHECK_RELAY]
    seen = as_text(await examine(checks, relaying(tmp_path))).splitlines()
    (lines,) = shown("announcements.md")
    assert [line for line in lines if line not in seen] == [], "\n".join(seen)


async def test_doctor_shows_of_the_homeserver_what_stands_there(tmp_path: Path) -> None:
    at = installation(tmp_path)

    async def nothing() -> None:
        """It listens, and the ping arrives."""

    service = cast(Any, at.service)
    service.listen, service.matrix.ping = nothing, nothing
    names = (CHECK_HOMESERVER, "The homeserver reaches us")
    checks = [replace(check, after="") for check in CHECKS if check.name in names]
    seen = as_text(await examine(checks, at)).replace("uni.test", "example.org")
    knows, reaches, *_ = seen.splitlines()
    ports = knows.replace("127.0.0.1:9", "127.0.0.1:8008"), reaches.replace("127.0.0.1:9", "127.0.0.1:29301")
    assert shown("setup-synapse.md") == [list(ports)]


def test_every_line_of_doctor_in_a_page_is_of_a_check() -> None:
    names = {check.name for check in CHECKS}
    lines = [
        line for fence in fences("text") for line in fence.text.splitlines() if re.match("[✓✗!–] ", line)
    ]
    assert len(lines) > 25
    assert [line for line in lines if line[2:].partition(": ")[0] not in names] == []


def test_the_warning_about_a_key_that_is_called_otherwise_is_the_one_that_is_given() -> None:
    rename = Rename("moodle.old_name", "moodle.interval", "1.4.0")
    problem = rename.problem("config.yaml", 7, rename.old, rename.new)
    assert [[str(problem)]] == shown("upgrading.md")
