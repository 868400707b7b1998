"""The page on which a visitor changes the sandbox's university."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from moodle_appservice.demo.sandbox import SandboxMoodle, generate
from moodle_appservice.demo.sandbox.page_html import ASSIGNABLE
from moodle_appservice.demo.sandbox.seed import account

Client: TypeAlias = TestClient[web.Request, web.Application]
NOW = 1_800_000_000


class Page(HTMLParser):
    """What a test asks about a page: its text, its links, its fields, and whether every field has a label."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.fields: dict[str, str | None] = {}
        self.unlabelled: list[str] = []
        self.tags: list[str] = []
        self._labelled: set[str] = set()
        self._inside_label = False
        self.feed(text)
        self.unlabelled = [name for name in self.unlabelled if name not in self._labelled]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(given["href"] or "")
        elif tag == "label":
            self._inside_label = True
            self._labelled.add(given.get("for") or "")
        elif tag in ("input", "select") and given.get("type") != "hidden":
            name = given["name"] or ""
            self.fields[name] = given.get("value")
            if not self._inside_label:
                self.unlabelled.append(given.get("id") or f"{name} without id")

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._inside_label = False

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def moodle() -> SandboxMoodle:
    return SandboxMoodle(clock=lambda: NOW)


@pytest.fixture
async def client(moodle: SandboxMoodle) -> AsyncIterator[Client]:
    async with TestClient(TestServer(moodle.app)) as client:
        yield client


async def _get(client: Client, path: str) -> Page:
    response = await client.get(path)
    assert response.status == 200
    return Page(await response.text())


async def _press(client: Client, path: str, *fields: tuple[str, object]) -> Page:
    """Post a form, follow the redirect, and return the page that comes."""
    response = await client.post(
        path, data=[(name, str(value)) for name, value in fields], allow_redirects=False
    )
    assert response.status == 303
    return await _get(client, response.headers["Location"])


async def test_the_start_page_lists_every_course_with_its_people(client: Client) -> None:
    page = await _get(client, "/")
    assert [link for link in page.links if "course" in link] == [
        f"/course/view.php?id={number}" for number in (4, 5, 2, 3, 6, 8, 7, 9)
    ]
    assert (
        "Algorithms & Data Structures ALG&DS · 41 people, 3 not active, 4 groups separate groups" in page.text
    )
    assert "Hidden workshop HID · 7 people hidden" in page.text
    assert "Archive › Last year (hidden)" in page.text


async def test_pages_need_no_script_and_allow_none(client: Client) -> None:
    for path in ("/", "/course/view.php?id=2"):
        response = await client.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        text = await response.text()
        assert "<script" not in text
        assert " style=" not in text
        assert not re.search(r"\son[a-z]+=", text)
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_style_is_the_one_that_the_policy_allows(client: Client) -> None:
    response = await client.get("/")
    style = re.search(r"<style>(.*?)</style>", await response.text(), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in response.headers["Content-Security-Policy"]


async def test_every_field_has_a_label_and_the_page_a_language(client: Client) -> None:
    for number in (2, 8):
        page = await _get(client, f"/course/view.php?id={number}")
        assert page.unlabelled == []
        assert page.tags.count("h1") == 1
        assert {"main", "header", "nav"} <= set(page.tags)


async def test_what_people_are_called_is_escaped(client: Client, moodle: SandboxMoodle) -> None:
    moodle.university.people[account(moodle.university, "student001")].firstname = '<img src=x>"&'
    moodle.university.courses[2].fullname = 'A <script>alert(1)</script> & "B"'
    text = await (await client.get("/course/view.php?id=2")).text()
    assert "<img" not in text
    assert "<script" not in text
    assert "&lt;img src=x&gt;&quot;&amp;" in text


async def test_a_person_is_enrolled_and_unenrolled(client: Client, moodle: SandboxMoodle) -> None:
    user = account(moodle.university, "student090")
    page = await _press(client, "/course/2/enrol", ("user", user), ("role", "teacher"))
    assert "The person is enrolled." in page.text
    assert [role.shortname for role in moodle.university.roles_in(2, user)] == ["teacher"]
    page = await _press(client, "/course/2/unenrol", ("user", user))
    assert "The person is no longer enrolled." in page.text
    assert user not in set(moodle.university.enrolled(2))


async def test_an_enrolment_is_suspended_and_resumed(client: Client, moodle: SandboxMoodle) -> None:
    user = account(moodle.university, "student001")
    page = await _press(client, "/course/2/suspend", ("user", user))
    assert "enrolment suspended The enrolment is suspended." in page.text
    assert not moodle.university.active(2, user, NOW)
    await _press(client, "/course/2/resume", ("user", user))
    assert moodle.university.active(2, user, NOW)


async def test_roles_and_groups_are_changed(client: Client, moodle: SandboxMoodle) -> None:
    university = moodle.university
    user = account(university, "student001")
    await _press(client, "/course/2/role", ("user", user), ("role", "teacher"), ("role", "manager"))
    assert [role.shortname for role in university.roles_in(2, user)] == ["manager", "teacher"]
    await _press(client, "/course/2/role", ("user", user))
    assert university.roles_in(2, user) == []
    group = next(one for one in university.groups_in(2) if one.name == "Tutorial 2")
    await _press(client, "/course/2/groups", ("user", user), ("group", group.id))
    assert university.groups_in(2, user) == [group]


async def test_an_account_is_suspended_on_the_whole_site_and_restored(
    client: Client, moodle: SandboxMoodle
) -> None:
    user = account(moodle.university, "student001")
    page = await _press(client, "/course/2/account", ("user", user))
    assert "The account is suspended on the whole site." in page.text
    assert moodle.university.people[user].suspended
    await _press(client, "/course/2/account", ("user", user))
    assert not moodle.university.people[user].suspended


def _settings(**changes: object) -> list[tuple[str, object]]:
    fields: dict[str, object] = {
        "fullname": "New name",
        "shortname": "NEW",
        "startdate": "2027-01-05",
        "enddate": "",
        "visible": "1",
        "field_matrix_enabled": "3",
        "field_matrix_room_name": "",
        "field_matrix_room_topic": "",
    }
    return list((fields | changes).items())


async def test_a_course_is_renamed_moved_in_time_and_switched_off(
    client: Client, moodle: SandboxMoodle
) -> None:
    page = await _press(client, "/course/2/settings", *_settings())
    course = moodle.university.courses[2]
    assert "The course is changed." in page.text
    assert (course.fullname, course.shortname, course.enddate) == ("New name", "NEW", 0)
    assert course.startdate == 1_799_107_200
    assert course.fields == {"matrix_enabled": 3}
    assert course.timemodified == NOW


async def test_a_course_is_hidden_and_shown(client: Client, moodle: SandboxMoodle) -> None:
    await _press(client, "/course/2/settings", *_settings(visible="0"))
    assert not moodle.university.courses[2].visible
    await _press(client, "/course/2/settings", *_settings(visible="1"))
    assert moodle.university.courses[2].visible


async def test_saving_without_a_change_keeps_the_hours_of_the_dates(
    client: Client, moodle: SandboxMoodle
) -> None:
    course = moodle.university.courses[2]
    before = (course.startdate, course.enddate)
    page = await _get(client, "/course/view.php?id=2")
    days = {name: page.fields[name] for name in ("startdate", "enddate")}
    await _press(client, "/course/2/settings", *_settings(**days))
    assert (course.startdate, course.enddate) == before


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/course/2/settings", {"fullname": "", "shortname": "X"}, 400),
        ("/course/2/settings", dict(_settings(startdate="soon")), 400),
        ("/course/2/enrol", {"user": "99999", "role": "student"}, 400),
        ("/course/2/enrol", {"user": "20", "role": "janitor"}, 400),
        ("/course/2/unenrol", {"user": "99999"}, 400),
        ("/course/2/suspend", {}, 400),
        ("/course/2/explode", {}, 404),
        ("/course/1/enrol", {"user": "20", "role": "student"}, 404),
        ("/course/99/enrol", {"user": "20", "role": "student"}, 404),
    ],
)
async def test_what_is_not_possible_is_said(
    client: Client, moodle: SandboxMoodle, path: str, fields: dict[str, str], status: int
) -> None:
    before = moodle.university.courses[2].fullname
    response = await client.post(path, data=fields, allow_redirects=False)
    assert response.status == status
    assert moodle.university.courses[2].fullname == before


@pytest.mark.parametrize("number", ["1", "99", "x", "", "²", "9" * 5000])
async def test_a_course_that_is_not_there_is_not_found(client: Client, number: str) -> None:
    assert (await client.get(URL("/course/view.php").with_query(id=number))).status == 404


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_another_web_site_cannot_press_the_buttons(
    client: Client, moodle: SandboxMoodle, headers: dict[str, str]
) -> None:
    user = account(moodle.university, "student001")
    response = await client.post("/course/2/unenrol", data={"user": user}, headers=headers)
    assert response.status == 403
    assert user in set(moodle.university.enrolled(2))


async def test_the_own_page_may_press_them(client: Client, moodle: SandboxMoodle) -> None:
    user = account(moodle.university, "student001")
    own = {"Origin": str(client.make_url("/")).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    response = await client.post("/course/2/unenrol", data={"user": user}, headers=own, allow_redirects=False)
    assert response.status == 303


async def test_in_a_large_university_a_person_is_enrolled_by_user_name() -> None:
    moodle = SandboxMoodle(generate(30, 100))
    async with TestClient(TestServer(moodle.app)) as client:
        page = await _get(client, "/course/view.php?id=2")
        assert "username" in page.fields
        await _press(client, "/course/2/enrol", ("username", " User000599 "), ("role", "student"))
    assert account(moodle.university, "user000599") in set(moodle.university.enrolled(2))


def test_the_roles_on_offer_exist(moodle: SandboxMoodle) -> None:
    assert set(ASSIGNABLE) <= set(moodle.university.roles)
