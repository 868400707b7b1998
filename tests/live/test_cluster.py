"""Several processes on one PostgreSQL with a real Synapse: they share the work and go on when one is killed."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg

from tests.live.fleet import Fleet
from tests.live.house import House, until


async def test_processes_that_start_at_once_on_an_empty_database_share_one_first_sync(
    house: House, postgres_url: str, tmp_path: Path
) -> None:
    async with Fleet(house, tmp_path, postgres_url, "a", "b", "c") as fleet:
        await fleet.start()
        report = await fleet.all[0].ask("sync")
        assert report["failures"] == [], [one.told() for one in fleet.all]
        assert not [one for one in fleet.all if "makes the control room" in one.told()], (
            "somebody had to wait"
        )
        for course in (2, 3):
            assert len(await house.members(course)) == 4
        joined = (await house.ask("GET", "/_matrix/client/v3/joined_rooms"))["joined_rooms"]
        assert len(joined) == 3, "two rooms and the control room, each made once"


async def test_each_process_answers_whatever_process_reads_and_takes_pushes_for_all(
    house: House, postgres_url: str, tmp_path: Path
) -> None:
    async with Fleet(house, tmp_path, postgres_url, "a", "b") as fleet:
        await fleet.start()
        for one in fleet.all:
            assert (await one.ask("sync"))["failures"] == []
        university = house.moodle.university
        new = university.add_person("new", "New", "Comer").id
        university.enrol(new, 2, "student")
        # The one that does not read has the other one read.
        reader = next(one for one in fleet.all if "reads Moodle for all" in one.told())
        other = next(one for one in fleet.all if one is not reader)
        assert (await other.ask("sync", course=2))["failures"] == []
        assert (await house.members(2))[house.mxid("new")] == "invite"
        # Whom the homeserver pushes to is the gateway's choice; here each of them gets a push of its own.
        room_id = await house.room_of(2)
        people = {"s1": fleet.all[0], "s2": fleet.all[1]}
        for localpart, one in people.items():
            await push_join(house, one.port, room_id, house.mxid(localpart))
        connection = await asyncpg.connect(postgres_url)
        try:
            query = "SELECT user_id FROM mirror_member WHERE room_id = $1 AND membership = 'join' AND user_id <> $2"
            joined = await connection.fetch(query, room_id, house.seat.sender)
        finally:
            await connection.close()
        assert {row["user_id"] for row in joined} == {house.mxid(localpart) for localpart in people}


async def push_join(house: House, port: int, room_id: str, user: str) -> None:
    """Push to one process, as the homeserver would, that an invited person has joined."""
    path = f"/_matrix/client/v3/rooms/{quote(room_id)}/state/m.room.member/{quote(user)}"
    invite = await house.ask("GET", f"{path}?format=event")
    join = {
        **invite,
        "room_id": room_id,
        "event_id": f"$join-of-{user}",
        "sender": user,
        "content": {"membership": "join"},
        "origin_server_ts": invite["origin_server_ts"] + 1,
        "unsigned": {"replaces_state": invite["event_id"], "prev_content": invite["content"]},
    }
    headers = {"Authorization": f"Bearer {house.seat.hs_token}"}
    address = f"http://127.0.0.1:{port}/_matrix/app/v1/transactions/{quote(user)}"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(address, json={"events": [join]}) as answer,
    ):
        assert answer.status == 200


async def test_when_the_reader_is_killed_in_a_first_sync_the_other_process_goes_on_within_a_minute(
    house: House, postgres_url: str, tmp_path: Path
) -> None:
    async with Fleet(house, tmp_path, postgres_url, "a", "b") as fleet:
        await fleet.start()
        assert (await fleet.all[0].ask("sync"))["failures"] == []
        university = house.moodle.university
        people = [university.add_person(f"n{number}", "New", f"Comer {number}").id for number in range(12)]
        for person in people:
            university.enrol(person, 2, "student")
        reader = next(one for one in fleet.all if "reads Moodle for all" in one.told())
        other = next(one for one in fleet.all if one is not reader)
        reader.signal(signal.SIGKILL)
        killed = time.monotonic()

        async def everybody() -> bool:
            return len(await house.members(2)) == 4 + len(people)

        report = await other.ask("sync")
        await until(everybody, "the other process invites them")
        assert time.monotonic() - killed < 60
        assert report["failures"] == []
