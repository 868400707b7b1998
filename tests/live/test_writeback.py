"""Matrix ids in people's Moodle profiles: written by a running service, and never taken for a statement."""

from __future__ import annotations

from moodle_appservice.demo.sandbox import rights
from moodle_appservice.domain.model import MoodleUserId, Trust
from tests.live.house import House


async def test_ids_are_written_into_profiles_and_are_no_source_afterwards(house: House) -> None:
    house.moodle.site.service.functions.append("core_user_update_users")
    house.moodle.rights.grant(rights.USER_UPDATE)
    house.overrides["moodle"] = {"write_matrix_id": True}
    house.overrides["identity"] = {
        **house.overrides.get("identity", {}),
        "profile_field": "matrixid",
        "profile_field_locked": True,
    }
    service = await house.start()
    await house.sync()
    await house.sync()
    people = {one.username: one for one in house.moodle.university.people.values()}
    student = people["s1"]
    assert student.profile == {"matrixid": house.mxid("s1")}
    before = house.moodle.calls["core_user_update_users"]
    # Whatever is looked at again, the person keeps the id by what it was found with.
    student.lastname = "Renamed"
    await house.sync()
    row = (await service.store.people.look_up([MoodleUserId(student.id)]))[MoodleUserId(student.id)]
    assert (row.resolution.matrix_id, row.resolution.trust) == (house.mxid("s1"), Trust.DERIVED)
    assert house.moodle.calls["core_user_update_users"] == before
