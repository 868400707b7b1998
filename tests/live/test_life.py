"""A dry run, a stop in the middle of the work, SIGHUP, and a second instance, as an administrator sees them."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import aiohttp

from tests.faults.proxy import Proxy, Trouble
from tests.live.house import House, until
from tests.live.test_cli import ask, program, running
from tests.nursery import nursery


async def log_of(house: House) -> str:
    return (house.folder / "service.log").read_text(encoding="utf-8")


async def test_a_dry_run_reads_plans_and_shows_itself_and_writes_nothing(house: House) -> None:
    house.overrides = {"moodle": {"interval": 10}}
    mark = house.synapse.mark()
    async with running(house, "run", "--dry-run"):

        async def planned() -> bool:
            return "CreateRoom would be done" in await log_of(house)

        await until(planned, "the plan stands in the log")
        code, plan = await ask(house, "plan")
        assert code == 0 and "PAUSED: The whole site is paused since" in plan and "by run --dry-run" in plan
        code, found = await ask(house, "doctor")
        assert "! Paused: The whole site is paused since" in found
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{house.seat.port}/health") as answer,
        ):
            assert "paused: the whole site" in await answer.text()
        code, said = await ask(house, "sync")
        assert "Nothing was written there." in said
        assert "is not done" not in await log_of(house), "no look has failed for what it may not write"
    wrote = [one for one in house.sent_since(mark) if one.method != "GET" and not one.path.endswith("/ping")]
    assert wrote == []
    assert await house.room_of(2) == ""


async def test_a_stop_while_it_starts_ends_it_and_nothing_waits_for_a_homeserver_that_is_silent(
    house: House,
) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        house.overrides = {
            "homeserver": {"address": f"http://127.0.0.1:{port}", "domain": house.synapse.server_name}
        }
        log = house.folder / "service.log"
        words = ["-c", str(house.config())]
        run = await asyncio.to_thread(lambda: nursery().begin(words, cwd=house.folder, log=log))
        async with asyncio.timeout(60):
            await asked.wait()
        run.signal(signal.SIGTERM)
        assert await asyncio.to_thread(run.wait, 20) == 0
    assert "Ready" not in log.read_text(encoding="utf-8")


async def test_a_stop_in_the_middle_of_a_slow_sync_ends_within_ten_seconds_and_is_not_ready_first(
    house: House,
) -> None:
    proxy = Proxy(house.synapse.port, random.Random(1))
    await proxy.start()
    house.overrides = {
        "homeserver": {"address": f"http://127.0.0.1:{proxy.port}", "domain": house.synapse.server_name}
    }
    async with running(house) as process:
        proxy.trouble = Trouble.DELAY
        proxy.cut()
        sync = asyncio.create_task(ask(house, "sync"))
        async with asyncio.timeout(60):
            while not proxy.struck:
                await asyncio.sleep(0.02)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)
        assert time.monotonic() - began < 10
        assert process.code == 0
        await sync
    await proxy.stop()
    house.overrides = {}
    await house.start()
    await house.sync()
    assert len(await house.members(2)) == 4


async def test_sighup_changes_the_level_of_the_log_and_says_what_takes_a_restart(house: House) -> None:
    async with running(house) as process:
        house.overrides = {"logging": {"level": "DEBUG"}, "sync": {"rooms_at_once": 2}}
        house.config()
        process.signal(signal.SIGHUP)

        async def said() -> bool:
            return "take a restart: sync.rooms_at_once." in await log_of(house)

        await until(said, "what takes a restart is named")
        assert "Taken over: logging.level." in await log_of(house)
        assert process.running


async def test_a_second_service_on_the_same_database_is_refused_and_the_first_goes_on(house: House) -> None:
    async with running(house) as process:
        code, said = await program("-c", str(house.config()), cwd=house.folder)
        assert code == 1 and "Another process of this service uses the same database." in said
        code, _ = await ask(house, "sync")
        assert code == 0 and process.running
