"""Spaces above courses at a real homeserver: made, in order, followed through renames, moves and deletions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from moodle_appservice.domain.model import Membership, RoomId, UserId
from moodle_appservice.ports import SITE
from tests.live.homeserver import People
from tests.live.house import House, until

VERSIONS = pytest.mark.parametrize("version", ["11", "12"])


async def campus(house: House, version: str = "12") -> None:
    """Two faculties, the second with an institute below it; a course in each. The service is started and done."""
    university = house.moodle.university
    university.add_category("Arts & Crafts", id=10)
    university.add_category("Music", 10, id=11)
    university.courses[3].category, university.courses[3].sortorder = 11, 30_001
    university.add_course("C3", "Course number 3", 10, id=20)
    house.overrides["rooms"] = {"version": version, "existing_courses": True}
    house.overrides["spaces"] = {"site": True, "categories": "all"}
    await house.start()
    report = await house.sync()
    assert report.failures == {}


async def space(house: House, name: str) -> str:
    """The id of the space behind an alias: `space` or `category_<id>`."""
    alias = quote(f"#moodle_{house.seat.site}_{name}:{house.synapse.server_name}")
    answer = await house.ask("GET", f"/_matrix/client/v3/directory/room/{alias}")
    return str(answer["room_id"])


async def tree(house: House, name: str = "space", *, token: str | None = None) -> list[tuple[int, str]]:
    """What `/hierarchy` shows, to the bot or to a person: depth and name, in the order in which clients show it."""
    top = await space(house, name)
    path = f"/_matrix/client/v1/rooms/{quote(top)}/hierarchy"
    answer = await house.ask("GET", path, token=token)
    rooms = {room["room_id"]: room for room in answer["rooms"]}

    def below(room_id: str, depth: int) -> list[tuple[int, str]]:
        room = rooms[room_id]
        children = sorted(room["children_state"], key=lambda event: event["content"].get("order", "~"))
        found = [(depth, room["name"])]
        for event in children:
            if event["state_key"] in rooms:
                found += below(event["state_key"], depth + 1)
        return found

    return below(top, 0)


async def parents(house: House, room_id: str) -> list[str]:
    """The canonical parents of a room at the homeserver."""
    events = await house.ask("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/state")
    return [
        event["state_key"]
        for event in events
        if event["type"] == "m.space.parent" and event["content"].get("canonical")
    ]


@VERSIONS
async def test_the_tree_of_moodle_is_seen_in_the_hierarchy_in_its_order(house: House, version: str) -> None:
    await campus(house, version)
    assert await tree(house) == [
        (0, "Sandbox University"),
        (1, "Department"),
        (2, "C1: Course number 1"),
        (1, "Arts & Crafts"),
        (2, "C3: Course number 3"),
        (2, "Music"),
        (3, "C2: Course number 2"),
    ]
    music = await space(house, "category_11")
    created = await house.ask("GET", f"/_matrix/client/v3/rooms/{quote(music)}/state/m.room.create")
    assert (created["type"], created["room_version"]) == ("m.space", version)
    assert await parents(house, await house.room_of(3)) == [music]
    assert await parents(house, music) == [await space(house, "category_10")]
    mark = house.synapse.mark()
    report = await house.sync()
    assert (report.failures, house.sent_since(mark)) == ({}, []), "a second pass asks for nothing"


@VERSIONS
async def test_renames_moves_and_another_order_are_followed(house: House, version: str) -> None:
    await campus(house, version)
    university = house.moodle.university
    university.categories[10].name = "Fine Arts"
    university.courses[2].category, university.courses[2].sortorder = 11, 30_000
    mark = house.synapse.mark()
    assert (await house.sync()).failures == {}
    assert await tree(house) == [
        (0, "Sandbox University"),
        (1, "Fine Arts"),
        (2, "C3: Course number 3"),
        (2, "Music"),
        (3, "C1: Course number 1"),
        (3, "C2: Course number 2"),
    ]
    assert await parents(house, await house.room_of(2)) == [await space(house, "category_11")]
    department = await space(house, "category_2")
    assert await tree(house, "category_2") == [(0, "Department")]
    assert await parents(house, department) == []
    written = [request for request in house.sent_since(mark) if request.method == "PUT"]
    # The name, two topics, out of and into a space, both parents, and the empty space: out, without a parent, shut.
    assert len([one for one in written if "canary" not in one.path]) <= 10, written
    # Back again: the old space is used again.
    university.courses[2].category, university.courses[2].sortorder = 2, 10_001
    assert (await house.sync()).failures == {}
    assert (await tree(house))[1:3] == [(1, "Department"), (2, "C1: Course number 1")]
    assert await space(house, "category_2") == department


async def test_a_deleted_category_leaves_an_empty_space_and_a_new_one_gets_a_new_space(house: House) -> None:
    await campus(house)
    old = await space(house, "category_11")
    university = house.moodle.university
    del university.categories[11]
    university.add_category("Music", 10, id=12)
    university.courses[3].category = 12
    assert (await house.sync()).failures == {}
    assert await tree(house, "category_11") == [(0, "Music")]
    assert await parents(house, old) == []
    assert (await tree(house))[-2:] == [(2, "Music"), (3, "C2: Course number 2")]
    assert await parents(house, await house.room_of(3)) == [await space(house, "category_12")]


async def test_a_student_is_invited_once_and_joins_the_categories_alone(house: House, people: People) -> None:
    account = await people.register(house.synapse, "stu")
    university = house.moodle.university
    person = university.add_person(account.localpart, "Stu", "Dent")
    university.enrol(person.id, 3, "student")
    await campus(house)
    client = await people.client(house.synapse, account)
    top = await space(house, "space")
    invites = f"/rooms/{quote(top)}/invite"
    mark = house.synapse.mark()
    await client.join(await house.room_of(3))

    async def invited() -> bool:
        assert house.running is not None
        await house.running.queue.add(SITE)
        await house.running.queue.idle()
        return membership(await members(house, top), account.user_id) == "invite"

    await until(invited, "the student is invited to the space of the site")
    await client.join(top)
    joined: Any = await client.join(await space(house, "category_11"))
    assert getattr(joined, "room_id", "") == await space(house, "category_11"), joined
    assert await tree(house, token=account.access_token) == [
        (0, "Sandbox University"),
        (1, "Department"),
        (1, "Arts & Crafts"),
        (2, "Music"),
        (3, "C2: Course number 2"),
    ], "of courses only the own one is shown"
    await client.room_leave(top)
    assert (await house.sync()).failures == {}
    assert (await house.sync()).failures == {}
    assert membership(await members(house, top), account.user_id) == "leave"
    sent = [one for one in house.sent_since(mark) if one.path.endswith(invites) or invites in one.path]
    assert len(sent) == 1, sent


async def test_who_is_suspended_goes_from_the_site_and_from_the_categories(
    house: House, people: People
) -> None:
    account = await people.register(house.synapse, "stu")
    university = house.moodle.university
    person = university.add_person(account.localpart, "Stu", "Dent")
    university.enrol(person.id, 3, "student")
    await campus(house)
    client = await people.client(house.synapse, account)
    top, music = await space(house, "space"), await space(house, "category_11")
    await client.join(await house.room_of(3))
    await until(lambda: is_joined(house, 3, account.user_id), "the push of the join")
    assert (await house.sync()).failures == {}
    await client.join(top)
    await client.join(music)
    university.people[person.id].suspended = True

    async def gone() -> bool:
        await house.sync()
        states = [membership(await members(house, room_id), account.user_id) for room_id in (top, music)]
        return states == ["leave", "leave"]

    await until(gone, "the suspended student is out of both spaces")


async def members(house: House, room_id: str) -> list[Any]:
    answer = await house.ask("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/members")
    return list(answer["chunk"])


def membership(events: list[Any], user_id: str) -> str:
    found = [event["content"]["membership"] for event in events if event["state_key"] == user_id]
    return str(found[0]) if found else ""


async def is_joined(house: House, course: int, user_id: str) -> bool:
    """Whether the service knows of the join."""
    assert house.running is not None
    room = await house.running.store.mirror.room(RoomId(await house.room_of(course)))
    member = room.members.get(UserId(user_id)) if room is not None else None
    return member is not None and member.membership is Membership.JOIN
