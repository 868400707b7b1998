"""Moodle registers us by a link that is good once; what leads anywhere but to the Moodle that we know is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from moodle_appservice.engine.site import SITE_URL
from moodle_appservice.errors import Refused, Unreachable
from moodle_appservice.web.origins import is_below
from moodle_appservice.web.platform_http import LONGEST, PlatformHttp
from moodle_appservice.web.refusals import Why
from tests.web.platform import ENDPOINTS, recorded
from tests.web.world import TOOL, Reply, World, open_world

_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"


async def invite(world: World, *, replace: bool = False) -> str:
    """The path of a fresh link."""
    url = await world.browsers.registrar.invite(replace=replace)
    assert url.startswith(f"{TOOL}/lti/register/")
    return urlsplit(url).path


async def follow(world: World, path: str, configuration: str | None = None) -> Reply:
    """What Moodle does with a link."""
    query = {
        "openid_configuration": configuration or world.platform.configuration_url,
        "registration_token": "moodles.registration.token",
    }
    return await world.browser().get(path, params=query)


async def is_refused(world: World, reply: Reply, why: Why) -> None:
    found = re.search(r"<code>([0-9a-f]{8})</code>", reply.text)
    assert reply.status >= 400
    assert found, reply.text
    lines = {line.reference: line.why for line in await world.audit()}
    assert lines[found[1]] == why.value


async def test_the_recorded_dialogue_ends_with_a_registration(fresh: World) -> None:
    reply = await follow(fresh, await invite(fresh))
    assert reply.status == 200, reply.text
    assert "activate it" in reply.text
    platform = await fresh.books.lti.platform()
    assert platform is not None
    assert (platform.issuer, platform.client_id, platform.deployment_id) == (
        fresh.platform.url,
        "WgjViFjncWgqeBS",
        "2",
    )
    assert platform.keys_url == f"{fresh.platform.url}/mod/lti/certs.php"
    assert fresh.platform.bearer == "Bearer moodles.registration.token"
    assert [line.kind for line in await fresh.audit()] == ["LtiRegistered", "LtiInvited"]


async def test_moodle_is_told_what_the_recorded_one_was_told(fresh: World) -> None:
    await follow(fresh, await invite(fresh))
    told, then = fresh.platform.registration, recorded("dynamic-registration")["request"]
    assert told is not None
    assert told.keys() == then.keys()
    for name in then.keys() - {"client_name", "jwks_uri", _CONFIGURATION}:
        assert told[name] == then[name]
    assert told["jwks_uri"] == f"{TOOL}/lti/jwks.json"
    assert told[_CONFIGURATION].keys() == then[_CONFIGURATION].keys()
    assert set(told[_CONFIGURATION]["claims"]) <= set(
        recorded("openid-configuration")["json"]["claims_supported"]
    )


async def test_the_page_closes_moodles_window_only_by_a_script_of_our_own(fresh: World) -> None:
    reply = await follow(fresh, await invite(fresh))
    policy = reply.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert f"frame-ancestors {fresh.platform.url}" in policy
    assert f'data-moodle="{fresh.platform.url}"' in reply.text
    script = await fresh.browser().get("/static/registered.js")
    assert "org.imsglobal.lti.close" in script.text


async def test_a_link_is_good_once(fresh: World) -> None:
    path = await invite(fresh)
    assert (await follow(fresh, path)).status == 200
    await is_refused(fresh, await follow(fresh, path), Why.INVITATION)


async def test_of_two_at_once_one_registers(fresh: World) -> None:
    path = await invite(fresh)
    replies = await asyncio.gather(follow(fresh, path), follow(fresh, path))
    assert sorted(reply.status for reply in replies) == [200, 403]


async def test_a_link_is_good_for_an_hour(fresh: World) -> None:
    path = await invite(fresh)
    fresh.clock.advance(3600)
    await is_refused(fresh, await follow(fresh, path), Why.INVITATION)
    assert fresh.platform.asked == []


@pytest.mark.parametrize("secret", ["x", "A" * 43, "..", "%00", "A" * 5000])
async def test_a_link_that_we_have_not_made_asks_nobody(fresh: World, secret: str) -> None:
    await invite(fresh)
    reply = await follow(fresh, f"/lti/register/{secret}")
    assert reply.status in (403, 404)
    assert fresh.platform.asked == []
    assert await fresh.books.lti.platform() is None


async def test_a_link_that_is_only_looked_at_is_not_used_up(fresh: World) -> None:
    path = await invite(fresh)
    await is_refused(fresh, await fresh.browser().get(path), Why.INVITATION)
    assert (await follow(fresh, path)).status == 200


async def test_a_registration_is_replaced_by_a_link_made_for_that_alone(fresh: World) -> None:
    plain = await invite(fresh)
    before = await fresh.register()
    await is_refused(fresh, await follow(fresh, plain), Why.ALREADY_REGISTERED)
    assert await fresh.books.lti.platform() == before
    with pytest.raises(Refused, match="--replace"):
        await invite(fresh)
    assert (await follow(fresh, await invite(fresh, replace=True))).status == 200
    after = await fresh.books.lti.platform()
    assert after is not None
    assert after.client_id == "WgjViFjncWgqeBS"


async def test_without_pages_or_with_a_registration_by_hand_there_is_no_link(fresh: World) -> None:
    async with open_world(fresh.campus, public_url="") as closed:
        with pytest.raises(Refused, match=r"web\.public_url is empty"):
            await closed.browsers.registrar.invite(replace=True)
    async with open_world(fresh.campus, lti={"client_id": "a", "deployment_id": "1"}) as by_hand:
        with pytest.raises(Refused, match="stands in the configuration"):
            await by_hand.browsers.registrar.invite(replace=True)


SITE = "https://moodle.example.org/campus"


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        (f"{SITE}/mod/lti/certs.php", True),
        ("https://moodle.example.org/mod/lti/certs.php", False),
        ("https://moodle.example.org/campus2/mod/lti/certs.php", False),
        ("https://moodle.example.org.evil.example/campus/x", False),
        ("https://moodle.example.org@evil.example/campus/x", False),
        ("https://moodle.example.org:8443/campus/x", False),
        ("http://moodle.example.org/campus/x", False),
        ("https://MOODLE.example.org/campus/x", False),
        (f"{SITE}/../evil/certs.php", False),
        (f"{SITE}/%2e%2e/evil/certs.php", False),
        (f"{SITE}/./certs.php", False),
        (f"{SITE}//evil.example/certs.php", False),
        (f"{SITE}/\\evil.example/certs.php", False),
        (f"{SITE}/certs.php?next=https://evil.example", False),
        (f"{SITE}/certs.php#x", False),
        (f"{SITE}/certs.php\n", False),
        (f"{SITE}/", False),
        (SITE, False),
        ("http://127.0.0.1:8008/_synapse/admin", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://[::1]/x", False),
        ("file:///etc/passwd", False),
        ("", False),
        (None, False),
        ([f"{SITE}/x"], False),
        (f"{SITE}/{'x' * 500}", False),
    ],
)
def test_only_addresses_below_moodles_own_are_ours(url: object, is_ours: bool) -> None:
    assert is_below(SITE, url) is is_ours


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/openid-configuration.php",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
    ],
)
async def test_a_configuration_elsewhere_is_not_even_asked_for(fresh: World, address: str) -> None:
    await is_refused(fresh, await follow(fresh, await invite(fresh), address), Why.FOREIGN_ADDRESS)
    assert fresh.platform.asked == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("address", ["https://evil.example/x", "http://127.0.0.1:1/x", None])
async def test_the_right_issuer_with_a_foreign_address_is_refused(
    fresh: World, endpoint: str, address: str | None
) -> None:
    fresh.platform.configuration[endpoint] = address
    await is_refused(fresh, await follow(fresh, await invite(fresh)), Why.FOREIGN_ADDRESS)
    assert fresh.platform.registration is None


@pytest.mark.parametrize(
    "issuer", ["https://evil.example", "", None, ["x"], "{site}/", "{site}.evil.example"]
)
async def test_a_foreign_issuer_is_refused(fresh: World, issuer: Any) -> None:
    site = fresh.platform.url
    fresh.platform.configuration["issuer"] = issuer.format(site=site) if isinstance(issuer, str) else issuer
    await is_refused(fresh, await follow(fresh, await invite(fresh)), Why.ISSUER)
    assert fresh.platform.registration is None


async def test_a_moodle_without_tls_elsewhere_is_refused(fresh: World) -> None:
    await fresh.books.settings.set(SITE_URL, "http://moodle.example.org")
    reply = await follow(
        fresh, await invite(fresh), "http://moodle.example.org/mod/lti/openid-configuration.php"
    )
    await is_refused(fresh, reply, Why.UNSAFE_SITE)


Answer = Callable[[], web.Response]
ANSWERS: Mapping[str, Answer] = {
    "a redirect": lambda: web.Response(status=302, headers={"Location": "https://evil.example/"}),
    "an error": lambda: web.Response(status=500),
    "an outage": lambda: web.Response(status=503),
    "a page": lambda: web.Response(text="<html>"),
    "a list": lambda: web.json_response([]),
    "nesting without end": lambda: web.Response(text="[" * 100_000),
    "more than fits": lambda: web.Response(text='{"x": "' + "y" * LONGEST + '"}'),
}


@pytest.mark.parametrize("path", ["/mod/lti/openid-configuration.php", "/mod/lti/openid-registration.php"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_that_is_none_ends_the_registration(fresh: World, path: str, name: str) -> None:
    fresh.platform.answers[path] = ANSWERS[name]()
    await is_refused(fresh, await follow(fresh, await invite(fresh)), Why.REGISTRATION_UNREAD)
    assert await fresh.books.lti.platform() is None
    assert fresh.platform.asked[-1][1] == path


async def test_a_redirect_is_not_followed_even_within_moodle(fresh: World) -> None:
    for path in ("/mod/lti/openid-configuration.php", "/mod/lti/openid-registration.php"):
        fresh.platform.answers[path] = web.Response(status=307, headers={"Location": "/elsewhere"})
        await is_refused(fresh, await follow(fresh, await invite(fresh)), Why.REGISTRATION_UNREAD)
    assert "/elsewhere" not in [asked for _, asked in fresh.platform.asked]


@pytest.mark.parametrize(
    "changed",
    [{"client_id": None}, {"client_id": ""}, {"client_id": "a b"}, {"client_id": 5}, {_CONFIGURATION: None}]
    + [{_CONFIGURATION: {"deployment_id": one}} for one in (None, "", 2, "<script>")],
)
async def test_a_registration_without_usable_ids_is_none(fresh: World, changed: Mapping[str, Any]) -> None:
    fresh.platform.registered.update(changed)
    await is_refused(fresh, await follow(fresh, await invite(fresh)), Why.REGISTRATION_WRONG)
    assert await fresh.books.lti.platform() is None


async def test_a_moodle_that_never_ends_its_answer_is_given_up(fresh: World) -> None:
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
        await reader.read(-1)
        writer.close()
        gone.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unreachable):
                await PlatformHttp(session, timeout=0.05).get(f"http://127.0.0.1:{port}/x")
        await asyncio.wait_for(gone.wait(), 60)
