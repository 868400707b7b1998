"""The pages in a real browser, on a real homeserver: from the click in Moodle to what changes in the room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.domain.model import MoodleUserId, UserId
from moodle_appservice.engine.sampling import EVERY
from tests.browser.chromium import Chromium
from tests.browser.lab import ADMIN, Lab, open_lab
from tests.browser.page import DESKTOP, PHONE, Page, Viewport
from tests.browser.soundness import is_sound
from tests.live.homeserver import Seat, write_registration
from tests.live.house import until

_VIEWPORTS = pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=lambda one: one.name)


@pytest.fixture(scope="module")
def seats(tmp_path_factory: pytest.TempPathFactory) -> list[Seat]:
    folder: Path = tmp_path_factory.mktemp("seats")
    return [write_registration(folder, f"p{number}") for number in range(20)]


@pytest.fixture(scope="module")
async def homeserver(seats: list[Seat]) -> AsyncIterator[EmbeddedSynapse]:
    async with EmbeddedSynapse(registrations=[seat.path for seat in seats]) as running:
        yield running


@pytest.fixture
async def lab(homeserver: EmbeddedSynapse, seats: list[Seat], tmp_path: Path) -> AsyncIterator[Lab]:
    async with open_lab(homeserver, seats.pop(), tmp_path) as made:
        yield made


async def opened(browser: Chromium, viewport: Viewport, language: str = "en", *, dark: bool = False) -> Page:
    page = await browser.page(viewport)
    await page.watch()
    await page.prefer(language, dark=dark)
    return page


@_VIEWPORTS
async def test_a_student_clicks_in_moodle_and_finds_the_room_with_a_button(
    browser: Chromium, lab: Lab, viewport: Viewport
) -> None:
    page = await opened(browser, viewport)
    await lab.visit(page, "stu3", "CHEM1")
    await page.see("h1", "Chemie & Physik")
    await page.see(".card .aside-line", "You are invited")
    await is_sound(page, "student")
    link = await page.evaluate("document.querySelector('.card a.button').href")
    room = await lab.house.room_of(lab.course("CHEM1"))
    assert link == f"https://matrix.to/#/{room}?via={lab.house.synapse.server_name}"
    await page.click("button", "Get a code")
    await page.see("h1", "Use my own Matrix account")
    assert (await page.see(".code")).startswith("link ")
    await is_sound(page, "code")
    await page.click("a", "My courses")
    await page.see("h1", "Hello, <b>Bob</b> & Co")
    await is_sound(page, "my-courses")


async def test_who_was_enrolled_a_moment_ago_is_invited_by_the_launch_itself(
    browser: Chromium, lab: Lab
) -> None:
    university, course = lab.house.moodle.university, lab.course("BIO2")
    university.enrol(lab.user("stu1"), course, "student")
    page = await opened(browser, PHONE)
    await lab.visit(page, "stu1", "BIO2")
    account = lab.house.mxid("stu1")
    await page.see(".notice", f"An invite was sent to {account}")
    assert (await lab.house.members(course))[account] == "invite"
    await is_sound(page, "student-invited-now")


async def test_a_course_of_others_is_as_one_that_there_is_not(browser: Chromium, lab: Lab) -> None:
    page = await opened(browser, PHONE)
    await lab.visit(page, "stu1", "CHEM1")
    await page.see(".card")
    for course in (lab.course("BIO2"), 4711):
        await page.open(f"{lab.url}/c/{course}")
        await page.see("h1", "No chat here")
    await page.open(f"{lab.url}/c/{lab.course('CHEM1')}/manage")
    await page.see("p", "You do not have the right")
    await is_sound(page, "student-without-right")


@_VIEWPORTS
async def test_a_teacher_changes_the_name_and_the_room_changes(
    browser: Chromium, lab: Lab, viewport: Viewport
) -> None:
    course = lab.course("CHEM1")
    page = await opened(browser, viewport)
    await lab.visit(page, "tea", "CHEM1")
    await page.click("a", "For teachers")
    await page.see("h1", "Chat of CHEM1")
    await page.see("td", "7")
    await is_sound(page, "teacher")
    await page.fill("#q", "Zoë")
    await page.click(".search button")
    await page.see("p[role=status]", "1 person")
    await page.see(".people li", "Zoë O'Brien")
    assert await page.evaluate("document.querySelectorAll('.people li').length") == 1
    await page.click("a", "What would be done")
    await page.see(".notice", "Everything is as it should be")
    await is_sound(page, "plan-of-nothing")
    await page.open(f"{lab.url}/c/{course}/manage/settings")
    await page.fill("#name", "The <b>chemists</b>")
    await is_sound(page, "settings")
    await page.click("button", "Save")
    await page.see(".notice", "Saved, and carried out")
    state = await lab.house.state(course)
    assert state["m.room.name", ""]["name"] == "The <b>chemists</b>"
    await page.open(f"{lab.url}/c/{course}/manage/settings")
    assert await page.evaluate("document.querySelector('#name').value") == "The <b>chemists</b>"
    lines = await lab.service.store.journal.audit(person=MoodleUserId(lab.user("tea")))
    assert any(line.kind == "Chosen" for line in lines)


async def test_a_teacher_sees_what_would_be_done_and_has_it_done(browser: Chromium, lab: Lab) -> None:
    course = lab.course("CHEM1")
    page = await opened(browser, PHONE)
    await lab.visit(page, "tut", "CHEM1")
    await page.see(".card")
    late = lab.house.moodle.university.add_person("late", "Late", "Comer").id
    lab.house.moodle.university.enrol(late, course, "student")
    await page.open(f"{lab.url}/c/{course}/manage")
    await page.click("button", "Look at Moodle now")
    await page.see(".notice", "up to date")
    assert (await lab.house.members(course))[lab.house.mxid("late")] == "invite"
    assert await page.evaluate("[...document.querySelectorAll('.actions a')].length") == 1, (
        "a tutor may not edit"
    )
    await page.open(f"{lab.url}/c/{course}/manage/settings")
    await page.see("p", "You do not have the right")


async def test_a_teacher_switches_rooms_on_and_a_course_off(browser: Chromium, lab: Lab) -> None:
    course = lab.course("CHEM1")
    page = await opened(browser, DESKTOP)
    await lab.visit(page, "tea", "CHEM1")
    await page.see(".card")
    await page.open(f"{lab.url}/c/{course}/manage/settings")
    await page.choose("#layout", "space")
    await page.choose("#announcements", "on")
    await page.choose("#staff", "on")
    await page.click("button", "Save")
    await page.see("tbody th", "Announcements")
    await page.see("tbody th", "Teachers")
    await is_sound(page, "teacher-several-rooms")
    await page.click("a", "As students see it")
    await page.see(".card", "Announcements")
    await is_sound(page, "student-several-rooms")
    await page.open(f"{lab.url}/c/{course}/manage/settings")
    await page.choose("#on", "off")
    await page.click("button", "Save")
    await page.see("p", "switched off")
    await is_sound(page, "teacher-switched-off")
    row = await lab.service.store.courses.get(
        next(iter([c for c in (await lab.service.store.courses.all()) if c == course]))
    )
    assert row is not None and not row.on


async def admin_link(lab: Lab) -> str:
    """What the bot hands an administrator."""
    account = UserId(lab.house.mxid("boss"))
    return await lab.service.browsers.dashboard.invite(account, None)


@pytest.fixture
async def ruled(homeserver: EmbeddedSynapse, seats: list[Seat], tmp_path: Path) -> AsyncIterator[Lab]:
    """A lab with an administrator who has a Matrix account only."""
    permissions = {f"@boss:{homeserver.server_name}": "admin", str(ADMIN): "admin"}
    async with open_lab(
        homeserver,
        seats.pop(),
        tmp_path,
        permissions=permissions,
        safety={"max_removals": 1, "max_removals_share": 0.1},
    ) as made:
        yield made


async def a_day_of_samples(lab: Lab) -> None:
    now = int(lab.service.clock.now())
    for number in range(96):
        at = now - now % EVERY - number * 900
        values = {"expected": 8.0, "joined": max(0.0, 7 - number / 12), "queue": float(number % 17 * 3)}
        values |= {"pass_seconds": 1.5 + number % 5, "moodle_ms": 12.0 + number % 7, "matrix_ms": 40.0}
        await lab.service.store.samples.add(at, values, forget_before=0)


@_VIEWPORTS
async def test_an_administrator_looks_at_every_page_of_the_dashboard(
    browser: Chromium, ruled: Lab, viewport: Viewport
) -> None:
    page = await opened(browser, viewport)
    await a_day_of_samples(ruled)
    await page.open(await admin_link(ruled))
    await page.see("h1", "Dashboard")
    await is_sound(page, "dashboard-link")
    await page.click("button", "Open the dashboard")
    await page.see("h1", "Overview")
    await is_sound(page, "dashboard")
    await page.click("nav a", "Courses")
    await page.see("tbody th", "CHEM1")
    await is_sound(page, "dashboard-courses")
    await page.click("tbody a", "CHEM1")
    await page.see("h1", "CHEM1")
    await is_sound(page, "dashboard-course")
    await page.click("nav a", "People")
    await page.see("li", "Zoë O'Brien")
    await is_sound(page, "dashboard-people")
    await page.click("li a", "Zoë O'Brien")
    await page.see("h1", "Zoë O'Brien")
    await is_sound(page, "dashboard-person")
    await page.click("button", "Make a code")
    await page.see("h1", "A code")
    for name, title in (
        ("Held", "Held until"),
        ("Audit log", "Audit log"),
        ("Configuration", "Configuration"),
    ):
        await page.click("nav a", name)
        await page.see("h1", title)
        await is_sound(page, f"dashboard-{name.split()[0].lower()}")
    shown = await page.see("pre")
    assert ruled.house.moodle.token not in shown
    assert "'***'" in shown or "***" in shown


async def test_a_held_plan_is_approved_and_then_carried_out(browser: Chromium, ruled: Lab) -> None:
    course = ruled.course("CHEM1")
    university = ruled.house.moodle.university
    gone = [f"stu{number}" for number in range(1, 5)]
    for name in gone:
        university.unenrol(ruled.user(name), course)
    await ruled.house.sync(course)
    members = await ruled.house.members(course)
    assert all(members[ruled.house.mxid(name)] == "invite" for name in gone)
    page = await opened(browser, PHONE)
    await page.open(await admin_link(ruled))
    await page.click("button", "Open the dashboard")
    await page.see("h1", "Overview")
    await page.see(".notice", "wait for you")
    await page.click(".notice a")
    await page.see(".card li", "Zoë O'Brien")
    await is_sound(page, "dashboard-held-plan")
    await page.click("button", "Leave it as it is")
    await page.see("h2", "You said no")
    await is_sound(page, "dashboard-rejected")
    await page.click("button", "Let it be done")
    await page.see(".notice", "Confirmed")

    async def are_gone() -> bool:
        there = await ruled.house.members(course)
        return all(there.get(ruled.house.mxid(name)) == "leave" for name in gone)

    await until(are_gone, "the four are out of the room")


async def test_a_link_to_the_dashboard_is_good_once(browser: Chromium, ruled: Lab) -> None:
    link = await admin_link(ruled)
    first, second = await opened(browser, PHONE), await opened(browser, PHONE)
    for page in (first, second):
        await page.open(link)
        await page.click("button", "Open the dashboard")
        await page.see("h1", "Overview" if page is first else "This did not work")
    await is_sound(second, "dashboard-refused")


@_VIEWPORTS
async def test_pages_speak_german_and_can_be_dark(browser: Chromium, lab: Lab, viewport: Viewport) -> None:
    page = await opened(browser, viewport, "de", dark=True)
    await lab.visit(page, "tea", "CHEM1", language="de")
    await page.see(".card .aside-line", "Sie sind eingeladen")
    await is_sound(page, "student-german")
    await page.click("a", "Für Lehrende")
    await page.see("h1", "Chat von CHEM1")
    await is_sound(page, "teacher-german")
    await page.click("a", "Einstellungen")
    await is_sound(page, "settings-german")
