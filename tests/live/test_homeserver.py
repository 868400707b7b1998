"""The embedded homeserver keeps what `EmbeddedSynapse` promises, and the fixtures around it work."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nio
import psutil
import psycopg2
import pytest
from aiohttp import web

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.loopback import free_port
from moodle_appservice.errors import PermanentFailure, Unreachable
from tests.live.homeserver import People, Seat, SynapseFactory, write_registration


async def ask(
    synapse: EmbeddedSynapse, token: str, method: str, path: str, body: Any = None, **query: str
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, synapse.url + path, json=body, params=query) as answer,
    ):
        return answer.status, await answer.json()


async def register_as(synapse: EmbeddedSynapse, seat: Seat, localpart: str) -> None:
    body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
    status, told = await ask(synapse, seat.as_token, "POST", "/_matrix/client/v3/register", body)
    assert status == 200, told


@asynccontextmanager
async def listening_service(seat: Seat) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """An application service that takes every event and does nothing."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def transaction(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {seat.hs_token}"
        for event in (await request.json())["events"]:
            events.put_nowait(event)
        return web.json_response({})

    app = web.Application()
    app.router.add_put("/_matrix/app/v1/transactions/{id}", transaction)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", seat.port).start()
    try:
        yield events
    finally:
        await runner.cleanup()


async def test_administrator_and_accounts_are_there_and_names_are_kept(
    synapse: EmbeddedSynapse, people: People
) -> None:
    ann = await people.register(synapse, "ann", "Änn Ó.")
    status, told = await ask(synapse, synapse.admin_token, "GET", f"/_synapse/admin/v2/users/{ann.user_id}")
    assert (status, told["displayname"], told["admin"]) == (200, "Änn Ó.", False)
    with pytest.raises(PermanentFailure, match="M_USER_IN_USE"):
        await synapse.register(ann.localpart, "other")


async def test_two_clients_meet_in_a_room_of_synapses_default_version(
    synapse: EmbeddedSynapse, people: People
) -> None:
    ann, ben = await people.register(synapse, "ann"), await people.register(synapse, "ben")
    hers, his = await people.client(synapse, ann), await people.client(synapse, ben)
    made = await hers.room_create(name="Tea", invite=[ben.user_id])
    assert isinstance(made, nio.RoomCreateResponse)
    await his.sync(timeout=0)
    assert list(his.invited_rooms) == [made.room_id]
    assert isinstance(await his.join(made.room_id), nio.JoinResponse)
    await hers.sync(timeout=0, full_state=True)
    room = hers.rooms[made.room_id]
    assert (room.name, room.room_version) == ("Tea", "12")
    assert set(room.users) == {ann.user_id, ben.user_id}


async def test_a_seat_gets_the_events_of_its_room(synapse: EmbeddedSynapse, seat: Seat) -> None:
    await register_as(synapse, seat, seat.sender_localpart)
    async with listening_service(seat) as events:
        body = {"room_alias_name": f"{seat.prefix}course_1", "name": "Course"}
        status, told = await ask(synapse, seat.as_token, "POST", "/_matrix/client/v3/createRoom", body)
        assert status == 200, told
        first = await asyncio.wait_for(events.get(), 60)
    assert (first["type"], first["sender"]) == ("m.room.create", seat.sender)


async def test_requests_are_counted_by_who_sent_them_and_for_whom(
    synapse: EmbeddedSynapse, seat: Seat, people: People
) -> None:
    ann = await people.register(synapse, "ann")
    await register_as(synapse, seat, seat.sender_localpart)
    await register_as(synapse, seat, f"{seat.prefix}7")
    mark = synapse.mark()
    assert synapse.requests_by(seat.sender, mark) == []

    puppet = f"@{seat.prefix}7:{synapse.server_name}"
    whoami = "/_matrix/client/v3/account/whoami"
    await ask(synapse, seat.as_token, "GET", whoami)
    await ask(synapse, seat.as_token, "GET", whoami, user_id=puppet)
    await ask(synapse, ann.access_token, "PUT", f"/_matrix/client/v3/profile/{ann.user_id}/displayname", {})
    await ask(synapse, "nonsense", "GET", whoami)

    found = [(asked.method, asked.path, asked.status) for asked in synapse.requests_by(seat.sender, mark)]
    assert found == [("GET", whoami, 200)] * 2
    assert [asked.user for asked in synapse.requests_by(seat.sender, mark)] == [seat.sender, puppet]
    assert len(synapse.requests_by(puppet, mark)) == 1
    assert [(asked.method, asked.status) for asked in synapse.requests_by(ann.user_id, mark)] == [
        ("PUT", 400)
    ]
    assert [(asked.sender, asked.status) for asked in synapse.since(mark)][-1] == (None, 401)


async def test_an_answered_request_is_always_counted_already(
    synapse: EmbeddedSynapse, people: People
) -> None:
    ann = await people.register(synapse, "ann")
    for _ in range(5):
        mark = synapse.mark()
        asks = [ask(synapse, ann.access_token, "POST", "/_matrix/client/v3/createRoom", {}) for _ in range(2)]
        asks += [ask(synapse, ann.access_token, "GET", "/_matrix/client/v3/joined_rooms") for _ in range(8)]
        await asyncio.gather(*asks)
        assert len(synapse.requests_by(ann.user_id, mark)) == 10


async def test_restart_and_power_cut_keep_accounts_port_and_marks(
    synapse_factory: SynapseFactory, people: People
) -> None:
    synapse = await synapse_factory()
    ann = await people.register(synapse, "ann")
    port, pid, mark = synapse.port, synapse.pid, synapse.mark()
    assert synapse.cpu_seconds() > 0

    await synapse.restart()
    assert synapse.port == port
    assert synapse.pid != pid
    synapse.kill()
    assert not synapse.running
    assert not psutil.pid_exists(synapse.pid)
    await synapse.start()

    status, told = await ask(synapse, ann.access_token, "GET", "/_matrix/client/v3/account/whoami")
    assert (status, told["user_id"]) == (200, ann.user_id)
    assert len(synapse.requests_by(ann.user_id, mark)) == 1
    folder = synapse.folder
    await synapse.stop()
    assert not folder.exists()


async def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text('{"id": "broken"}')
    synapse = EmbeddedSynapse(registrations=[broken])
    try:
        with pytest.raises(Unreachable, match="as_token"):
            await synapse.start()
    finally:
        await synapse.stop()


async def test_rate_limits_are_off_unless_asked_for(
    synapse_factory: SynapseFactory, tmp_path: Path, people: People
) -> None:
    seat = write_registration(tmp_path, "slow", rate_limited=True)
    synapse = await synapse_factory(registrations=[seat.path], rate_limits=True)
    await register_as(synapse, seat, seat.sender_localpart)
    create = "/_matrix/client/v3/createRoom"
    told = [await ask(synapse, seat.as_token, "POST", create, {}) for _ in range(15)]
    refused = [body for status, body in told if status == 429]
    assert refused
    assert refused[0]["retry_after_ms"] > 0


async def test_synapse_runs_on_postgresql(
    synapse_factory: SynapseFactory, postgres_url: str, people: People
) -> None:
    synapse = await synapse_factory(postgres_url=postgres_url)
    ann = await people.register(synapse, "ann")
    connection = psycopg2.connect(postgres_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM users WHERE admin = 0")
        assert cursor.fetchall() == [(ann.user_id,)]
    connection.close()
    assert not (synapse.folder / "homeserver.db").exists()
    await synapse.stop()


async def test_each_test_has_an_empty_database(postgres_url: str) -> None:
    connection = psycopg2.connect(postgres_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
    connection.close()


_STARTS_AND_WAITS = """
import asyncio
from moodle_appservice.demo.homeserver import EmbeddedSynapse

async def main():
    synapse = EmbeddedSynapse()
    await synapse.start()
    print(synapse.pid, synapse.folder, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_homeserver_ends_with_the_program_that_started_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _STARTS_AND_WAITS], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid, folder = (await asyncio.to_thread(parent.stdout.readline)).split()
    synapse = psutil.Process(int(pid))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while synapse.is_running() and synapse.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert not synapse.is_running() or synapse.status() == psutil.STATUS_ZOMBIE
    shutil.rmtree(folder)


def test_a_free_port_is_given_once_and_can_be_listened_on() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
