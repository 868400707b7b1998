"""Somebody who knows nothing of us finds an invite in Hydrogen, accepts it, reads and writes."""

from __future__ import annotations

import nio
import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from tests.browser.chromium import Chromium
from tests.browser.hydrogen_user import HydrogenUser
from tests.browser.page import DESKTOP, PHONE, Viewport
from tests.live.homeserver import People


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=lambda viewport: viewport.name)
async def test_invite_is_found_accepted_and_the_room_is_used(
    synapse: EmbeddedSynapse, people: People, browser: Chromium, hydrogen_url: str, viewport: Viewport
) -> None:
    teacher = await people.register(synapse, "teacher", "Tessa Teacher")
    student = await people.register(synapse, "student", "Stu Dent")
    hers = await people.client(synapse, teacher)
    room = f"Algebra I ({viewport.name})"
    made = await hers.room_create(name=room, invite=[student.user_id])
    assert isinstance(made, nio.RoomCreateResponse)
    await hers.room_send(made.room_id, "m.room.message", {"msgtype": "m.text", "body": "Welcome, all!"})

    user = HydrogenUser(await browser.page(viewport), hydrogen_url)
    await user.log_in(student.localpart, student.password)
    await user.see_invite(room)
    await user.screenshot("invite-listed")
    await user.open_room(room)
    await user.screenshot("invite-open")
    await user.accept_invite()
    members = await hers.joined_members(made.room_id)
    assert student.user_id in {member.user_id for member in members.members}

    await hers.room_send(made.room_id, "m.room.message", {"msgtype": "m.text", "body": "Good morning"})
    await user.see_message("Good morning")
    await user.send_message("Good morning, Tessa")
    await user.screenshot("room-joined")
    history = await hers.room_messages(made.room_id, limit=5)
    assert "Good morning, Tessa" in [getattr(event, "body", None) for event in history.chunk]
