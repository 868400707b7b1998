"""Requests leave only while a process may write, and one that stood still sends one at most when it goes on.

The process that is stopped is a real one, and so are the signals: what is sent is counted where it arrives.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from moodle_appservice.engine.lease import MARGIN, Lease, LeaseLost
from moodle_appservice.matrix.fence import fenced_session

AT_ONCE = 8
STOPS = 6
SLICE = 20
LEASE = MARGIN + 0.3
PAST_THE_LEASE = 0.5
"""Seconds without any arrival, longer than what the lease had left."""
SENDER = f"""
import aiohttp, asyncio, itertools, sys
from moodle_appservice.engine.lease import Lease, LeaseLost
from moodle_appservice.matrix.fence import fenced_session

async def main(url):
    lease = Lease({LEASE})
    lease.renewed(lease.asked())
    async def renew():
        # As the database: who is late is not heard any more.
        while lease.holds:
            lease.renewed(lease.asked())
            await asyncio.sleep(0.05)
    async def send(session, number):
        for sent in itertools.count():
            try:
                if sent % {SLICE} == 0:
                    lease.check()
                async with session.put(url + f"/{{number}}", data=b"x" * 2000) as answer:
                    await answer.read()
            except LeaseLost:
                print("lost", flush=True)
                await asyncio.sleep(3600)
            except TimeoutError:
                print("late", flush=True)
    def open_session():
        # Without the fence a writer looks at its lease as well, but only before each slice of its work.
        return fenced_session(lease.check) if sys.argv[2] == "fenced" else aiohttp.ClientSession()
    async with open_session() as session:
        asyncio.get_running_loop().create_task(renew())
        await asyncio.gather(*(send(session, number) for number in range({AT_ONCE})))

asyncio.run(main(sys.argv[1]))
"""


class Arrivals:
    """When each request came."""

    def __init__(self) -> None:
        self.at: list[float] = []

    async def take(self, request: web.Request) -> web.Response:
        await request.read()
        self.at.append(time.monotonic())
        return web.Response()


@asynccontextmanager
async def arrivals() -> AsyncIterator[tuple[Arrivals, str]]:
    made = Arrivals()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.take)
    async with TestServer(app) as server:
        yield made, str(server.make_url("/")).rstrip("/")


class Moved:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_holds_from_before_it_was_asked_for_and_a_margin_shorter() -> None:
    clock = Moved()
    lease = Lease(40, clock=clock)
    assert (lease.holds, lease.remaining()) == (False, 0.0)
    with pytest.raises(LeaseLost):
        lease.check()
    asked = lease.asked()
    clock.now += 5
    lease.renewed(asked)
    assert lease.check() == 35 - MARGIN
    clock.now += 35 - MARGIN
    assert not lease.holds
    lease.renewed(lease.asked())
    lease.lost()
    assert not lease.holds


async def test_a_request_without_a_lease_is_not_sent() -> None:
    clock = Moved()
    lease = Lease(40, clock=clock)
    async with arrivals() as (came, url), fenced_session(lease.check) as session:
        with pytest.raises(LeaseLost):
            await session.get(url)
        lease.renewed(lease.asked())
        async with session.get(url) as answer:
            assert answer.status == 200
        clock.now += 38
        with pytest.raises(LeaseLost):
            await session.get(url)
    assert len(came.at) == 1


async def test_a_lease_that_runs_out_while_a_connection_is_made_is_seen_right_before_the_bytes_leave() -> (
    None
):
    looks = 0

    def remaining() -> float:
        nonlocal looks
        looks += 1
        if looks > 1:
            raise LeaseLost
        return 10.0

    async with arrivals() as (came, url), fenced_session(remaining) as session:
        with pytest.raises(LeaseLost):
            await session.put(url, data=b"body")
    assert (looks, came.at) == (2, [])


async def test_an_answer_that_comes_later_than_the_lease_holds_counts_as_lost() -> None:
    held = asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", late)
    async with TestServer(app) as server, fenced_session(lambda: 0.05) as session:
        with pytest.raises(TimeoutError):
            await session.get(server.make_url("/"))
        held.set()


async def test_the_session_can_be_told_more_as_any_other() -> None:
    async with fenced_session(lambda: 10.0, headers={"User-Agent": "us"}) as session:
        assert session.headers["User-Agent"] == "us"
        assert isinstance(session, aiohttp.ClientSession)


@asynccontextmanager
async def sending(url: str, how: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Eight writers at full speed in a process of their own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SENDER, url, how), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def late_after_a_stop(came: Arrivals, process: asyncio.subprocess.Process, *, after: int) -> int:
    """Stop it at a moment of chance for longer than its lease; how many requests came when it went on."""
    assert process.stdout is not None
    before = len(came.at)
    async with asyncio.timeout(30):
        while len(came.at) < before + after:
            await asyncio.sleep(0)
    os.kill(process.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    # What it had sent by then has come when nothing comes any more; then its lease has run out as well.
    async with asyncio.timeout(30):
        while time.monotonic() - max(stopped, came.at[-1]) < PAST_THE_LEASE:
            await asyncio.sleep(0.01)
    sent = len(came.at)
    os.kill(process.pid, signal.SIGCONT)
    async with asyncio.timeout(30):
        for _ in range(AT_ONCE):
            # Every writer has heard of it, so that whatever was to come has come.
            while b"lost" not in (line := await process.stdout.readline()):
                assert line, "the process has ended"
    return len(came.at) - sent


async def test_a_process_that_was_stopped_past_its_lease_sends_one_request_at_most_when_it_goes_on() -> None:
    """Several times, at different moments."""
    async with arrivals() as (came, url):
        for number in range(STOPS):
            async with sending(url, "fenced") as process:
                assert await late_after_a_stop(came, process, after=50 + 7 * number) <= 1


async def test_without_the_fence_it_sends_more() -> None:
    """So the test before this one shows what the fence does, and not how lucky the moments were."""
    async with arrivals() as (came, url), sending(url, "unfenced") as process:
        assert await late_after_a_stop(came, process, after=50) > 1
