"""What is fuzzed: everything that reads what others wrote, as functions from bytes to nothing.

A target may refuse its input with an error of ours, that is what it is for. Any other exception is a finding, and so is
taking longer than `SLOW` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from joserfc.jwk import RSAKey

from moodle_appservice.bot.command import Misused
from moodle_appservice.bot.commands import COMMANDS
from moodle_appservice.bot.reading import read
from moodle_appservice.errors import AppError
from moodle_appservice.matrix.events import parse_event, wanted
from moodle_appservice.moodle import report_cells, shapes
from moodle_appservice.moodle.answer import Reply, read_answer, text_decoder
from moodle_appservice.moodle.parse import plain_text
from moodle_appservice.ports import Platform
from moodle_appservice.web.lti_token import Expected, launch_of, read_claims
from moodle_appservice.web.refusals import Refusal

SLOW = 1.0
Target = Callable[[bytes], None]
_PLATFORM = Platform(
    "https://m.test", "client", "1", "https://m.test/a", "https://m.test/t", "https://m.test/k"
)
_EXPECTED = Expected(_PLATFORM, "nonce", "8", "https://us.test/lti/launch", "LtiResourceLinkRequest")
_SHAPES: tuple[Callable[[Any], object], ...] = (
    lambda answer: shapes.site_info(answer, "de"),
    lambda answer: shapes.listing(answer, "de"),
    lambda answer: shapes.categories(answer, "de"),
    lambda answer: shapes.roster(answer, "de"),
    lambda answer: shapes.course_groups(answer, "de"),
    lambda answer: shapes.user_ids(answer),
    lambda answer: shapes.accounts(answer, ("matrixid",), pictures=True),
    lambda answer: shapes.pictures(answer),
)
_CELLS = (
    *(report_cells.role, report_cells.truth, report_cells.moment, report_cells.text),
    *(report_cells.text_or_nothing, report_cells.language_code),
)


class _Keys:
    """Every key is ours: what comes behind the signature is to be read too."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048)

    async def find(self, url: str, kid: str) -> RSAKey | None:
        del url
        return self.key if kid else None


_KEYS = _Keys()
_LOOP = asyncio.new_event_loop()


def moodle_answer(data: bytes) -> None:
    """Whatever comes over the wire as an answer of a web service function, and each shape that it may be taken for."""
    text = text_decoder().decode(data, final=True)
    for status in (200, 500):
        with contextlib.suppress(AppError):
            read_answer("core_function", Reply(status, text), set(), compact=status == 200)
    with contextlib.suppress(AppError, ValueError, RecursionError):
        answer = json.loads(data)
        for shape in _SHAPES:
            with contextlib.suppress(AppError):
                shape(answer)


def report_cell(data: bytes) -> None:
    """A cell of a report: HTML, numbers, nothing."""
    text = data.decode("utf-8", "replace")
    cells: list[object] = [text, len(data), None, True, [text]]
    for cell in cells:
        # ValueError is how a cell says that it does not hold what its column promises.
        for reader in _CELLS:
            with contextlib.suppress(ValueError):
                reader(cell)
        with contextlib.suppress(ValueError):
            report_cells.link(cell, "user")
        with contextlib.suppress(ValueError):
            report_cells.name(cell, "de")
    plain_text(text, "de_ch")


def transaction(data: bytes) -> None:
    """What claims to be a push of the homeserver."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    raw = body.get("events") if isinstance(body, dict) else None
    for one in raw if isinstance(raw, list) else [body]:
        event = parse_event(one)
        if event is not None and wanted(event):
            assert isinstance(event.content, Mapping)
            json.dumps(dict(event.content), ensure_ascii=True)


def lti_token(data: bytes) -> None:
    """What claims to be a token of Moodle; and claims that were signed."""
    text = data.decode("utf-8", "replace")

    async def check() -> None:
        with contextlib.suppress(Refusal):
            await read_claims(text, _EXPECTED, cast(Any, _KEYS), now=1.0)

    _LOOP.run_until_complete(check())
    with contextlib.suppress(ValueError, RecursionError):
        claims = json.loads(data)
        if (
            isinstance(claims, dict)
            and str(claims.get("sub", "")).isdecimal()
            and len(str(claims["sub"])) < 18
        ):
            launch_of(claims)


_READINGS = {(one.of_course, one.paged, one.words): one for one in COMMANDS.values()}
"""One command for each way in which words are read."""


def bot_command(data: bytes) -> None:
    """What somebody writes to the bot."""
    text = data.decode("utf-8", "replace")
    for direct in (True, False):
        said = read(text, "!", direct=direct)
        if said is None:
            continue
        for command in _READINGS.values():
            with contextlib.suppress(Misused):
                command.parse(said)


TARGETS: Mapping[str, Target] = {
    "Moodle's answers": moodle_answer,
    "cells of reports": report_cell,
    "pushed transactions": transaction,
    "LTI tokens": lti_token,
    "commands to the bot": bot_command,
}


def corpus(name: str) -> Iterator[bytes]:
    """Good inputs to begin with."""
    event = {
        "event_id": "$e",
        "room_id": "!r",
        "type": "m.room.member",
        "sender": "@a:b",
        "state_key": "@a:b",
        "origin_server_ts": 1,
        "content": {"membership": "join", "displayname": "\\u202eevil<b>"},
        "unsigned": {"replaces_state": "$d"},
    }
    course = {"id": 42, "shortname": "M1", "fullname": "Mathe <i>&amp;</i>", "categoryid": 3, "visible": 1}
    match name:
        case "Moodle's answers":
            yield json.dumps({"courses": [course], "warnings": []}).encode()
            yield json.dumps([{"id": 3, "name": "A", "parent": 0, "path": "/3", "sortorder": 1}]).encode()
            yield json.dumps({"sitename": "U", "siteurl": "https://m", "userid": 2, "functions": []}).encode()
            yield json.dumps([{"id": 8, "username": "a", "roles": [{"shortname": "student"}]}]).encode()
            yield b'<br />\n<b>Warning</b>: x in <b>y.php</b> on line <b>3</b><br />\n{"courses": []}'
            yield b'{"exception": "moodle_exception", "errorcode": "invalidtoken", "message": "No"}'
        case "cells of reports":
            yield b'<a href="https://m.test/user/profile.php?id=8">Anna &amp; Bert</a>'
            yield b'{mlang de}Mathe{mlang}{mlang en}Maths{mlang}<span lang="de" class="multilang">x</span>'
            yield b"Yes"
            yield b"1767225600"
        case "pushed transactions":
            yield json.dumps({"events": [event, {**event, "type": "m.room.power_levels"}]}).encode()
        case "LTI tokens":
            yield b"eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiI4In0.AAAA"
            yield json.dumps({"sub": "8", "name": "A\\u202e", "aud": ["client"], "exp": 1e308}).encode()
        case _:
            yield b'!moodle sync --course 42 "quoted \'words"'
            yield b"link ABCD-EFGH"
