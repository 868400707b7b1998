"""People's pictures: which are their own, and what the file server may answer instead of one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.demo.sandbox import Fault, SandboxMoodle, University
from moodle_appservice.demo.sandbox.files import FILES, THEME_PICTURE
from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.errors import PermanentFailure, TemporaryFailure
from moodle_appservice.moodle.client import MoodleClient
from moodle_appservice.moodle.pictures import MoodlePictureList, MoodlePictures
from moodle_appservice.moodle.read import MoodleFacts
from moodle_appservice.moodle.shapes import USERS, accounts
from tests.adapters.test_source import started
from tests.fakes import FakeClock

PNG = b"\x89PNG\r\n\x1a\nAnna"
TOKEN = "0123456789abcdef0123456789abcdef"
SOURCE = "100/user/icon/f3?rev=30"


def told(address: object, *, pictures: bool = True) -> str | None:
    """What of an account's `profileimageurl` is kept."""
    row: Any = {"id": 7, "username": "anna", "suspended": False, "confirmed": True, "auth": "manual"}
    if address is not None:
        row["profileimageurl"] = address
    person = accounts([row], (), pictures=pictures)[0].person
    assert person is not None
    return person.picture


@pytest.mark.parametrize(
    ("address", "picture"),
    [
        # As Moodle 4.4, 4.5 and 5.1 write them.
        ("http://127.0.0.1:9045/pluginfile.php/100/user/icon/boost/f1?rev=30", SOURCE),
        ("https://uni.example/moodle/pluginfile.php/100/user/icon/another/f1?rev=30", SOURCE),
        ("https://uni.example/pluginfile.php?file=%2F100%2Fuser%2Ficon%2Fboost%2Ff1&rev=30", SOURCE),
        ("https://uni.example/webservice/pluginfile.php/100/user/icon/f1?rev=30", SOURCE),
        ("https://uni.example/pluginfile.php/100/user/icon/boost/f1", "100/user/icon/f3?rev="),
        ("http://127.0.0.1:9045/theme/image.php/boost/core/1795216043/u/f1", ""),
        ("http://www.gravatar.com/avatar/cfa35b8cd2ec278026357769582fa563?s=100&d=mm", ""),
        ("https://uni.example/pluginfile.php/100/group/icon/boost/f1?rev=30", ""),
        ("", ""),
        (None, None),
        (7, None),
    ],
)
def test_only_a_picture_of_one_s_own_is_one(address: object, picture: str | None) -> None:
    assert told(address) == picture


def test_nothing_is_kept_of_pictures_unless_it_is_wanted() -> None:
    assert told("https://uni.example/pluginfile.php/100/user/icon/boost/f1?rev=30", pictures=False) is None


# Against the sandbox


@dataclass
class Desk:
    moodle: SandboxMoodle
    client: MoodleClient
    pictures: MoodlePictures
    clock: FakeClock

    async def picture_of(self, user_id: MoodleUserId, *, wanted: bool = True) -> str | None:
        facts = MoodleFacts(self.client, clock=self.clock, pictures=wanted)
        person = await facts.person(user_id, not_older_than=0.0)
        assert person is not None
        return person.picture


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    university = University()
    university.add_person("anna", "Anna", "Aa", id=7).set_picture(PNG)
    university.add_person("bert", "Bert", "Bb", id=8)
    async with SandboxMoodle(university) as moodle, aiohttp.ClientSession() as session:
        moodle.site.service.downloadfiles = 1
        client = MoodleClient(moodle.url, moodle.token, session=session)
        yield Desk(moodle, client, MoodlePictures(client), FakeClock())


ANNA, BERT = MoodleUserId(7), MoodleUserId(8)


async def test_a_picture_comes_as_it_is_and_each_new_one_is_another(desk: Desk) -> None:
    source = await desk.picture_of(ANNA)
    assert source
    picture = await desk.pictures.read(source)
    assert (picture.source, picture.content_type, picture.data) == (source, "image/png", PNG)
    desk.moodle.university.people[ANNA].set_picture(b"\xff\xd8\xff\xe0", "image/jpeg")
    newer = await desk.picture_of(ANNA)
    assert newer and newer != source
    assert (await desk.pictures.read(newer)).content_type == "image/jpeg"
    desk.moodle.university.people[ANNA].set_picture(None)
    assert await desk.picture_of(ANNA) == await desk.picture_of(BERT) == ""
    assert (await desk.pictures.read(newer)).data == THEME_PICTURE, "Moodle gives the theme's, with 200"


async def test_where_the_service_may_not_download_files_nothing_is_said_of_pictures(desk: Desk) -> None:
    assert await desk.picture_of(ANNA, wanted=False) is None
    source = await desk.picture_of(ANNA)
    assert source
    desk.moodle.site.service.downloadfiles = 0
    assert await desk.picture_of(ANNA) is None
    assert await desk.picture_of(BERT) is None
    with pytest.raises(PermanentFailure, match="Can download files"):
        await desk.pictures.read(source)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault.BAD_GATEWAY, TemporaryFailure),
        (Fault.UNAVAILABLE, TemporaryFailure),
        (Fault.PHP_FATAL, TemporaryFailure),
        (Fault.EMPTY, TemporaryFailure),
        (Fault.FORBIDDEN, PermanentFailure),
    ],
)
async def test_accidents_of_the_file_server_are_no_pictures(
    desk: Desk, fault: Fault, failure: type[Exception]
) -> None:
    source = await desk.picture_of(ANNA)
    assert source
    desk.moodle.faults.fail(fault, function=FILES)
    with pytest.raises(failure):
        await desk.pictures.read(source)
    assert (await desk.pictures.read(source)).data == PNG


async def test_a_wrong_token_and_a_person_who_is_gone_are_told_apart_from_pictures(desk: Desk) -> None:
    with pytest.raises(PermanentFailure, match="has no picture 5/user/icon/f3"):
        await desk.pictures.read("5/user/icon/f3?rev=1")
    desk.moodle.site.token = None
    with pytest.raises(PermanentFailure, match="does not know our token"):
        await desk.pictures.read("100007/user/icon/f3?rev=1")


def refusal(said: str, code: str) -> dict[str, str | None]:
    rest = {"stacktrace": None, "debuginfo": None, "reproductionlink": None}
    return {"error": said, "errorcode": code, **rest}


REFUSALS = [
    refusal("Access control exception", "accessexception"),
    refusal("Can't find data record in database table context.", "invalidrecord"),
    refusal("Invalid token - token not found", "invalidtoken"),
    refusal("A required parameter (token) was missing", "missingparam"),
]
"""Recorded from Moodle 4.4: downloads are off, no such context, a wrong token, none."""
NEWER = {1: refusal("Can't find data record in database.", "invalidrecordunknown")}
"""What Moodle 5.1 says otherwise."""


@pytest.mark.parametrize("version", ["4.4", "5.1"])
async def test_the_sandbox_refuses_a_picture_as_moodle_does(version: str) -> None:
    async with SandboxMoodle(version=version) as moodle, aiohttp.ClientSession() as session:

        async def ask(form: dict[str, str]) -> dict[str, Any]:
            address = f"{moodle.url}/{FILES}/99999/user/icon/f3?rev=1"
            async with session.post(address, data=form) as answer:
                assert (answer.status, answer.headers["Content-Type"]) == (
                    200,
                    "application/json; charset=utf-8",
                )
                told: dict[str, Any] = await answer.json()
                return told

        found = [await ask({"token": moodle.token})]
        moodle.site.service.downloadfiles = 1
        found += [await ask(form) for form in ({"token": moodle.token}, {"token": "bad"}, {})]
    newer = NEWER if version == "5.1" else {}
    assert found == [newer.get(number, one) for number, one in enumerate(REFUSALS)]


# The list of pictures, for a source that tells none


async def test_the_list_tells_everybody_s_picture_with_few_rights(desk: Desk) -> None:
    listing = MoodlePictureList(desk.client, MoodleFacts(desk.client, clock=desk.clock))
    desk.moodle.rights.revoke("moodle/user:viewalldetails")
    before = desk.moodle.counts[USERS]
    found = await listing.read([BERT, ANNA, MoodleUserId(99)])
    assert found == {ANNA: f"{100000 + ANNA}/user/icon/f3?rev=1", BERT: ""}
    assert desk.moodle.counts[USERS] - before == 1
    desk.moodle.rights.revoke("moodle/user:viewdetails")
    assert await listing.read([ANNA, BERT]) == {}, "Moodle leaves out whom we may not see"


async def test_the_list_says_what_is_missing_in_the_service(desk: Desk) -> None:
    async def lacks() -> str:
        return await MoodlePictureList(desk.client, MoodleFacts(desk.client, clock=desk.clock)).lacks()

    assert await lacks() == ""
    desk.moodle.site.service.downloadfiles = 0
    assert await lacks() == "The service of our token may not download files."


async def test_the_list_is_asked_beside_reports_and_knows_what_their_service_lacks(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        SandboxMoodle() as sandbox,
        started(sandbox.url, sandbox.token, tmp_path / "ours.db", clock, source="reports") as at,
    ):
        sandbox.site.service.downloadfiles = 1
        listing = MoodlePictureList(at.client, at.source.facts)
        assert await listing.lacks() == ""
        someone = MoodleUserId(min(sandbox.university.people.keys() - {1, 2}))
        sandbox.university.people[someone].set_picture(PNG)
        assert (await listing.read([someone]))[someone]
        sandbox.site.service.functions.remove(USERS)
        await at.look(clock)
        assert await listing.lacks() == f"The service of our token does not hold {USERS}."


# Against a server that answers anything

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, **more: Any) -> AsyncIterator[MoodlePictures]:
    application = web.Application()
    application.router.add_route("*", "/webservice/pluginfile.php/{path:.*}", handler)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield MoodlePictures(MoodleClient(str(server.make_url("/")), TOKEN, session=session), **more)


def says(body: bytes, content_type: str = "image/png", status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": content_type, **headers})

    return handler


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/png", PNG),
        ("image/jpeg", b"\xff\xd8\xff\xe0 JFIF"),
        ("image/gif", b"GIF89a Anna"),
        ("image/webp", b"RIFF\0\0\0\0WEBP"),
    ],
)
async def test_four_kinds_of_pictures_are_taken(content_type: str, body: bytes) -> None:
    async with serving(says(body, content_type)) as pictures:
        assert (await pictures.read(SOURCE)).data == body


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (says(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "no PNG, JPEG, GIF or WebP"),
        (says(b"<html>log in</html>", "image/png"), "no PNG, JPEG, GIF or WebP"),
        (says(b"<html>log in</html>", "text/html"), "no PNG, JPEG, GIF or WebP"),
        (says(PNG, "application/octet-stream"), "no PNG, JPEG, GIF or WebP"),
        (says(b"", "image/png"), "no PNG, JPEG, GIF or WebP"),
        (says(b"[]", "application/json"), "no PNG, JPEG, GIF or WebP"),
        (says(PNG + bytes(100), "image/png"), "more than 100 bytes"),
        (says(b"", status=303, Location="https://evil.example/x.png"), "does not show it to us"),
        (says(b"not found", "text/html", 404), "has no picture"),
        (says(b'{"error":"Sorry","errorcode":"filenotfound"}', "application/json", 404), "has no picture"),
    ],
)
async def test_what_is_no_picture_is_not_taken(handler: Handler, words: str) -> None:
    async with serving(handler, max_bytes=100) as pictures:
        with pytest.raises(PermanentFailure, match=words) as caught:
            await pictures.read(SOURCE)
    assert SOURCE in str(caught.value)


async def test_the_token_stands_in_no_address_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, str, dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.path_qs, dict(await request.post())))
        error = {"error": f"Invalid token {TOKEN}", "errorcode": "accessexception", "stacktrace": None}
        return web.json_response(error)

    with caplog.at_level(logging.DEBUG):
        async with serving(handler) as pictures:
            with pytest.raises(PermanentFailure) as caught:
                await pictures.read(SOURCE)
    assert seen == [("POST", f"/webservice/pluginfile.php/{SOURCE}", {"token": TOKEN})]
    assert TOKEN not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
