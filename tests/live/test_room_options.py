"""What an administrator can say about new rooms, as a real Synapse makes them; and one that encrypts by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.domain.model import CourseId
from tests.live.homeserver import People, SynapseFactory, write_registration
from tests.live.house import House, small_university, until

COURSE = CourseId(2)


async def has_level(house: House, user: str, level: int) -> bool:
    """After one more sync."""
    await house.sync(COURSE)
    power = (await house.state(COURSE))["m.room.power_levels", ""]
    return bool(power["users"].get(user) == level)


async def test_a_room_is_made_with_everything_that_was_said_about_it(house: House, people: People) -> None:
    dean = await people.register(house.synapse, "dean")
    watch = await people.register(house.synapse, "watch")
    house.overrides["rooms"] = {
        "existing_courses": True,
        "version": "12",
        "history_visibility": "invited",
        "federate": False,
        "calls": "staff",
        "members_may_invite": True,
        "retention": "400 days",
        "encryption": True,
        "additional_creators": [dean.user_id],
        "extra_members": {watch.user_id: 50},
        "kinds": {"main": {"topic": "About {fullname}", "powers": {"redact": 60}, "levels": {"teacher": 55}}},
    }
    university = house.moodle.university
    university.enrol(university.add_person(dean.localpart, "Dea", "N").id, COURSE, "editingteacher")
    await house.start()
    report = await house.sync(COURSE)
    assert (report.failures, report.held) == ({}, ())
    state = await house.state(COURSE)
    create: Mapping[str, Any] = state["m.room.create", ""]
    assert (create["room_version"], create["m.federate"]) == ("12", False)
    assert create["additional_creators"] == [dean.user_id]
    assert state["m.room.history_visibility", ""] == {"history_visibility": "invited"}
    assert state["m.room.retention", ""] == {"max_lifetime": 400 * 86_400_000}
    assert state["m.room.encryption", ""] == {"algorithm": "m.megolm.v1.aes-sha2"}
    assert state["m.room.topic", ""]["topic"] == "About Course number 1"
    power = state["m.room.power_levels", ""]
    assert (power["invite"], power["redact"], power["events"]["m.call.member"]) == (0, 60, 50)
    assert power["users"] == {house.mxid("t1"): 60}, "a creator stands in no list of levels"
    (bridge,) = (content for (kind, _), content in state.items() if kind == "m.bridge")
    assert bridge["channel"]["external_url"].endswith(f"/course/view.php?id={COURSE}")

    room_id = await house.room_of(COURSE)
    await house.ask("POST", f"/_matrix/client/v3/rooms/{room_id}/invite", body={"user_id": watch.user_id})
    await until(lambda: has_level(house, watch.user_id, 50), "who is extra gets the level")
    assert (await house.members(COURSE))[watch.user_id] == "invite"
    mark = house.synapse.mark()
    await house.sync(COURSE)
    assert house.sent_since(mark) == []


async def test_a_homeserver_that_encrypts_by_itself_is_reported_and_people_are_managed_all_the_same(
    synapse_factory: SynapseFactory, tmp_path: Path
) -> None:
    seat = write_registration(tmp_path, "forced")
    synapse = await synapse_factory(
        registrations=[seat.path], settings={"encryption_enabled_by_default_for_room_type": "all"}
    )
    async with SandboxMoodle(small_university()) as moodle:
        house = House(synapse, seat, moodle, tmp_path)
        service = await house.start()
        try:
            report = await house.sync(COURSE)
            assert report.failures == {}
            assert ("m.room.encryption", "") in await house.state(COURSE)
            assert (await house.members(COURSE))[house.mxid("s1")] == "invite"
            prepared = await service.planner.prepare(COURSE, not_older_than=0)
            assert [note.kind for note in prepared.main.plan.notes] == ["encrypted"]
            assert prepared.steps == ()
        finally:
            await house.stop()
