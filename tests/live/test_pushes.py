"""The mirror under bad weather: restarts of the homeserver, failed commits, repeated and shuffled pushes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.domain.model import ActualRoom, CourseId, Membership, RoomId, UserId
from moodle_appservice.service import Service
from tests.live.homeserver import People, SynapseFactory, write_registration
from tests.live.house import House, small_university, until


@pytest.fixture
async def own_house(synapse_factory: SynapseFactory, tmp_path: Path) -> AsyncIterator[House]:
    """A house on a homeserver of its own, which the test may restart."""
    seat = write_registration(tmp_path, "own")
    synapse: EmbeddedSynapse = await synapse_factory(registrations=[seat.path])
    async with SandboxMoodle(small_university()) as moodle:
        house = House(synapse, seat, moodle, tmp_path)
        yield house
        await house.stop()


async def mirrored(service: Service, room_id: str) -> ActualRoom:
    room = await service.store.mirror.room(RoomId(room_id))
    assert room is not None
    return room


async def membership(service: Service, room_id: str, user_id: str) -> Membership:
    member = (await mirrored(service, room_id)).members.get(UserId(user_id))
    return member.membership if member else Membership.NONE


async def same_as_homeserver(house: House, service: Service, course: int) -> bool:
    """Whether the mirror of a course's room is what the homeserver has, members and managed state."""
    room = await mirrored(service, await house.room_of(course))
    state = await house.state(course)
    members = {
        key: content["membership"] for (kind, key), content in state.items() if kind == "m.room.member"
    }
    if {user: member.membership for user, member in room.members.items()} != members:
        return False
    return all(
        room.content(kind, key) == state.get((kind, key))
        for kind, key in room.state
        if kind != "m.room.create"
    )


async def test_the_mirror_equals_the_homeserver_after_a_first_sync(house: House) -> None:
    service = await house.start()
    await house.sync()

    async def both() -> bool:
        return all([await same_as_homeserver(house, service, course) for course in (2, 3)])

    await until(both, "the mirror has both rooms")


async def test_events_that_happen_while_the_service_is_down_are_known_before_its_first_write(
    house: House, people: People
) -> None:
    anna = await people.register(house.synapse, "anna")
    university = house.moodle.university
    student = university.add_person(anna.localpart, "Anna", "Arnold")
    university.enrol(student.id, 2, "student")
    await house.start()
    await house.sync()
    await house.stop()
    client = await people.client(house.synapse, anna)
    room_id = await house.room_of(2)
    await client.join(room_id)
    await client.room_leave(room_id)
    service = await house.start()
    mark = house.synapse.mark()
    await house.sync()
    assert await membership(service, room_id, anna.user_id) is Membership.LEAVE
    assert not [request for request in house.sent_since(mark) if request.path.endswith("/invite")]


async def test_who_refuses_an_invite_is_told_from_who_leaves_again(house: House, people: People) -> None:
    university = house.moodle.university
    refuser, leaver = [await people.register(house.synapse, name) for name in ("refuser", "leaver")]
    for account in (refuser, leaver):
        university.enrol(university.add_person(account.localpart, "Anna", "Arnold").id, 2, "student")
    service = await house.start()
    await house.sync()
    room_id = await house.room_of(2)
    await (await people.client(house.synapse, leaver)).join(room_id)
    for account in (refuser, leaver):
        await (await people.client(house.synapse, account)).room_leave(room_id)

    async def both_are_told() -> bool:
        status = await service.operations.status(CourseId(2))
        return status is not None and (status.declined, status.left) == (1, 1)

    await until(both_are_told, "the status counts one who declined and one who left")
    # A full read of the room, which does not tell what was before, forgets nothing.
    await service.store.mirror.mark_stale()
    await house.sync(2)
    assert await both_are_told()


async def test_no_event_is_missed_when_the_homeserver_restarts_while_the_service_stays_up(
    own_house: House, people: People
) -> None:
    house = own_house
    anna = await people.register(house.synapse, "anna")
    student = house.moodle.university.add_person(anna.localpart, "Anna", "Arnold")
    house.moodle.university.enrol(student.id, 2, "student")
    service = await house.start()
    await house.sync()
    room_id = await house.room_of(2)
    await house.synapse.restart()
    client = await people.client(house.synapse, anna)
    await client.join(room_id)

    async def joined() -> bool:
        return await membership(service, room_id, anna.user_id) is Membership.JOIN

    await until(joined, "the join is in the mirror")
    await house.synapse.restart()
    await client.room_leave(room_id)

    async def left() -> bool:
        return await membership(service, room_id, anna.user_id) is Membership.LEAVE

    await until(left, "the leave is in the mirror")
    assert (await house.sync()).failures == {}


async def test_a_push_whose_commit_fails_is_pushed_again_and_nothing_is_written_until_then(
    house: House, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await people.register(house.synapse, "anna")
    student = house.moodle.university.add_person(anna.localpart, "Anna", "Arnold")
    house.moodle.university.enrol(student.id, 2, "student")
    service = await house.start()
    await house.sync()
    room_id = await house.room_of(2)
    refused = asyncio.Event()
    take_in = service.store.mirror.take_in

    async def fails_once(events: Any) -> Any:
        monkeypatch.setattr(service.store.mirror, "take_in", take_in)
        refused.set()
        raise OSError("database or disk is full")

    monkeypatch.setattr(service.store.mirror, "take_in", fails_once)
    client = await people.client(house.synapse, anna)
    await client.join(room_id)
    async with asyncio.timeout(60):
        await refused.wait()
    house.moodle.university.courses[2].fullname = "Another name"
    # The gate asks the homeserver to push again and waits for it before anything is written.
    assert (await house.sync()).failures == {}
    assert await membership(service, room_id, anna.user_id) is Membership.JOIN
    assert (await house.state(2))["m.room.name", ""] == {"name": "C1: Another name"}


class Tap:
    """Listens to what the homeserver pushes, to push it once more."""

    def __init__(self, service: Service) -> None:
        self.events: list[Any] = []
        self._sink = service.pushed

    async def __call__(self, events: Any) -> None:
        self.events.extend(events)
        await self._sink(events)


async def test_repeated_and_shuffled_pushes_change_nothing(house: House, people: People) -> None:
    anna = await people.register(house.synapse, "anna")
    student = house.moodle.university.add_person(anna.localpart, "Anna", "Arnold")
    house.moodle.university.enrol(student.id, 2, "student")
    service = house.service()
    house.running = service
    tap: list[Tap] = []
    build = service.build

    def build_with_tap() -> None:
        build()
        tap.append(Tap(service))
        service.pushed = tap[0]  # type: ignore[assignment]

    service.build = build_with_tap  # type: ignore[method-assign]
    await service.start(timer=False)
    await house.sync()
    client = await people.client(house.synapse, anna)
    room_id = await house.room_of(2)
    await client.join(room_id)
    await client.room_leave(room_id)
    await house.ask("POST", f"/_matrix/client/v3/rooms/{room_id}/invite", body={"user_id": anna.user_id})
    await client.join(room_id)
    await client.room_leave(room_id)

    async def settled() -> bool:
        return await same_as_homeserver(house, service, 2)

    await until(settled, "the mirror has everything")
    before = await mirrored(service, room_id)
    randomly = random.Random(7)
    for _ in range(20):
        batch = randomly.sample(tap[0].events, k=len(tap[0].events))
        await service.store.mirror.take_in(batch)
        await service.store.mirror.take_in(batch[: len(batch) // 2])
    assert await mirrored(service, room_id) == before
    assert not await service.store.mirror.is_stale(RoomId(room_id))


async def test_a_restored_homeserver_is_noticed_and_its_rooms_are_read_again(house: House) -> None:
    service = await house.start()
    await house.sync()
    room_id = await house.room_of(2)

    async def all_is_pushed() -> bool:
        return not await service.store.mirror.unconfirmed(before=time.time() + 60)

    # What is pushed after the kick would be newer than what is lost.
    await until(all_is_pushed, "every invite is pushed back")
    # What a restore looks like: of what the homeserver has pushed of ours it does not have the last, a kick.
    path = f"/_matrix/client/v3/rooms/{quote(room_id)}/state/m.room.member/{quote(house.mxid('s1'))}"
    invite = await house.ask("GET", f"{path}?format=event")
    kick = {
        **invite,
        "room_id": room_id,
        "event_id": "$lost",
        "content": {"membership": "leave"},
        "origin_server_ts": invite["origin_server_ts"] + 1,
        "unsigned": {"replaces_state": invite["event_id"], "prev_content": invite["content"]},
    }
    address = f"http://127.0.0.1:{house.seat.port}/_matrix/app/v1/transactions/restored"
    headers = {"Authorization": f"Bearer {house.seat.hs_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.put(address, json={"events": [kick]}) as answer,
    ):
        assert answer.status == 200
    mark = house.synapse.mark()
    assert (await house.sync()).failures == {}
    reads = [request for request in house.sent_since(mark) if request.path.endswith("/state")]
    assert len(reads) == 2, "each of the two rooms is read once"
    assert not await service.store.mirror.is_stale(RoomId(room_id))
    assert await membership(service, room_id, house.mxid("s1")) is Membership.INVITE


async def test_the_door_for_pushes_takes_the_token_from_the_header_only(house: House) -> None:
    await house.start()
    address = f"http://127.0.0.1:{house.seat.port}/_matrix/app/v1/transactions/1"
    async with aiohttp.ClientSession() as session:
        for headers, params, status in (
            ({}, {"access_token": house.seat.hs_token}, 401),
            ({"Authorization": "Bearer wrong"}, {}, 403),
            ({"Authorization": f"Bearer {house.seat.hs_token}"}, {}, 200),
        ):
            async with session.put(address, headers=headers, params=params, json={"events": []}) as answer:
                assert answer.status == status
