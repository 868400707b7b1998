"""Announcements and dates read from the sandbox with the weaker token, and what that must not see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from moodle_appservice.config import Settings
from moodle_appservice.demo.sandbox import Fault, SandboxMoodle, University
from moodle_appservice.demo.sandbox.activities import Enclosure
from moodle_appservice.demo.sandbox.records import GroupMode
from moodle_appservice.demo.sandbox.site import ContentReader
from moodle_appservice.domain.model import CourseId, UserId
from moodle_appservice.domain.relay import Attachment, PostList
from moodle_appservice.domain.rules import Rules
from moodle_appservice.errors import AppError, PermanentFailure
from moodle_appservice.moodle import errors
from moodle_appservice.moodle.client import MoodleClient, Pace, SharedPace
from moodle_appservice.moodle.content import PAGE, MoodleContent
from moodle_appservice.relaying import relay_from

COURSE, HIDDEN = CourseId(2), CourseId(3)


@dataclass
class Desk:
    moodle: SandboxMoodle
    reader: ContentReader
    content: MoodleContent

    async def posts(self, *, whole: bool = True) -> PostList:
        forums = (await self.content.forums([COURSE]))[COURSE]
        (found,) = (await self.content.posts(forums, whole=whole)).values()
        assert isinstance(found, PostList), found
        return found

    async def excess(self) -> str:
        reader = await self.content.reader()
        now = self.moodle.university.now()
        return " ".join(await self.content.excess(reader, hidden=[HIDDEN], shown=[COURSE], now=now))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    university = University()
    university.add_category("Department")
    for number in (2, 3):
        university.add_course(f"C{number}", f"Course {number}", 1, id=number)
    university.courses[2].groupmode = GroupMode.SEPARATE
    university.add_person("teach", "Teach", "One", id=5)
    university.add_group(2, "Tutorial", id=7)
    university.hide_course(3)
    async with SandboxMoodle(university) as moodle, aiohttp.ClientSession() as session:
        reader = moodle.add_reader()
        forum = moodle.activities.announcements(2)
        forum.groupmode = GroupMode.SEPARATE
        moodle.activities.announce(2, 5, "For all & more", "<p>Hello</p>")
        moodle.activities.announce(2, 5, "For some", "<p>Hello</p>", group=7)
        moodle.activities.announce(2, 5, "Later", "<p>Hello</p>", timestart=university.now() + 9000)
        moodle.activities.add(2, "assign", "Sheet 1", dates={"duedate": university.now() + 9000})
        moodle.activities.add(2, "assign", "Hidden", dates={"duedate": 1}, visible=False)
        moodle.activities.add(2, "quiz", "For some", dates={"timeclose": 1}, groups=frozenset({7}))
        client = MoodleClient(moodle.url, reader.token, session=session, raw=False, batch=50)
        yield Desk(moodle, reader, MoodleContent(client))


async def test_what_every_participant_sees_is_read(desk: Desk) -> None:
    assert [post.subject for post in (await desk.posts()).posts] == ["For all & more"]
    dates = await desk.content.dates([COURSE, HIDDEN])
    there = dates[COURSE]
    assert not isinstance(there, AppError)
    assert [date.name for date in there] == ["Sheet 1"]
    assert isinstance(dates[HIDDEN], errors.CourseNotAccessible)
    assert await desk.content.time_zone() == "UTC"


async def test_many_courses_take_few_requests(desk: Desk) -> None:
    for number in range(10, 130):
        desk.moodle.university.add_course(f"D{number}", f"Course {number}", 1, id=number)
        desk.moodle.activities.announce(number, 5, "News", "<p>Hello</p>")
    await desk.content.reader()
    before = sum(desk.moodle.counts.values())
    courses = [CourseId(number) for number in range(10, 130)]
    listed = await desk.content.forums(courses)
    forums = [forum for one in listed.values() for forum in one]
    found = await desk.content.posts(forums, whole=False)
    await desk.content.dates(courses)
    assert (len(found), sum(desk.moodle.counts.values()) - before) == (120, 1 + 3 + 3)


async def test_a_page_says_whether_it_is_all(desk: Desk) -> None:
    assert (await desk.posts(whole=False)).whole
    for number in range(PAGE):
        desk.moodle.activities.announce(2, 5, f"News {number}", "")
    page = await desk.posts(whole=False)
    assert (len(page.posts), page.whole) == (PAGE, False)
    assert len((await desk.posts()).posts) == PAGE + 1


async def test_a_forum_that_is_hidden_or_gone_fails_alone(desk: Desk) -> None:
    forums = (await desk.content.forums([COURSE]))[COURSE]
    desk.moodle.activities.announcements(2).visible = False
    assert isinstance((await desk.content.posts(forums, whole=True))[forums[0].id], errors.MoodlePermanent)
    assert await desk.content.forums([COURSE]) == {COURSE: []}


EXCESSES: dict[str, tuple[Callable[[Desk], object], str]] = {
    "as it should be": (lambda desk: None, ""),
    "hidden courses": (
        lambda desk: desk.reader.rights.grant("moodle/course:viewhiddencourses"),
        "hidden course 3",
    ),
    "hidden activities": (
        lambda desk: desk.reader.rights.grant("moodle/course:viewhiddenactivities"),
        "the hidden activity “Hidden”",
    ),
    "all groups": (lambda desk: desk.reader.rights.grant("moodle/site:accessallgroups"), "accessallgroups"),
    "timed posts": (
        lambda desk: desk.reader.rights.grant("mod/forum:viewhiddentimedposts"),
        "viewhiddentimedposts",
    ),
    "its own group": (
        lambda desk: desk.moodle.university.groups[7].members.add(desk.reader.user),
        "posts to single groups",
    ),
}


@pytest.mark.parametrize("case", EXCESSES)
async def test_a_reader_that_sees_more_than_participants_is_found_out(desk: Desk, case: str) -> None:
    change, words = EXCESSES[case]
    change(desk)
    found = await desk.excess()
    assert words in found if words else found == ""


async def test_a_function_that_is_missing_is_named(desk: Desk) -> None:
    desk.reader.service.functions.remove("mod_forum_get_forum_discussions")
    with pytest.raises(errors.FunctionMissing, match="mod_forum_get_forum_discussions"):
        await desk.content.reader()


async def test_files_of_posts_come_from_moodle_alone(desk: Desk) -> None:
    desk.reader.service.downloadfiles = 1
    files = [Enclosure("plan 1.png", "image/png", b"\x89PNG", "f/image")]
    desk.moodle.activities.announce(2, 5, "Plan", "", files=files)
    (file,) = (await desk.posts()).posts[0].files
    assert (await desk.content.file(file, most=100)).data == b"\x89PNG"
    with pytest.raises(errors.AnswerTooLarge):
        await desk.content.file(file, most=2)
    for address in ("https://evil.example/x.png", f"{desk.moodle.url}/webservice/pluginfile.php/../x"):
        with pytest.raises(PermanentFailure):
            await desk.content.file(Attachment("x", address, "image/png", 1, 0.0), most=100)


async def test_a_moodle_that_is_down_stops_the_look(desk: Desk) -> None:
    forums = (await desk.content.forums([COURSE]))[COURSE]
    desk.moodle.faults.fail(Fault.MAINTENANCE, function="tool_mobile_call_external_functions")
    with pytest.raises(errors.Maintenance):
        await desk.content.posts(forums, whole=True)


async def test_whoever_takes_a_part_of_a_budget_waits_for_both() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds))

    whole = Pace(60, now=lambda: 0.0, sleep=sleep)
    part = SharedPace(None, whole)
    for _ in range(3):
        await part.turn()
    assert waits == [1, 2], "the whole budget counts what the part has taken"


@pytest.mark.parametrize(("per_minute", "own"), [(120, 30), (3, 1), (None, None)])
async def test_the_relay_takes_a_quarter_of_the_requests_that_moodle_may_be_asked(
    tmp_path: Path, per_minute: int | None, own: int | None
) -> None:
    settings = Settings.model_validate(
        {
            "site": "uni",
            "database": f"sqlite:{tmp_path / 'our.db'}",
            "moodle": {
                "url": "https://moodle.uni.test",
                "token": "0123456789abcdef0123456789abcdef",
                "content_token": "fedcba9876543210fedcba9876543210",
                "requests_per_minute": per_minute,
            },
            "homeserver": {"address": "http://127.0.0.1:8008", "domain": "uni.test"},
        }
    )
    async with aiohttp.ClientSession() as session:
        beside = MoodleClient(settings.moodle.url, "t" * 32, session=session, requests_per_minute=per_minute)
        nothing: Any = None
        rules = Rules("uni", "uni.test", UserId("@moodlebot:uni.test"))
        parts = relay_from(
            settings,
            rules,
            session=session,
            beside=beside,
            facts=nothing,
            matrix=nothing,
            store=SimpleNamespace(relay=nothing),
            clock=nothing,
            reads=lambda: True,
        )
    assert parts.client is not None
    pace = parts.client.pace
    assert isinstance(pace, SharedPace) and pace._whole is beside.pace
    assert pace._gap == (60 / own if own else 0)
