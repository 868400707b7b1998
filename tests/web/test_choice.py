"""Moodle's dialog for choosing content, as recorded: it gets a signed answer, and nobody is signed in by it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from moodle_appservice.web.refusals import Why
from tests.web.platform import CLIENT_ID
from tests.web.world import BROWSER_COOKIE, CLAIM, SESSION_COOKIE, Browser, Reply, Way, World

_DL = "https://purl.imsglobal.org/spec/lti-dl/claim/"
_SETTINGS = f"{_DL}deep_linking_settings"
_FRAME = {"Sec-Fetch-Dest": "iframe"}


async def begin(browser: Browser) -> Way:
    way = await browser.begin("deep-linking", headers=_FRAME)
    assert BROWSER_COOKIE not in browser.cookies
    return way


async def choose(world: World, **settings: Any) -> Reply:
    """The dialog, in a frame without cookies."""
    browser = world.browser()
    way = await begin(browser)
    given = {**way.recording["claims"][_SETTINGS], **settings}
    return await browser.bring(way, world.platform.sign(world.claims(way, **{_SETTINGS: given})))


def form_of(reply: Reply) -> tuple[str, str]:
    """Where the form goes and the answer in it."""
    form = r'<form method="post" action="([^"]*)">\s*<input type="hidden" name="JWT" value="([^"]*)">'
    found = re.search(form, reply.text)
    assert found, reply.text
    return html.unescape(found[1]), found[2]


async def answer_of(world: World, reply: Reply) -> Mapping[str, Any]:
    """The answer, checked as Moodle checks it."""
    published = (await world.browser().get("/lti/jwks.json")).text
    return jwt.decode(
        form_of(reply)[1], KeySet.import_key_set(json.loads(published)), algorithms=["RS256"]
    ).claims


async def test_the_recorded_dialog_gets_one_signed_link_without_any_cookie(world: World) -> None:
    reply = await choose(world)
    assert reply.status == 200, reply.text
    assert reply.cookies == {}
    assert form_of(reply)[0] == (
        f"{world.platform.url}/mod/lti/contentitem_return.php?course=15&id=3&sesskey=9aiVvv31jb"
    )
    claims = await answer_of(world, reply)
    assert (claims["iss"], claims["aud"]) == (CLIENT_ID, world.platform.url)
    assert claims[f"{CLAIM}message_type"] == "LtiDeepLinkingResponse"
    assert claims[f"{CLAIM}deployment_id"] == "1"
    assert claims[f"{_DL}content_items"] == [{"type": "ltiResourceLink", "title": "Chat"}]
    assert f"{_DL}data" not in claims
    assert claims["exp"] - claims["iat"] <= 300


async def test_what_moodle_wants_back_comes_back(world: World) -> None:
    claims = await answer_of(world, await choose(world, data="<opaque> & more"))
    assert claims[f"{_DL}data"] == "<opaque> & more"


async def test_the_form_goes_to_moodle_and_the_page_is_framed_by_moodle_alone(world: World) -> None:
    policy = (await choose(world)).headers["Content-Security-Policy"]
    assert f"form-action {world.platform.url};" in policy
    assert f"frame-ancestors {world.platform.url}" in policy
    assert "script-src 'none'" in policy


async def last(world: World) -> str:
    return (await world.audit())[0].why


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/contentitem_return.php?course=15",
        "{site}.evil.example/mod/lti/contentitem_return.php",
        "{site}@evil.example/x",
        "{site}/x?next=https://evil.example/",
        "{site}/../x",
        '{site}/x?"><script>',
        "javascript:alert(1)",
        "",
        None,
        ["{site}/x"],
    ],
)
async def test_an_answer_goes_nowhere_but_to_moodle(world: World, address: Any) -> None:
    url = address.format(site=world.platform.url) if isinstance(address, str) else address
    reply = await choose(world, deep_link_return_url=url)
    assert reply.status == 403
    assert "JWT" not in reply.text
    assert await last(world) in (Why.FOREIGN_ADDRESS, Why.MESSAGE)


async def test_a_launch_in_the_place_of_a_choice_signs_nobody_in(world: World) -> None:
    browser = world.browser()
    way = await begin(browser)
    forged = world.claims(way, message_type="LtiResourceLinkRequest")
    reply = await browser.bring(way, world.platform.sign(forged))
    assert (reply.status, SESSION_COOKIE in reply.cookies, await last(world)) == (403, False, Why.MESSAGE)
    forged[f"{CLAIM}target_link_uri"] = "https://chat.example.org/lti/launch"
    reply = await browser.bring(way, world.platform.sign(forged))
    assert (reply.status, SESSION_COOKIE in reply.cookies, await last(world)) == (403, False, Why.MESSAGE)


async def test_a_choice_in_the_place_of_a_launch_is_refused(world: World) -> None:
    reply = await world.browser().click(message_type="LtiDeepLinkingRequest")
    assert (reply.status, await last(world)) == (403, Why.MESSAGE)


async def test_a_choice_is_good_once(world: World) -> None:
    browser = world.browser()
    way = await begin(browser)
    token = world.platform.sign(world.claims(way))
    assert (await browser.bring(way, token)).status == 200
    assert ((await browser.bring(way, token)).status, await last(world)) == (403, Why.REPLAY)
