"""What `doctor` says about the source: each missing right and function with its price, and Moodle's own rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from moodle_appservice.config import Settings
from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.doctor.checks import CHECKS
from moodle_appservice.doctor.examined import Examined
from moodle_appservice.doctor.frame import FAILED, OK, WARNING, Result, examine
from moodle_appservice.doctor.moodle import CHECK_HINTS, CHECK_MOODLE, CHECK_OWN_ROOMS, CHECK_RIGHTS
from moodle_appservice.doctor.people import CHECK_PICTURES
from moodle_appservice.domain.model import CourseId
from moodle_appservice.moodle.client import MoodleClient
from moodle_appservice.moodle.pictures import MoodlePictureList
from moodle_appservice.moodle.read import MoodleFacts
from moodle_appservice.ports import CourseRow
from moodle_appservice.registration import Registration
from moodle_appservice.service import Service
from tests.adapters.moodle_server import FUNCTIONS, TOKEN, Moodle
from tests.adapters.test_source import Desk, started
from tests.fakes import FakeClock

ABOUT_THE_SOURCE = {CHECK_MOODLE, CHECK_RIGHTS, CHECK_OWN_ROOMS, CHECK_HINTS, "Moodle lists its courses"}


@pytest.fixture
async def moodle(tmp_path: Path) -> AsyncIterator[tuple[Moodle, str]]:
    site = Moodle()
    site.add_course(2, 11, 12, 13)
    site.add_course(3, 12, 14, groupmode=1)
    site.add_course(4, 12, visible=0)
    site.teachers = {11}
    async with TestServer(site.application()) as server:
        yield site, str(server.make_url("/"))


async def examined(at: Desk, folder: Path) -> dict[str, Result]:
    """The checks of the source alone, without a homeserver."""
    service = SimpleNamespace(source=at.source, facts=at.source.facts, clock=FakeClock())
    settings = SimpleNamespace(control_socket=folder / "none.sock")
    at_all = Examined(cast(Settings, settings), cast(Registration, None), cast(Service, service))
    checks = [check for check in CHECKS if check.name in ABOUT_THE_SOURCE]
    return {result.name: result for result in await examine(checks, at_all)}


async def doctor(address: str, folder: Path, **more: Any) -> dict[str, Result]:
    async with started(address, TOKEN, folder / "ours.db", FakeClock(), **more) as at:
        return await examined(at, folder)


async def test_where_all_is_there_all_is_well(moodle: tuple[Moodle, str], tmp_path: Path) -> None:
    results = await doctor(moodle[1], tmp_path)
    assert {result.state for result in results.values()} == {OK}
    assert results[CHECK_OWN_ROOMS].found == "There are none."


@pytest.mark.parametrize(
    ("right", "price", "stops"),
    [
        ("moodle/user:viewdetails", "Moodle lists some participants, such as teachers", True),
        ("moodle/user:viewalldetails", "user names and the state of accounts are left out", True),
        ("moodle/user:viewhiddendetails", "whether an account is suspended is left out", True),
        ("moodle/site:accessallgroups", "courses with separate groups look empty", False),
        ("moodle/course:enrolreview", "participants can't be listed", False),
    ],
)
async def test_each_missing_right_has_its_price_and_the_silent_ones_stop_the_service(
    moodle: tuple[Moodle, str], tmp_path: Path, right: str, price: str, stops: bool
) -> None:
    moodle[0].rights.discard(right)
    result = (await doctor(moodle[1], tmp_path))[CHECK_RIGHTS]
    assert result.state == FAILED
    assert f"{right} is missing" in result.found and f": without it {price}" in result.found
    assert ("Until then the service reads no course and removes nobody." in result.found) is stops


async def test_a_right_to_see_hidden_courses_is_missed_in_a_course_that_had_a_room(
    moodle: tuple[Moodle, str], tmp_path: Path
) -> None:
    moodle[0].rights.discard("moodle/course:viewhiddencourses")
    async with started(moodle[1], TOKEN, tmp_path / "ours.db", FakeClock()) as at:
        await at.store.courses.save([CourseRow(CourseId(4), "C4", True, "On.", gone=True)])
        result = (await examined(at, tmp_path))[CHECK_RIGHTS]
    assert result.state == FAILED
    assert "moodle/course:viewhiddencourses is missing (seen in course 4)" in result.found


@pytest.mark.parametrize("function", FUNCTIONS[1:5])
async def test_each_missing_function_has_its_price(
    moodle: tuple[Moodle, str], tmp_path: Path, function: str
) -> None:
    moodle[0].functions = tuple(name for name in FUNCTIONS if name != function)
    result = (await doctor(moodle[1], tmp_path))[CHECK_MOODLE]
    assert result.state == FAILED
    assert f"The function {function} is not in the service of our token: without it " in result.found


async def test_what_is_only_useful_and_what_is_too_much_is_a_warning(
    moodle: tuple[Moodle, str], tmp_path: Path
) -> None:
    moodle[0].functions = FUNCTIONS[:-1]
    moodle[0].courses[2]["idnumber"] = "X"
    result = (await doctor(moodle[1], tmp_path))[CHECK_RIGHTS]
    assert result.state == WARNING
    assert "with it many courses are read in one request" in result.found
    assert "moodle/course:update is there and not needed" in result.found


async def test_rooms_that_moodle_made_itself_are_a_warning(
    moodle: tuple[Moodle, str], tmp_path: Path
) -> None:
    moodle[0].courses[3]["communicationroomurl"] = "https://matrix.to/#/!abc"
    result = (await doctor(moodle[1], tmp_path))[CHECK_OWN_ROOMS]
    assert (result.state, result.found) == (
        WARNING,
        "Moodle itself has made rooms for some courses: 3. They get no second one unasked.",
    )


@pytest.mark.parametrize("knows", [True, False])
async def test_with_reports_it_says_whether_hints_work_and_such_rooms_are_known(
    tmp_path: Path, knows: bool
) -> None:
    async with (
        SandboxMoodle() as sandbox,
        started(sandbox.url, sandbox.token, tmp_path / "ours.db", FakeClock(), source="reports") as at,
    ):
        if not knows:
            sandbox.site.service.functions.remove(FUNCTIONS[1])
        results = await examined(at, tmp_path)
        assert results[CHECK_OWN_ROOMS].found.startswith(
            "There are none." if knows else "Reports do not show"
        )
        hints = results[CHECK_HINTS].found
        assert hints.startswith("Can be read") if knows else f"has no {FUNCTIONS[1]}: who asks" in hints


@pytest.mark.parametrize(
    ("wanted", "downloads", "state", "words"),
    [
        (False, 0, OK, "Not read"),
        (False, 1, OK, "Not read"),
        (True, 0, FAILED, "may not download files. Avatars stay as they are."),
        (True, 1, OK, "Avatars follow them"),
    ],
)
async def test_it_says_whether_pictures_can_be_downloaded(
    wanted: bool, downloads: int, state: str, words: str
) -> None:
    async with SandboxMoodle() as sandbox, aiohttp.ClientSession() as session:
        sandbox.site.service.downloadfiles = downloads
        facts = MoodleFacts(MoodleClient(sandbox.url, sandbox.token, session=session), clock=FakeClock())
        service = SimpleNamespace(facts=facts, source=SimpleNamespace(reports=None))
        settings = SimpleNamespace(accounts=SimpleNamespace(follow_avatar=wanted))
        at_all = Examined(cast(Settings, settings), cast(Registration, None), cast(Service, service))
        checks = [one for one in CHECKS if one.name in (CHECK_MOODLE, CHECK_PICTURES)]
        results = {result.name: result for result in await examine(checks, at_all)}
    assert results[CHECK_PICTURES].state == state
    assert words in results[CHECK_PICTURES].found


@pytest.mark.parametrize(
    ("without", "state", "words"),
    [
        ((), OK, "tells them beside the reports"),
        (("core_user_get_users_by_field",), FAILED, "does not hold core_user_get_users_by_field"),
        (
            ("moodle/user:viewdetails",),
            WARNING,
            "shows our Moodle account 1. The avatars of the others stay as they are. Add moodle/user:viewdetails",
        ),
    ],
)
async def test_with_reports_it_says_whether_pictures_are_told_beside_them(
    tmp_path: Path, without: tuple[str, ...], state: str, words: str
) -> None:
    async with (
        SandboxMoodle() as sandbox,
        started(sandbox.url, sandbox.token, tmp_path / "ours.db", FakeClock(), source="reports") as at,
    ):
        sandbox.site.service.downloadfiles = 1
        for name in without:
            if name in sandbox.site.service.functions:
                sandbox.site.service.functions.remove(name)
            else:
                sandbox.rights.revoke(name)
        service = SimpleNamespace(
            facts=at.source.facts,
            source=at.source,
            picture_list=MoodlePictureList(at.client, at.source.facts),
        )
        settings = SimpleNamespace(accounts=SimpleNamespace(follow_avatar=True))
        at_all = Examined(cast(Settings, settings), cast(Registration, None), cast(Service, service))
        checks = [one for one in CHECKS if one.name in (CHECK_MOODLE, CHECK_PICTURES)]
        results = {result.name: result for result in await examine(checks, at_all)}
    assert results[CHECK_PICTURES].state == state
    assert words in results[CHECK_PICTURES].found
