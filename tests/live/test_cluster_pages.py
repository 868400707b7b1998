"""Pages of several processes on one PostgreSQL with a real Synapse: each step of a click may come to another one."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle
from tests.live.fleet import Fleet
from tests.live.homeserver import Seat
from tests.live.house import House, small_university, until
from tests.web.platform import CLIENT_ID, FakePlatform, recorded

LTI = "https://purl.imsglobal.org/spec/lti/claim/"


async def test_a_click_in_moodle_leads_into_the_chat_whatever_process_takes_each_of_its_steps(
    synapse: EmbeddedSynapse, seat: Seat, tmp_path: Path, postgres_url: str
) -> None:
    moodle, platform = SandboxMoodle(small_university()), FakePlatform()
    moodle.app.router.add_route("*", "/mod/lti/{path:.*}", platform.answer)
    async with moodle:
        platform.start_at(moodle.url)
        house = House(synapse, seat, moodle, tmp_path)
        url = f"http://127.0.0.1:{seat.port}"
        pages = {"public_url": url, "lti": {"client_id": CLIENT_ID, "deployment_id": "1"}}
        async with Fleet(house, tmp_path, postgres_url, "a", "b", web=pages) as fleet:
            await fleet.start()
            assert (await fleet.all[0].ask("sync"))["failures"] == []
            new = moodle.university.add_person("new", "New", "Comer").id
            moodle.university.enrol(new, 2, "student")
            for first, second in (fleet.all, reversed(fleet.all)):
                recording = recorded("launch--student", platform.url, url)
                async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
                    send = partial(_send, browser, seat.port)
                    form = {**recording["login_initiation"]["form"], "login_hint": str(new)}
                    login = await send("POST", first.port, "/lti/login", form)
                    asked = dict(parse_qsl(urlsplit(login.headers["Location"]).query))
                    claims = _claims(recording["claims"], new, asked["nonce"])
                    answer = {"id_token": platform.sign(claims), "state": asked["state"]}
                    launch = await send("POST", second.port, "/lti/launch", answer)
                    assert launch.status == 303, await launch.text()
                    page = await send("GET", first.port, launch.headers["Location"])
                    assert (page.status, "Course number 1" in await page.text()) == (200, True)
                    again = await send("POST", first.port, "/lti/launch", answer)
                    assert again.status == 403, "a click is used up for all processes"

            async def invited() -> bool:
                return (await house.members(2)).get(house.mxid("new")) == "invite"

            await until(invited, "the click invites who has clicked")


def _claims(claims: dict[str, Any], person: int, nonce: str) -> dict[str, Any]:
    now = int(time.time())
    context = {**claims[f"{LTI}context"], "id": "2"}
    return {
        **claims,
        "nonce": nonce,
        "iat": now,
        "exp": now + 60,
        "sub": str(person),
        f"{LTI}context": context,
    }


async def _send(
    browser: aiohttp.ClientSession, public: int, method: str, port: int, path: str, form: Any = None
) -> aiohttp.ClientResponse:
    """One request to one process, as the proxy before them passes it on; the answer has been read."""
    async with browser.request(
        method,
        f"http://127.0.0.1:{port}{path}",
        data=form,
        headers={"Host": f"127.0.0.1:{public}", "Sec-Fetch-Dest": "document"},
        allow_redirects=False,
    ) as answer:
        await answer.read()
        return answer
