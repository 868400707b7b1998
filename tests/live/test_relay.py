"""Announcements and dates on a real homeserver, read by a client that we did not write."""

from __future__ import annotations

import time
from typing import Any

import nio
import pytest

from moodle_appservice.demo.sandbox.activities import Enclosure
from moodle_appservice.engine.relay import Relay
from moodle_appservice.service import Service
from tests.live.homeserver import People
from tests.live.house import House

HOUR = 3600


def relaying(house: House, **relay: Any) -> None:
    """The relay is on, at any hour of the day; its reader has an account of its own."""
    reader = house.moodle.add_reader()
    house.overrides["moodle"] = {
        "url": house.moodle.url,
        "token": house.moodle.token,
        "content_token": reader.token,
        "interval": 3600,
    }
    house.overrides["relay"] = {"site": True, "hours": "0-24"} | relay


async def enrolled(house: House, people: People) -> nio.AsyncClient:
    """A student of course 2 with an account and a client."""
    account = await people.register(house.synapse, "student")
    person = house.moodle.university.add_person(account.localpart, "Stu", "Dent")
    house.moodle.university.enrol(person.id, 2, "student")
    return await people.client(house.synapse, account)


async def begun(house: House) -> tuple[Service, Relay]:
    """The service after its first pass and the first look of the relay."""
    service = await house.start()
    await house.sync()
    relay = service.relaying.relay
    assert relay is not None
    await relay.cycle()
    return service, relay


async def read(client: nio.AsyncClient, room_id: str) -> list[dict[str, Any]]:
    """The messages of a room as a client has them, the oldest first; redacted ones without content."""
    answer = await client.room_messages(room_id, "", limit=100)
    assert isinstance(answer, nio.RoomMessagesResponse), answer
    events = [event.source for event in reversed(answer.chunk)]
    return [event for event in events if event["type"] == "m.room.message"]


@pytest.mark.parametrize("mode", ["map-only", "virtual"])
async def test_a_post_is_a_message_an_edit_and_a_redaction_and_never_twice(
    house: House, people: People, mode: str
) -> None:
    relaying(house)
    house.overrides["accounts"] = {"mode": mode}
    client = await enrolled(house, people)
    service, relay = await begun(house)
    await service.queue.idle()
    await house.sync()
    await service.queue.idle()
    room_id = await house.room_of(2)
    await client.join(room_id)
    university, shelf = house.moodle.university, house.moodle.activities
    teacher = next(one for one in university.people.values() if one.username == "t1")
    post = shelf.announce(2, teacher.id, "Exam & room", "<p>On <b>Monday</b>, @room</p><script>x</script>")
    await relay.cycle()
    (message,) = await read(client, room_id)
    content = message["content"]
    assert content["body"].startswith("Exam & room\n") and "On Monday" in content["body"]
    assert "@room" not in content["body"] and content["m.mentions"] == {}
    assert "<b>Monday</b>" in content["formatted_body"] and "script" not in content["formatted_body"]
    assert f"/mod/forum/discuss.php?d={post.id}" in content["formatted_body"]
    is_virtual = message["sender"] != house.seat.sender
    assert is_virtual is (mode == "virtual")
    assert ("Tea Cher 1" in content["body"]) is not is_virtual

    await house.stop()
    service, relay = await begun(house)
    await service.store.db.execute("DELETE FROM relay_post")
    await relay.cycle()
    await relay.cycle()
    assert [
        one["event_id"] for one in await read(client, room_id) if "m.new_content" not in one["content"]
    ] == [message["event_id"]]

    shelf.edit(post.id, message="<p>On <b>Tuesday</b></p>")
    await relay.cycle()
    edit = (await read(client, room_id))[-1]
    assert edit["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": message["event_id"]}
    assert "<b>Tuesday</b>" in edit["content"]["m.new_content"]["formatted_body"]
    assert edit["sender"] == message["sender"]

    shelf.delete(post.id)
    await relay.cycle()
    first = (await read(client, room_id))[0]
    assert first["event_id"] == message["event_id"] and first["content"] == {}
    assert "redacted_because" in first["unsigned"]
    await relay.cycle()
    assert (await read(client, room_id))[-1]["event_id"] in {edit["event_id"], message["event_id"]}


async def test_files_go_into_the_homeserver_s_media_where_that_is_switched_on(
    house: House, people: People
) -> None:
    relaying(house, upload={"enabled": True, "types": ["image/png", "text/plain"]})
    house.overrides["accounts"] = {"mode": "map-only"}
    reader = house.moodle.site.reader
    assert reader is not None
    reader.service.downloadfiles = 1
    client = await enrolled(house, people)
    _, relay = await begun(house)
    room_id = await house.room_of(2)
    await client.join(room_id)
    teacher = next(one for one in house.moodle.university.people.values() if one.username == "t1")
    files = [
        Enclosure("plan.png", "image/png", b"\x89PNG\r\n\x1a\nplan", "f/image", inline=True),
        Enclosure("sheet 1.txt", "text/plain", b"Exercise", "f/text"),
    ]
    html = '<p><img src="@@PLUGINFILE@@/plan.png" alt="plan"></p>'
    post = house.moodle.activities.announce(2, teacher.id, "Sheet", html, files=files)
    await relay.cycle()
    text, file = await read(client, room_id)
    assert '<img src="mxc://' in text["content"]["formatted_body"]
    assert (file["content"]["msgtype"], file["content"]["body"]) == ("m.file", "sheet 1.txt")
    downloaded = await client.download(file["content"]["url"])
    assert isinstance(downloaded, nio.MemoryDownloadResponse) and downloaded.body == b"Exercise"
    house.moodle.activities.delete(post.id)
    await relay.cycle()
    assert [one["content"] for one in await read(client, room_id)] == [{}, {}]


async def test_dates_are_a_notice_that_is_edited_and_withdrawn(house: House, people: People) -> None:
    relaying(house, dates_interval=5)
    house.overrides["accounts"] = {"mode": "map-only"}
    house.moodle.site.timezone = "Europe/Berlin"
    client = await enrolled(house, people)
    due = int(time.time()) + 20 * HOUR
    sheet = house.moodle.activities.add(2, "assign", "Sheet 1", dates={"duedate": due})
    only = house.moodle.activities.add(
        2, "assign", "For one group", dates={"duedate": due}, groups=frozenset({1})
    )
    _, relay = await begun(house)
    room_id = await house.room_of(2)
    await client.join(room_id)
    (message,) = await read(client, room_id)
    assert message["content"]["msgtype"] == "m.notice"
    assert "Sheet 1 is due" in message["content"]["body"] and only.name not in message["content"]["body"]
    assert "times in Europe/Berlin" in message["content"]["body"]
    sheet.dates["duedate"] = due + 24 * HOUR
    relay._dates_at = 0.0
    await relay.cycle()
    edit = (await read(client, room_id))[-1]["content"]["m.new_content"]["body"]
    assert "(moved from" in edit
    house.moodle.activities.remove(sheet.id)
    relay._dates_at = 0.0
    await relay.cycle()
    assert (await read(client, room_id))[0]["content"] == {}


async def test_a_reader_that_sees_too_much_relays_nothing_and_memberships_go_on(house: House) -> None:
    relaying(house)
    reader = house.moodle.site.reader
    assert reader is not None
    reader.rights.grant("moodle/course:viewhiddencourses")
    house.moodle.university.hide_course(3)
    service, relay = await begun(house)
    teacher = next(one for one in house.moodle.university.people.values() if one.username == "t1")
    house.moodle.activities.announce(2, teacher.id, "Exam", "<p>Monday</p>")
    await relay.cycle()
    assert "viewhiddencourses" in relay.refusal
    assert await service.store.db.fetch("SELECT * FROM relay_post") == []
    assert len(await house.members(2)) == 4
