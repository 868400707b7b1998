"""Courses become rooms and enrolments become memberships, seen at a real homeserver."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.model import CourseId
from moodle_appservice.errors import Refused
from moodle_appservice.ports import SITE
from tests.live.house import House


async def test_a_first_sync_makes_one_room_a_course_and_invites_everybody(house: House) -> None:
    await house.start()
    report = await house.sync()
    assert (report.courses, report.failures, report.held) == (2, {}, ())
    assert await house.members(2) == {house.mxid(name): "invite" for name in ("t1", "s1", "s2", "s3")}
    state = await house.state(3)
    assert state["m.room.name", ""] == {"name": "C2: Course number 2"}
    assert "C2" in state["m.room.topic", ""]["topic"]
    assert "Course number 2" in state["m.room.topic", ""]["topic"]
    assert state["m.room.join_rules", ""] == {"join_rule": "invite"}
    assert state["m.room.guest_access", ""] == {"guest_access": "forbidden"}
    assert state["m.room.history_visibility", ""] == {"history_visibility": "shared"}
    assert state["org.moodle_appservice.marker", ""]["moodle_id"] == 3


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_a_room_of_each_version_has_the_power_levels_of_the_rules(house: House, version: str) -> None:
    house.overrides["rooms"] = {"version": version, "existing_courses": True}
    await house.start()
    await house.sync(2)
    state = await house.state(2)
    assert state["m.room.create", ""]["room_version"] == version
    power = state["m.room.power_levels", ""]
    bot = {} if version == "12" else {house.seat.sender: 100}
    assert power["users"] == {house.mxid("t1"): 60, **bot}
    assert power["events"]["m.room.power_levels"] == 100
    assert power["events"]["m.room.tombstone"] == (150 if version == "12" else 100)
    assert (power["invite"], power["kick"], power["ban"], power["state_default"]) == (50, 50, 50, 60)


async def test_a_second_pass_over_an_unchanged_site_sends_no_request_to_matrix(house: House) -> None:
    await house.start()
    await house.sync()
    mark = house.synapse.mark()
    report = await house.sync()
    assert report.failures == {}
    assert house.sent_since(mark) == []


async def test_a_restart_over_an_unchanged_site_writes_nothing_into_a_course_room(house: House) -> None:
    await house.start()
    await house.sync()
    await house.stop()
    mark = house.synapse.mark()
    await house.start()
    await house.sync()
    rooms = [
        request
        for request in house.sent_since(mark)
        if "/rooms/" in request.path or "createRoom" in request.path
    ]
    assert [request.method for request in rooms] == ["PUT"], rooms
    assert "canary" in rooms[0].path


async def test_an_enrolment_that_ends_removes_invited_and_joined_alike(house: House) -> None:
    service = await house.start()
    await house.sync()
    university = house.moodle.university
    people = {person.username: person.id for person in university.people.values()}
    university.unenrol(people["s1"], 2)
    university.people[people["s2"]].suspended = True
    mark = house.synapse.mark()
    report = await house.sync(2)
    assert report.failures == {}
    assert [request.path.rsplit("/", 1)[-1] for request in house.sent_since(mark)] == ["kick", "kick"]
    assert await house.members(2) == {
        house.mxid("t1"): "invite",
        house.mxid("s1"): "leave",
        house.mxid("s2"): "leave",
        house.mxid("s3"): "invite",
    }
    audit = await service.store.journal.audit(course_id=CourseId(2), limit=2)
    assert {line.why for line in audit} == {
        "No active enrolment in this course.",
        "The Moodle account is suspended.",
    }


async def test_changed_roles_cost_one_power_level_event(house: House) -> None:
    await house.start()
    await house.sync()
    university = house.moodle.university
    people = {person.username: person.id for person in university.people.values()}
    university.assign_role(people["s1"], 2, "teacher")
    university.assign_role(people["s2"], 2, "manager")
    mark = house.synapse.mark()
    await house.sync(2)
    assert len(house.sent_since(mark)) == 1
    power = (await house.state(2))["m.room.power_levels", ""]
    assert power["users"] == {house.mxid("t1"): 60, house.mxid("s1"): 50, house.mxid("s2"): 60}


async def test_a_rename_in_moodle_renames_the_room(house: House) -> None:
    await house.start()
    await house.sync()
    house.moodle.university.courses[2].fullname = "Algebra & <b>more</b>"
    await house.sync()
    state = await house.state(2)
    assert state["m.room.name", ""] == {"name": "C1: Algebra & more"}


async def test_many_removals_are_held_until_they_are_confirmed(house: House) -> None:
    university = house.moodle.university
    for number in range(8):
        person = university.add_person(f"x{number}", "X", str(number))
        university.enrol(person.id, 2, "student")
    await house.start()
    await house.sync()
    for person in list(university.people.values()):
        if person.username.startswith("x"):
            university.unenrol(person.id, 2)
    mark = house.synapse.mark()
    report = await house.sync()
    assert [(row.course_id, len(row.users)) for row in report.held] == [(2, 8)]
    assert house.sent_since(mark) == []
    report = await house.sync(confirm=True)
    assert report.held == ()
    members = await house.members(2)
    assert sorted(members.values()) == ["invite"] * 4 + ["leave"] * 8


async def test_moodle_failing_removes_nobody(house: House) -> None:
    from moodle_appservice.demo.sandbox import Fault

    await house.start()
    await house.sync()
    before = await house.members(2)
    for right in ("moodle/user:viewdetails", "moodle/user:viewalldetails", "moodle/course:view"):
        house.moodle.rights.revoke(right)
        mark = house.synapse.mark()
        report = await house.sync()
        assert report.failures or report.held, right
        assert house.sent_since(mark) == [], right
        house.moodle.rights.grant(right)
    del Fault
    await house.sync()
    assert await house.members(2) == before


async def test_a_person_whose_server_is_down_holds_up_nobody_and_is_tried_again_later(house: House) -> None:
    university = house.moodle.university
    far = university.add_person("far", "Far", "Away")
    university.enrol(far.id, 2, "editingteacher")
    far.profile["matrixid"] = "@far:server.invalid"
    house.overrides["identity"] = {
        "profile_field": "matrixid",
        "profile_field_locked": True,
        "allowed_domains": ["server.invalid"],
    }
    service = await house.start()
    mark = house.synapse.mark()
    report = await house.sync()
    assert [str(key) for key in report.failures] == ["course:2"]
    assert len(await house.members(2)) == 4
    tried = [request for request in house.sent_since(mark) if request.path.endswith("/invite")]
    assert len(tried) == 9, "everybody once, the one who could not be reached too"
    status = await service.operations.status(CourseId(2))
    assert status is not None
    assert [(missing.name, "tried again" in missing.reason) for missing in status.missing] == [
        ("Far Away", True)
    ]
    mark = house.synapse.mark()
    await service.queue.add(SITE)
    await service.queue.idle()
    assert house.sent_since(mark) == [], "not tried again before its time"
    report = await house.sync()
    assert [str(key) for key in report.failures] == ["course:2"]
    tried = [request for request in house.sent_since(mark) if request.path.endswith("/invite")]
    assert len(tried) == 1, "tried where somebody asks"


async def test_everything_works_the_same_on_postgresql(house: House, postgres_url: str) -> None:
    house.top["database"] = postgres_url
    await house.start()
    assert (await house.sync()).failures == {}
    assert await house.members(2) == {house.mxid(name): "invite" for name in ("t1", "s1", "s2", "s3")}
    university = house.moodle.university
    people = {person.username: person.id for person in university.people.values()}
    university.unenrol(people["s1"], 2)
    await house.sync()
    await house.stop()
    mark = house.synapse.mark()
    await house.start()
    assert (await house.sync()).failures == {}
    assert [request.method for request in house.sent_since(mark) if "/rooms/" in request.path] == ["PUT"]
    assert (await house.members(2))[house.mxid("s1")] == "leave"


async def test_two_services_on_one_postgresql_database_do_not_run_at_once(
    house: House, postgres_url: str
) -> None:
    house.top["database"] = postgres_url
    await house.start()
    second = house.service()
    with pytest.raises(Refused, match="uses the same database"):
        await second.start()


async def test_what_the_room_reads_of_a_removal_says_nothing_about_the_person(house: House) -> None:
    await house.start()
    await house.sync()
    university = house.moodle.university
    next(person for person in university.people.values() if person.username == "s1").suspended = True
    await house.sync(2)
    left = (await house.state(2))["m.room.member", house.mxid("s1")]
    assert (left["membership"], left["reason"]) == (
        "leave",
        "Not a member of this course according to Moodle.",
    )


async def test_a_look_at_one_course_that_was_just_switched_on_makes_its_room(house: House) -> None:
    house.overrides["rooms"] = {"existing_courses": False}
    await house.start()
    report = await house.sync(2)
    assert "is off" in report.note
    house.overrides["rooms"] = {"allow_courses": [2]}
    await house.stop()
    await house.start()
    report = await house.sync(2)
    assert report.note == ""
    assert len(await house.members(2)) == 4


async def test_hidden_courses_that_are_not_listed_any_more_are_named_and_left_alone(house: House) -> None:
    await house.start()
    await house.sync()
    house.moodle.university.hide_course(2)
    house.moodle.rights.revoke("moodle/course:viewhiddencourses")
    report = await house.sync()
    assert "left as they are: 2." in report.note
    assert "moodle/course:viewhiddencourses" in report.note
    assert set((await house.members(2)).values()) == {"invite"}
