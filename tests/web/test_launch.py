"""A click in Moodle, as recorded, leads to a page that knows who clicked."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import AsyncMock
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from yarl import URL

from moodle_appservice.domain.model import CourseId, MoodleUserId, Role
from moodle_appservice.engine.site import SITE_URL
from moodle_appservice.errors import TemporaryFailure
from moodle_appservice.ports import CourseRow
from moodle_appservice.store.db import Db
from moodle_appservice.store.lti import LtiBooks
from moodle_appservice.web.cookies import Session
from moodle_appservice.web.keyring import Keyring
from tests.web.platform import CLIENT_ID, LAUNCHES, key, recorded
from tests.web.world import BROWSER_COOKIE, SESSION_COOKIE, World, open_world, replica_of

_KEYS = ("GET", "/mod/lti/certs.php")


@pytest.mark.parametrize("name", LAUNCHES)
async def test_a_recorded_launch_signs_in_the_person_that_moodle_named(world: World, name: str) -> None:
    browser = world.browser()
    reply = await browser.click(name)
    claims = world.recording(name)["claims"]
    assert (reply.status, reply.location) == (303, "/c/2?arrived=1")
    page = await browser.get("/me")
    assert page.status == 200
    assert claims["name"] in page.text
    session = await browser.session()
    assert session is not None
    assert str(session.user_id) == claims["sub"]


@pytest.mark.parametrize("name", LAUNCHES)
async def test_moodle_is_asked_what_the_recorded_one_was_asked(world: World, name: str) -> None:
    way = await world.browser().begin(name)
    expected = way.recording["auth_request"]["params"]
    assert {**expected, "state": way.state, "nonce": way.nonce} == way.parameters


async def test_a_login_may_come_as_an_address_too(world: World) -> None:
    form = world.recording("student")["login_initiation"]["form"]
    reply = await world.browser().get("/lti/login", params=form)
    assert reply.status == 303
    assert reply.location.startswith(f"{world.platform.url}/mod/lti/auth.php?")


async def test_the_cookies_belong_to_this_host_alone_and_no_script_reads_them(world: World) -> None:
    browser = world.browser()
    login = await browser.post("/lti/login", world.recording("student")["login_initiation"]["form"])
    mark = login.cookies[BROWSER_COOKIE]
    for word in ("Secure", "HttpOnly", "SameSite=None", "Path=/", "Max-Age=600"):
        assert f"; {word}" in mark
    session = (await browser.click()).cookies[SESSION_COOKIE]
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=28800"):
        assert f"; {word}" in session
    assert "Domain" not in mark + session


async def test_on_this_machine_without_tls_the_cookies_need_none(world: World) -> None:
    async with open_world(world.campus, public_url="http://127.0.0.1:29301") as plain:
        form = plain.recording("student")["login_initiation"]["form"]
        await plain.register()
        reply = await plain.browser().post("/lti/login", form)
        (cookie,) = reply.cookies.values()
        assert cookie.startswith("moodle-chat-browser=")
        assert "; SameSite=Lax" in cookie
        assert "Secure" not in cookie


async def test_two_links_may_be_opened_at_once(world: World) -> None:
    browser = world.browser()
    first, second = await browser.begin("student"), await browser.begin("editingteacher")
    for way in (first, second):
        reply = await browser.bring(way, world.platform.sign(world.claims(way)))
        assert reply.status == 303


async def test_a_frame_gets_a_link_to_a_new_window_that_works_there(world: World) -> None:
    form = world.recording("student")["login_initiation"]["form"]
    framed = await world.browser().post("/lti/login", form, headers={"Sec-Fetch-Dest": "iframe"})
    assert framed.status == 200
    assert framed.cookies == {}
    assert f"frame-ancestors {world.platform.url}" in framed.headers["Content-Security-Policy"]
    link = framed.text.partition('href="/lti/login')[2].partition('"')[0].replace("&amp;", "&")
    assert link, framed.text
    reply = await world.browser().get(URL(f"/lti/login{link}", encoded=True))
    assert reply.status == 303
    asked = dict(parse_qsl(urlsplit(reply.location).query))
    assert asked["lti_message_hint"] == form["lti_message_hint"]


async def test_an_old_browser_is_tried_for_cookies_first(world: World) -> None:
    form = world.recording("student")["login_initiation"]["form"]
    silent = {"Sec-Fetch-Dest": ""}
    keeps, drops = world.browser(), world.browser()
    for browser in (keeps, drops):
        first = await browser.post("/lti/login", form, headers=silent)
        assert first.location.startswith("/lti/login?")
        if browser is drops:
            browser.cookies.clear()
        second = await browser.get(URL(first.location, encoded=True), headers=silent)
        assert (second.status, "new window" in second.text) == (
            (303, False) if browser is keeps else (200, True)
        )


async def test_pages_inside_a_session_are_never_framed_stored_or_scripted(world: World) -> None:
    browser = world.browser()
    page = await browser.get((await browser.click()).location)
    policy = page.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"


async def test_a_name_with_markup_is_shown_as_it_is_written(world: World) -> None:
    browser = world.browser()
    name = "<script>alert(1)</script>{{ 7 * 7 }}\u202e\x00 O'Brien & %(number)s"
    page = await browser.get((await browser.click(name=name)).location)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in page.text
    assert "%(number)s" in page.text
    for word in ("<script", "\u202e", "\x00"):
        assert word not in page.text


async def test_a_new_key_of_moodle_is_found_and_a_withdrawn_one_counts_no_more(world: World) -> None:
    assert (await world.browser().click()).status == 303
    world.platform.keys = [key("moodle-2")]
    world.clock.advance(11)
    assert (await world.browser().click()).status == 303
    browser = world.browser()
    way = await browser.begin()
    refused = await browser.bring(way, world.platform.sign(world.claims(way), by=key("moodle-1")))
    assert refused.status == 403


async def test_moodles_keys_are_read_once_an_hour(world: World) -> None:
    for _ in range(3):
        assert (await world.browser().click()).status == 303
    assert world.platform.asked.count(_KEYS) == 1
    world.clock.advance(3600)
    assert (await world.browser().click()).status == 303
    assert world.platform.asked.count(_KEYS) == 2


async def test_what_was_read_of_moodles_keys_outlasts_an_outage_of_moodle(world: World) -> None:
    assert (await world.browser().click()).status == 303
    world.clock.advance(3600)
    world.platform.answers["/mod/lti/certs.php"] = web.Response(status=503)
    assert (await world.browser().click()).status == 303
    world.clock.advance(24 * 3600)
    world.platform.answers["/mod/lti/certs.php"] = web.Response(status=503)
    late = await world.browser().click()
    assert late.status == 503
    assert "Moodle does not answer" in late.text


async def test_the_keys_of_the_recorded_moodle_can_be_used(world: World) -> None:
    published = recorded("launch--student")["jwks"]
    world.platform.answers["/mod/lti/certs.php"] = web.json_response(published)
    assert (await world.browser().click()).status == 403
    assert "does not publish" in (await world.audit())[0].why
    kid = recorded("launch--student")["jwt_header"]["kid"]
    browser = world.browser()
    way = await browser.begin()
    await browser.bring(way, world.platform.sign(world.claims(way), kid=kid))
    assert "signature is wrong" in (await world.audit())[0].why


async def test_a_registration_by_hand_needs_the_two_ids_only(fresh: World) -> None:
    by_hand = {"client_id": CLIENT_ID, "deployment_id": "1"}
    async with open_world(fresh.campus, lti=by_hand) as world:
        assert (await world.browser().click()).status == 303


async def test_a_moodle_without_tls_elsewhere_signs_nobody_in(fresh: World) -> None:
    async with open_world(fresh.campus, lti={"client_id": CLIENT_ID, "deployment_id": "1"}) as world:
        await world.books.settings.set(SITE_URL, "http://moodle.example.org")
        form = recorded("launch--student", site="http://moodle.example.org")["login_initiation"]["form"]
        reply = await world.browser().post("/lti/login", form)
        assert (reply.status, reply.location) == (503, "")
        assert "has no TLS" in (await world.audit())[0].why


async def test_a_session_knows_what_the_launch_said(world: World) -> None:
    admin, tutor = world.browser(), world.browser()
    await admin.click("admin")
    await tutor.click("nonediting-teacher")
    expected = Session(MoodleUserId(2), "Admin User", CourseId(2), administrator=True, language="en")
    assert await admin.session() == expected
    expected = Session(MoodleUserId(31), "Tutor1 Assist1", CourseId(2), administrator=False, language="en")
    assert await tutor.session() == expected


async def test_a_launch_outside_a_course_is_welcome_too(world: World) -> None:
    browser = world.browser()
    reply = await browser.click(context=None)
    assert reply.location == "/me"
    assert (await browser.get("/me")).status == 200


async def test_a_course_is_named_only_to_its_members(world: World) -> None:
    here, there, student = CourseId(2), CourseId(3), MoodleUserId(3)
    rows = [CourseRow(one, f"SECRET-{one}", True, "") for one in (here, there)]
    await world.books.courses.save(rows)
    await world.books.courses.set_enrolments(here, {student: frozenset({Role("student")})}, facts_hash="")
    browser = world.browser()
    await browser.click()
    assert "SECRET-2" in (await browser.get("/c/2")).text
    other, missing = await browser.get("/c/3"), await browser.get("/c/999")
    assert "SECRET-3" not in other.text
    assert other.text == missing.text


async def test_a_session_outlives_a_restart_and_ends_after_eight_hours(world: World) -> None:
    browser = world.browser()
    await browser.click()
    await world.browsers.pages.start()
    world.clock.advance(8 * 3600 - 1)
    assert (await browser.get("/me")).status == 200
    world.clock.advance(1)
    assert (await browser.get("/me")).status == 401


async def test_any_replica_takes_the_second_half_of_a_click_and_takes_it_once(world: World) -> None:
    async with replica_of(world) as other:
        here, there = world.browser(), other.browser()
        way = await here.begin()
        there.cookies = here.cookies
        token = world.platform.sign(world.claims(way))
        assert (await there.bring(way, token)).status == 303
        for browser in (here, there):
            assert (await browser.get("/me")).status == 200
        assert (await here.bring(way, token)).status == 403
        assert [line.signal for line in await world.audit() if line.kind == "LtiRefused"] == ["replay"]


async def test_a_person_without_a_session_is_told_the_way(world: World) -> None:
    reply = await world.browser().get("/c/2")
    assert reply.status == 401
    assert "Open the chat from your course in Moodle" in reply.text
    assert await world.audit() == []


async def test_our_own_key_set_shows_public_numbers_only(world: World) -> None:
    reply = await world.browser().get("/lti/jwks.json")
    assert reply.status == 200
    assert '"n"' in reply.text
    for private in ('"d"', '"p"', '"q"', '"dp"'):
        assert private not in reply.text


async def test_what_fails_on_our_side_is_a_page_with_a_number_that_the_log_has(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (TemporaryFailure("The database can't be used now."), ZeroDivisionError("secret detail")):
        monkeypatch.setattr(world.books.lti, "platform", AsyncMock(side_effect=error))
        reply = await world.browser().get("/lti/login")
        assert reply.status == 503
        reference = reply.text.partition("<code>")[2].partition("</code>")[0]
        assert f"[{reference}]" in caplog.text
        assert str(error) not in reply.text


async def test_the_key_that_moodle_checks_is_made_once(tmp_path: Path) -> None:
    db = Db(f"sqlite:{tmp_path / 'keys.db'}")
    await db.start()
    rings = [Keyring(LtiBooks(db)) for _ in range(2)]
    for ring in rings:
        await ring.load()
    await db.stop()
    first, second = (ring.public_keys() for ring in rings)
    assert first == second
    (published,) = first["keys"]
    assert (published["kty"], published["use"], published["alg"]) == ("RSA", "sig", "RS256")
    assert published["kid"]
    assert rings[1].read("a", rings[0].sign("a", {"x": 1})) == {"x": 1}
    assert rings[1].read("b", rings[0].sign("a", {"x": 1})) is None
