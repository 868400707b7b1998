"""The click in Moodle, in a real browser: through Moodle's sign-in to our page, past our own security policy."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from tests.browser.chromium import Chromium
from tests.browser.page import DESKTOP, PHONE, Viewport
from tests.browser.soundness import is_sound
from tests.web.campus import Campus
from tests.web.world import Way, World, open_world

_VIEWPORTS = pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=lambda one: one.name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The pages on this machine, and a Moodle with a course page and a sign-in."""
    campus = Campus(tmp_path / "store.db")
    await campus.start()
    port = unused_port()
    async with open_world(campus, port=port, public_url=f"http://127.0.0.1:{port}") as made:
        await made.register()
        recording = made.recording("student")
        start = recording["login_initiation"]
        made.platform.pages["/course"] = lambda _: _form(start["action"], start["form"], "Open the chat")

        def sign_in(request: web.Request) -> str:
            asked = request.query
            way = Way(recording, asked["state"], asked["nonce"])
            answer = {"id_token": made.platform.sign(made.claims(way)), "state": way.state}
            return _form(asked["redirect_uri"], answer, "") + "<script>document.forms[0].submit()</script>"

        made.platform.pages["/mod/lti/auth.php"] = sign_in
        yield made
    await campus.stop()


def _form(action: str, fields: Mapping[str, str], button: str) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
    return f'<form method="post" action="{html.escape(action)}">{hidden}<button>{button}</button></form>'


@_VIEWPORTS
async def test_a_click_in_moodle_ends_on_a_page_that_knows_the_person(
    browser: Chromium, world: World, viewport: Viewport
) -> None:
    page = await browser.page(viewport)
    await page.watch()
    await page.open(f"{world.platform.url}/course")
    await page.click("button", "Open the chat")
    await page.see("h1", "No chat here")
    assert await page.evaluate("location.href") == f"{world.tool}/c/2?arrived=1"
    await page.click("a", "My courses")
    await page.see("h1", "Hello, Student1 Learner1")
    assert await page.evaluate("document.cookie") == ""
    await is_sound(page, "sign-in")


@_VIEWPORTS
async def test_what_is_refused_is_a_page_with_a_number(
    browser: Chromium, world: World, viewport: Viewport
) -> None:
    page = await browser.page(viewport)
    await page.watch()
    await page.open(f"{world.tool}/lti/login?iss=x")
    await page.see("h1", "This did not work")
    assert await page.see("code") in [line.reference for line in await world.audit()]
    await is_sound(page, "sign-in-refused")


@_VIEWPORTS
async def test_after_a_registration_a_button_closes_moodles_window(
    browser: Chromium, world: World, viewport: Viewport
) -> None:
    page = await browser.page(viewport)
    await page.watch()
    link = (await world.browsers.registrar.invite(replace=True)) + (
        f"?openid_configuration={world.platform.configuration_url}&registration_token=x"
    )
    await page.open(link)
    await page.see("h1", "Moodle knows the chat now")
    await page.see("button", "Close")
    await is_sound(page, "registered")


async def test_what_would_be_smuggled_into_a_page_is_not_loaded(browser: Chromium, world: World) -> None:
    page = await browser.page(PHONE)
    await page.watch()
    await page.open(f"{world.tool}/c/2")
    await page.see("h1", "You are not signed in")
    await page.evaluate(
        "document.body.append(Object.assign(new Image(), {src: 'https://evil.example/x.png'}),"
        " Object.assign(document.createElement('script'), {text: 'window.smuggled = 1'}))"
    )
    await page.until("window.forbidden.length >= 2", "the policy forbids both")
    assert await page.evaluate("window.smuggled") is None
