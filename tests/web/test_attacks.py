"""What an attacker can try with a launch: each attempt ends on a page with a number, and nobody is signed in."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from moodle_appservice.web.refusals import LINES_PER_HOUR, Why
from tests.web.platform import key
from tests.web.world import SESSION_COOKIE, Browser, Reply, Way, World

Claims = dict[str, Any]


async def is_refused(world: World, reply: Reply, why: Why) -> None:
    """The one way in which everything here must end."""
    assert 400 <= reply.status < 600, (reply.status, reply.location)
    assert SESSION_COOKIE not in reply.cookies
    found = re.search(r"<code>([0-9a-f]{8})</code>", reply.text)
    assert found, reply.text
    (line,) = [line for line in await world.audit() if line.reference == found[1]]
    assert (line.kind, line.result, line.why) == ("LtiRefused", "refused", why.value)
    assert line.signal == why.name.lower().replace("_", "-")
    assert why.value not in reply.text


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(claims: Claims, header: Mapping[str, Any], signature: str = "") -> str:
    return f"{part(header)}.{part(claims)}.{signature}"


def by_public_key(world: World, claims: Claims) -> str:
    """HS256 with what everybody knows, for a library that takes one key for every algorithm."""
    signed = f"{part({'alg': 'HS256', 'kid': 'moodle-1'})}.{part(claims)}"
    mac = hmac.digest(world.platform.keys[0].as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_other_claims(world: World, claims: Claims) -> str:
    header, _, signature = world.platform.sign(claims).split(".")
    return f"{header}.{part({**claims, 'sub': '2'})}.{signature}"


def by(algorithm: str) -> Callable[[World, Claims], str]:
    def sign(world: World, claims: Claims) -> str:
        numbers = {**world.platform.keys[0].as_dict(private=True)}
        del numbers["alg"]
        header = {"alg": algorithm, "kid": "moodle-1"}
        return jwt.encode(header, claims, RSAKey.import_key(numbers), algorithms=[algorithm])

    return sign


def by_own_key(**header: Any) -> Callable[[World, Claims], str]:
    def sign(world: World, claims: Claims) -> str:
        return world.platform.sign(claims, by=key("attacker"), **header)

    return sign


OWN = {"kid": "moodle-1"}
TOKENS: dict[str, tuple[Callable[[World, Claims], str], Why]] = {
    "no signature and alg none": (lambda _, c: unsigned(c, {"alg": "none"}), Why.ALGORITHM),
    "alg none beside a kid": (lambda _, c: unsigned(c, {"alg": "none", **OWN}, "AAAA"), Why.ALGORITHM),
    "alg None, spelt otherwise": (lambda _, c: unsigned(c, {"alg": "NoNe", **OWN}), Why.ALGORITHM),
    "RS256 without a signature": (lambda _, c: unsigned(c, {"alg": "RS256", **OWN}), Why.SIGNATURE),
    "no alg": (lambda _, c: unsigned(c, OWN, "AAAA"), Why.TOKEN),
    "HS256 with the public key": (by_public_key, Why.ALGORITHM),
    "RS512 with the right key": (by("RS512"), Why.ALGORITHM),
    "PS256 with the right key": (by("PS256"), Why.ALGORITHM),
    "a key that Moodle does not publish": (by_own_key(), Why.KEY),
    "another key under Moodle's key id": (by_own_key(**OWN), Why.SIGNATURE),
    "a key that the token brings along": (
        lambda w, c: by_own_key(**OWN, jwk=key("attacker").as_dict(private=False))(w, c),
        Why.TOKEN,
    ),
    "an address of keys that the token names": (
        lambda w, c: by_own_key(jku="https://evil.example/keys")(w, c),
        Why.KEY,
    ),
    "no key id": (lambda _, c: unsigned(c, {"alg": "RS256"}, "AAAA"), Why.KEY),
    "a key id that is a list": (
        lambda _, c: unsigned(c, {"alg": "RS256", "kid": ["moodle-1"]}, "AAAA"),
        Why.KEY,
    ),
    "extensions that must be understood": (
        lambda _, c: unsigned(c, {"alg": "RS256", **OWN, "crit": ["b64"], "b64": False}, "AAAA"),
        Why.KEY,
    ),
    "claims changed after signing": (with_other_claims, Why.SIGNATURE),
    "a header that is no object": (lambda _, c: unsigned(c, [1]), Why.TOKEN),  # type: ignore[arg-type]
    "a header nested without end": (
        lambda _, c: base64.urlsafe_b64encode(b"[" * 6000).rstrip(b"=").decode() + "." + part(c) + ".AAAA",
        Why.TOKEN,
    ),
    "claims that are no object": (
        lambda w, c: jws.serialize_compact({"alg": "RS256", **OWN}, b"[1, 2]", w.platform.keys[0]),
        Why.TOKEN,
    ),
    "five parts, as if encrypted": (lambda _, c: ".".join([part({"alg": "dir"})] + ["AAAA"] * 4), Why.TOKEN),
    "no token": (lambda _, c: "", Why.TOKEN),
    "words": (lambda _, c: "not a token", Why.TOKEN),
    "letters that no token has": (lambda w, c: w.platform.sign(c) + "ü", Why.TOKEN),
    "a token of 20 kB": (lambda w, c: w.platform.sign({**c, "x": "y" * 20_000}), Why.MALFORMED),
    "a token of 200 kB": (lambda w, c: w.platform.sign({**c, "x": "y" * 200_000}), Why.MALFORMED),
}


@pytest.mark.parametrize("name", TOKENS)
async def test_a_token_that_moodle_has_not_signed_so_is_refused(world: World, name: str) -> None:
    make, why = TOKENS[name]
    browser = world.browser()
    way = await browser.begin()
    await is_refused(world, await browser.bring(way, make(world, world.claims(way))), why)


HOUR = 3600
CLAIMS: dict[str, tuple[Callable[[World], Mapping[str, Any]], Why]] = {
    "another issuer": (lambda w: {"iss": "https://evil.example"}, Why.ISSUER),
    "an issuer that only begins like ours": (lambda w: {"iss": w.platform.url + ".evil.example"}, Why.ISSUER),
    "no issuer": (lambda w: {"iss": None}, Why.ISSUER),
    "an issuer that is a list": (lambda w: {"iss": [w.platform.url]}, Why.ISSUER),
    "another audience": (lambda w: {"aud": "WgjViFjncWgqeBS"}, Why.AUDIENCE),
    "no audience": (lambda w: {"aud": None}, Why.AUDIENCE),
    "an audience that holds ours as a part": (lambda w: {"aud": "xa0jfaMXkmunJ48z"}, Why.AUDIENCE),
    "two audiences and nobody authorised": (lambda w: {"aud": ["a0jfaMXkmunJ48z", "x"]}, Why.AUDIENCE),
    "another authorised party": (lambda w: {"azp": "WgjViFjncWgqeBS"}, Why.AUDIENCE),
    "another deployment": (lambda w: {"deployment_id": "2"}, Why.DEPLOYMENT),
    "a deployment that is a number": (lambda w: {"deployment_id": 1}, Why.DEPLOYMENT),
    "no deployment": (lambda w: {"deployment_id": None}, Why.DEPLOYMENT),
    "expired a minute ago": (lambda w: {"exp": w.clock.now() - 60}, Why.TIME),
    "issued in the future": (lambda w: {"iat": w.clock.now() + 60, "exp": w.clock.now() + 120}, Why.TIME),
    "not valid yet": (lambda w: {"nbf": w.clock.now() + 60}, Why.TIME),
    "valid for a day": (lambda w: {"exp": w.clock.now() + 24 * HOUR}, Why.TIME),
    "issued yesterday, valid still": (lambda w: {"iat": w.clock.now() - 24 * HOUR}, Why.TIME),
    "without an end": (lambda w: {"exp": None}, Why.TIME),
    "without a beginning": (lambda w: {"iat": None}, Why.TIME),
    "an end that is a word": (lambda w: {"exp": str(w.clock.now() + 60)}, Why.TIME),
    "an end that is true": (lambda w: {"exp": True}, Why.TIME),
    "an end that is infinite": (lambda w: {"exp": float("inf")}, Why.TIME),
    "a nonce of our own choice": (lambda w: {"nonce": "n-1"}, Why.NONCE),
    "no nonce": (lambda w: {"nonce": None}, Why.NONCE),
    "about somebody else": (lambda w: {"sub": "2"}, Why.SUBJECT),
    "about nobody": (lambda w: {"sub": None}, Why.SUBJECT),
    "about a number": (lambda w: {"sub": 3}, Why.SUBJECT),
    "another target": (lambda w: {"target_link_uri": "https://evil.example/lti/launch"}, Why.TARGET),
    "another kind of message": (lambda w: {"message_type": "LtiSubmissionReviewRequest"}, Why.MESSAGE),
    "another version": (lambda w: {"version": "1.1"}, Why.MESSAGE),
}


@pytest.mark.parametrize("name", CLAIMS)
async def test_a_token_that_says_something_else_is_refused(world: World, name: str) -> None:
    change, why = CLAIMS[name]
    await is_refused(world, await world.browser().click(**change(world)), why)


async def _replayed(world: World, browser: Browser, way: Way, good: str) -> Reply:
    assert (await browser.bring(way, good)).status == 303
    return await browser.bring(way, good)


async def _token_of_another_sign_in(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await browser.bring(await browser.begin(), good)


async def _in_another_browser(world: World, browser: Browser, way: Way, good: str) -> Reply:
    victim = world.browser()
    await victim.begin("editingteacher")
    return await victim.bring(way, good)


async def _without_a_cookie(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await world.browser().bring(way, good)


async def _with_a_made_up_cookie(world: World, browser: Browser, way: Way, good: str) -> Reply:
    other = world.browser()
    other.cookies = dict.fromkeys(browser.cookies, "A" * 43)
    return await other.bring(way, good)


async def _too_late(world: World, browser: Browser, way: Way, good: str) -> Reply:
    world.clock.advance(600)
    return await browser.bring(way, world.platform.sign(world.claims(way)))


async def _state_made_up(world: World, browser: Browser, way: Way, good: str) -> Reply:
    claims = {"nonce": way.nonce, "browser": "x", "hint": "3", "target": "x", "exp": 9e9}
    forged = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(b"0" * 32))
    return await browser.bring(way, good, state=forged)


async def _state_unsigned(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await browser.bring(way, good, state=unsigned({"nonce": way.nonce}, {"alg": "none"}))


async def _session_as_state(world: World, browser: Browser, way: Way, good: str) -> Reply:
    await browser.click()
    return await browser.bring(way, good, state=browser.cookies[SESSION_COOKIE])


async def _no_state(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await browser.post("/lti/launch", {"id_token": good})


async def _error_of_moodle(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await browser.bring(way, good, error="access_denied", error_description="<b>pay here</b>")


async def _said_twice(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await browser.post("/lti/launch", [("id_token", good), ("state", way.state), ("state", way.state)])


async def _as_a_file(world: World, browser: Browser, way: Way, good: str) -> Reply:
    return await browser.post(
        "/lti/launch", b"--x--", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )


async def _registration_gone(world: World, browser: Browser, way: Way, good: str) -> Reply:
    await world.books.db.execute("DELETE FROM lti_platform")
    return await browser.bring(way, good)


async def _registered_anew(world: World, browser: Browser, way: Way, good: str) -> Reply:
    await world.register(client_id="WgjViFjncWgqeBS")
    return await browser.bring(way, good)


Attempt = Callable[[World, Browser, Way, str], Awaitable[Reply]]
WAYS: dict[str, tuple[Attempt, Why]] = {
    "the same token and state again": (_replayed, Why.REPLAY),
    "the token of another sign-in": (_token_of_another_sign_in, Why.NONCE),
    "a state that another browser got": (_in_another_browser, Why.OTHER_BROWSER),
    "no cookie at all": (_without_a_cookie, Why.NO_COOKIE),
    "a cookie that was made up": (_with_a_made_up_cookie, Why.OTHER_BROWSER),
    "ten minutes later": (_too_late, Why.STATE_OLD),
    "a state with another signature": (_state_made_up, Why.STATE),
    "a state without a signature": (_state_unsigned, Why.STATE),
    "a session in the place of a state": (_session_as_state, Why.STATE),
    "no state": (_no_state, Why.STATE),
    "an error beside a good token": (_error_of_moodle, Why.PLATFORM_ERROR),
    "a field said twice": (_said_twice, Why.MALFORMED),
    "a form with files": (_as_a_file, Why.MALFORMED),
    "after the registration was taken away": (_registration_gone, Why.NOT_REGISTERED),
    "with the client id of an earlier registration": (_registered_anew, Why.AUDIENCE),
}


@pytest.mark.parametrize("name", WAYS)
async def test_a_good_token_in_the_wrong_place_is_refused(world: World, name: str) -> None:
    attempt, why = WAYS[name]
    browser = world.browser()
    way = await browser.begin()
    reply = await attempt(world, browser, way, world.platform.sign(world.claims(way)))
    await is_refused(world, reply, why)
    assert "pay here" not in reply.text


LOGINS: dict[str, tuple[dict[str, str], Why]] = {
    "a target elsewhere": ({"target_link_uri": "https://evil.example/"}, Why.TARGET),
    "a target that begins like ours": (
        {"target_link_uri": "https://chat.example.org.evil.example/"},
        Why.TARGET,
    ),
    "a target behind our name": ({"target_link_uri": "https://chat.example.org@evil.example/"}, Why.TARGET),
    "a target without a scheme": ({"target_link_uri": "//evil.example/lti/launch"}, Why.TARGET),
    "a script as a target": ({"target_link_uri": "javascript:alert(1)"}, Why.TARGET),
    "our target with more behind it": (
        {"target_link_uri": "https://chat.example.org/lti/launch?x=1"},
        Why.TARGET,
    ),
    "another issuer": ({"iss": "https://evil.example"}, Why.ISSUER),
    "another client": ({"client_id": "WgjViFjncWgqeBS"}, Why.CLIENT),
    "another deployment": ({"lti_deployment_id": "2"}, Why.DEPLOYMENT),
    "nobody to sign in": ({"login_hint": ""}, Why.MALFORMED),
    "a line break for the headers": ({"login_hint": "3\r\nSet-Cookie: a=b"}, Why.MALFORMED),
    "a hint of 5 kB": ({"lti_message_hint": "x" * 5000}, Why.MALFORMED),
}


@pytest.mark.parametrize("name", LOGINS)
async def test_a_login_that_leads_elsewhere_is_refused(world: World, name: str) -> None:
    change, why = LOGINS[name]
    form = {**world.recording("student")["login_initiation"]["form"], **change}
    reply = await world.browser().post("/lti/login", form)
    await is_refused(world, reply, why)
    assert reply.location == ""
    assert "evil.example" not in reply.text


async def test_a_parameter_given_twice_is_refused(world: World) -> None:
    form = world.recording("student")["login_initiation"]["form"]
    reply = await world.browser().get("/lti/login", params=[*form.items(), ("iss", "https://evil.example")])
    await is_refused(world, reply, Why.MALFORMED)


async def test_a_form_of_a_megabyte_is_refused(world: World) -> None:
    await is_refused(world, await world.browser().post("/lti/login", {"iss": "x" * 1_000_000}), Why.MALFORMED)


@pytest.mark.parametrize("changed", ["cut", "letter", "state", "none"])
async def test_a_session_that_we_have_not_signed_is_none(world: World, changed: str) -> None:
    browser = world.browser()
    way = await browser.begin()
    await browser.click()
    good = browser.cookies[SESSION_COOKIE]
    header, claims, signature = good.split(".")
    forged = {
        "cut": good[:-4],
        "letter": f"{header}.{claims[:-3]}{'A' if claims[-3] != 'A' else 'B'}{claims[-2:]}.{signature}",
        "state": way.state,
        "none": f"{part({'alg': 'none'})}.{claims}.",
    }[changed]
    browser.cookies[SESSION_COOKIE] = forged
    await is_refused(world, await browser.get("/c/2"), Why.NO_SESSION)


@pytest.mark.parametrize("token", ["none", "empty", "another session's", "of the same person before"])
async def test_a_form_that_was_not_made_in_this_session_is_refused(world: World, token: str) -> None:
    browser, other = world.browser(), world.browser()
    await other.click("editingteacher" if token == "another session's" else "student")
    world.clock.advance(1)
    await browser.click()
    foreign = form_token(await other.get("/me"))
    sent = {"none": {}, "empty": {"form_token": ""}}.get(token, {"form_token": foreign})
    reply = await browser.post("/sign-out", sent)
    await is_refused(world, reply, Why.FORM)
    assert await browser.session() is not None


async def test_a_copied_cookie_ends_with_its_session(world: World) -> None:
    browser, thief = world.browser(), world.browser()
    await browser.click()
    thief.cookies = dict(browser.cookies)
    assert (await thief.get("/me")).status == 200
    await browser.post("/sign-out", {"form_token": form_token(await browser.get("/me"))})
    await is_refused(world, await thief.get("/me"), Why.NO_SESSION)


async def test_a_new_launch_ends_the_session_that_the_browser_had(world: World) -> None:
    browser, thief = world.browser(), world.browser()
    await browser.click()
    thief.cookies = dict(browser.cookies)
    await browser.click("editingteacher")
    await is_refused(world, await thief.get("/me"), Why.NO_SESSION)


async def test_a_form_without_a_session_does_nothing(world: World) -> None:
    assert (await world.browser().post("/sign-out", {"form_token": "x"})).status == 401


async def test_a_person_can_sign_out_and_only_by_the_form(world: World) -> None:
    browser = world.browser()
    await browser.click()
    assert (await browser.get("/sign-out")).status == 405
    page = await browser.get("/me")
    reply = await browser.post("/sign-out", {"form_token": form_token(page)})
    assert reply.status == 200
    assert "Max-Age=0" in reply.cookies[SESSION_COOKIE]
    assert await browser.session() is None


def form_token(page: Reply) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]


async def test_invented_key_ids_do_not_make_us_ask_moodle_again_and_again(world: World) -> None:
    for number in range(5):
        browser = world.browser()
        way = await browser.begin()
        await browser.bring(way, world.platform.sign(world.claims(way), kid=f"invented-{number}"))
    assert world.platform.asked.count(("GET", "/mod/lti/certs.php")) == 1


async def test_a_flood_of_refusals_leaves_a_bounded_number_of_lines(world: World) -> None:
    for _ in range(LINES_PER_HOUR + 20):
        await world.browser().get("/lti/login")
    rows = await world.books.journal.audit(limit=1000)
    assert len(rows) == LINES_PER_HOUR
    world.clock.advance(3600)
    await world.browser().get("/lti/login")
    assert "20 more were refused" in (await world.audit())[1].why


async def test_asking_for_the_head_of_a_page_does_nothing(world: World) -> None:
    async with world.client.head("/lti/login") as response:
        assert response.status == 405
