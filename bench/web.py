"""How many clicks in Moodle the service answers in a second, on one core, while it syncs.

A click is the whole way: Moodle's link is posted to us, we send the browser to Moodle, Moodle's signed token is posted
to us, and the page of the course is shown. 50 browsers click one after the other, each as another person of courses
whose rooms are there; meanwhile the rooms of many other courses are made. The service runs in a process of its own on
one core; Synapse, the sandbox Moodle and the browsers share the others.

The last line of the output is one JSON object; `bench/README.md` explains its keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import psutil
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from bench.installation import DOMAIN, Installation
from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University, generate

CLIENT, DEPLOYMENT = "bench", "1"
LTI = "https://purl.imsglobal.org/spec/lti/claim/"
OFF, ON = 3, 2
"""The options of the course field `matrix_enabled`, as the sandbox numbers them."""
KEY = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})


@dataclass
class Clicks:
    """Seconds of every click, and of its parts."""

    whole: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can click: in a course whose rooms are there."""

    user: int
    course: int


async def click(
    session: aiohttp.ClientSession, tool: str, moodle: str, person: Person, clicks: Clicks
) -> None:
    """One click, as a browser that keeps its cookies."""
    began = time.perf_counter()
    hints = {"login_hint": str(person.user), "lti_message_hint": "x", "lti_deployment_id": DEPLOYMENT}
    start = {"iss": moodle, "target_link_uri": f"{tool}/lti/launch", "client_id": CLIENT, **hints}
    document = {"Sec-Fetch-Dest": "document"}
    async with session.post(
        f"{tool}/lti/login", data=start, headers=document, allow_redirects=False
    ) as answer:
        asked = parse_qs(urlsplit(answer.headers["Location"]).query)
        cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
    token = jwt.encode({"alg": "RS256", "kid": "bench"}, claims(tool, moodle, person, asked["nonce"][0]), KEY)
    sent = {"id_token": token, "state": asked["state"][0]}
    async with session.post(
        f"{tool}/lti/launch", data=sent, cookies=cookies, allow_redirects=False
    ) as answer:
        if answer.status != 303:
            clicks.failures += 1
            return
        page, cookies = answer.headers["Location"], {n: m.value for n, m in answer.cookies.items()}
    arrived = time.perf_counter()
    async with session.get(f"{tool}{page}", cookies=cookies) as answer:
        text = await answer.text()
        if answer.status != 200 or 'class="card"' not in text:
            clicks.failures += 1
            return
    ended = time.perf_counter()
    clicks.whole.append(ended - began)
    clicks.pages.append(ended - arrived)


def claims(tool: str, moodle: str, person: Person, nonce: str) -> dict[str, Any]:
    """What Moodle says of a click."""
    now = int(time.time())
    return {
        "iss": moodle,
        "aud": CLIENT,
        "sub": str(person.user),
        "nonce": nonce,
        "iat": now,
        "exp": now + 60,
        "name": f"Person {person.user}",
        f"{LTI}deployment_id": DEPLOYMENT,
        f"{LTI}message_type": "LtiResourceLinkRequest",
        f"{LTI}version": "1.3.0",
        f"{LTI}target_link_uri": f"{tool}/lti/launch",
        f"{LTI}context": {"id": str(person.course)},
        f"{LTI}roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
    }


async def key_set(_: web.Request) -> web.Response:
    """What Moodle publishes."""
    return web.json_response({"keys": [KEY.as_dict(private=False)]})


def switch(university: University, ready: int, others: int) -> list[int]:
    """Switch the first `ready` courses on, the others to `others`; gives the ids of the first."""
    ids = sorted(university.courses)
    for number, course_id in enumerate(ids):
        university.courses[course_id].fields["matrix_enabled"] = ON if number < ready else others
    return ids[:ready]


def people_of(university: University, courses: list[int]) -> list[Person]:
    """Everybody who is active in one of these courses."""
    now = university.now()
    return [
        Person(user, course_id)
        for course_id in courses
        for user in university.enrolled(course_id)
        if university.active(course_id, user, now)
        and university.people[user].confirmed
        and not university.people[user].suspended
        and university.people[user].auth != "nologin"
    ]


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole run."""
    university = generate(arguments.courses, arguments.people)
    ready = switch(university, arguments.ready, OFF)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Installation(Path(folder), "web")
        async with EmbeddedSynapse(server_name=DOMAIN, registrations=[home.registration]) as synapse:
            moodle = SandboxMoodle(university)
            moodle.app.router.add_get("/mod/lti/certs.php", key_set)
            async with moodle:
                tool = f"http://127.0.0.1:{home.port}"
                pages = {"public_url": tool, "lti": {"client_id": CLIENT, "deployment_id": DEPLOYMENT}}
                home.connect(synapse, moodle, {"web": pages})
                try:
                    await home.start_service()
                    on_one_core(home, synapse)
                    await home.sync()
                    return await clicked(home, university, moodle.url, tool, ready, arguments)
                finally:
                    await asyncio.to_thread(home.stop)


def on_one_core(home: Installation, synapse: EmbeddedSynapse) -> None:
    """The service has the first core, everybody else the others, where there are others."""
    cores = sorted(psutil.Process().cpu_affinity())
    psutil.Process(home.pid).cpu_affinity(cores[:1])
    for process in (psutil.Process(), psutil.Process(synapse.pid)):
        process.cpu_affinity(cores[1:] or cores)


async def clicked(
    home: Installation,
    university: University,
    moodle: str,
    tool: str,
    ready: list[int],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Clicks while the rooms of all other courses are made."""
    people = people_of(university, ready)
    clicks, until = Clicks(), asyncio.Event()
    connector = aiohttp.TCPConnector(limit=arguments.clients)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=connector) as session:

        async def browser() -> None:
            while not until.is_set():
                await click(session, tool, moodle, people[secrets.randbelow(len(people))], clicks)

        switch(university, arguments.ready, ON)
        sync = asyncio.create_task(home.sync())
        browsers = [asyncio.create_task(browser()) for _ in range(arguments.clients)]
        await asyncio.sleep(arguments.warm_up)
        clicks.whole.clear()
        clicks.pages.clear()
        began, cpu = time.perf_counter(), home.cpu_seconds
        await asyncio.wait([sync], timeout=arguments.seconds)
        took, cpu = time.perf_counter() - began, home.cpu_seconds - cpu
        still_syncing = not sync.done()
        until.set()
        await asyncio.gather(*browsers)
        await sync
    return summary(clicks, took, cpu, still_syncing, arguments)


def summary(
    clicks: Clicks, took: float, cpu: float, still_syncing: bool, arguments: argparse.Namespace
) -> dict[str, Any]:
    """The figures."""
    return {
        "bench": "web",
        "launches_per_s": round(len(clicks.whole) / took, 1),
        "p95_s": round(quantiles(clicks.whole, n=20)[-1], 3),
        "median_s": round(median(clicks.whole), 3),
        "page_p95_s": round(quantiles(clicks.pages, n=20)[-1], 3),
        "launches": len(clicks.whole),
        "failures": clicks.failures,
        "seconds": round(took, 1),
        "sync_ran_throughout": still_syncing,
        "service_cpu_share": round(cpu / took, 2),
        "clients": arguments.clients,
        "courses": arguments.courses,
        "people": arguments.people,
        "python": platform.python_version(),
    }


def main(words: list[str]) -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--courses", type=int, default=60)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--ready", type=int, default=5, help="courses whose rooms are there before")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="at most; the end of the sync ends it too"
    )
    parser.add_argument("--warm-up", type=float, default=2.0)
    figures = asyncio.run(measure(parser.parse_args(words)))
    print(json.dumps(figures))
    return 0 if figures["failures"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
