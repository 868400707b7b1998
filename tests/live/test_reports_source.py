"""The service on Moodle's own reports: the same rooms out of few requests, and nothing lost when they shrink."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.demo.sandbox.reports import ReportColumn
from moodle_appservice.domain.model import CourseId
from tests.live.house import House, crowd
from tests.live.test_cli import ask
from tests.live.test_unchanged import pass_by_timer


@pytest.fixture
def reports(house: House) -> SandboxMoodle:
    """The house's Moodle, whose reports are the source; its per-course functions are not in the service."""
    house.overrides["moodle"] = {
        "url": house.moodle.url,
        "token": house.moodle.token,
        "interval": 3600,
        "source": "reports",
    }
    service = house.moodle.site.service
    service.functions = [
        name
        for name in service.functions
        if name.startswith("core_reportbuilder_") or name == "core_webservice_get_site_info"
    ]
    return house.moodle


async def test_reports_alone_lead_to_the_same_rooms(house: House, reports: SandboxMoodle) -> None:
    await house.start()
    report = await house.sync()
    assert (report.courses, report.failures, report.held) == (2, {}, ())
    for course in (2, 3):
        assert set((await house.members(course)).values()) == {"invite"}
        assert len(await house.members(course)) == 4
    assert (await house.state(2))["m.room.power_levels", ""]["users"] == {house.mxid("t1"): 60}
    await pass_by_timer(house)
    before = sum(reports.counts.values())
    mark = house.synapse.mark()
    await pass_by_timer(house)
    assert house.sent_since(mark) == []
    assert sum(reports.counts.values()) - before <= 6


async def test_an_unenrolment_and_a_suspension_reach_the_room_through_the_reports(
    house: House, reports: SandboxMoodle
) -> None:
    await house.start()
    await house.sync()
    people = {person.username: person for person in reports.university.people.values()}
    reports.university.unenrol(people["s1"].id, 2)
    people["s2"].suspended = True
    assert (await house.sync()).failures == {}
    members = await house.members(2)
    assert {name for name, membership in members.items() if membership == "leave"} == {
        house.mxid("s1"),
        house.mxid("s2"),
    }


async def test_a_report_that_suddenly_lists_few_people_removes_nobody_until_it_is_confirmed(
    house: House, reports: SandboxMoodle
) -> None:
    university = reports.university
    people = crowd(university)
    await house.start()
    await house.sync()
    for person in people:
        university.unenrol(person, 2)
    mark = house.synapse.mark()
    report = await house.sync()
    assert list(report.doubted) == [2]
    assert house.sent_since(mark) == []
    assert house.running is not None
    status = await house.running.operations.status(CourseId(2))
    assert status is not None
    assert status.held
    report = await house.sync(confirm=True)
    assert (report.doubted, report.held) == ({}, ())
    assert list((await house.members(2)).values()).count("leave") == 20


async def test_what_the_reports_looked_like_is_remembered_over_a_restart(
    house: House, reports: SandboxMoodle
) -> None:
    await house.start()
    await house.sync()
    await house.stop()
    reports.reports.named("Matrix memberships").drop_column("role:shortname")
    await house.start()
    mark = house.synapse.mark()
    report = await house.sync()
    assert [str(key) for key in report.failures] == ["site"]
    assert house.sent_since(mark) == []


async def test_doctor_says_which_report_is_missing_and_what_to_click(
    house: House, reports: SandboxMoodle
) -> None:
    code, out = await ask(house, "doctor")
    assert (code, "✓ Reports in Moodle" in out) == (0, True), out
    reports.reports.remove("Matrix memberships")
    code, out = await ask(house, "doctor", "--reports")
    assert (code, "✗ Reports in Moodle" in out, "Matrix memberships" in out) == (1, True, True), out


async def test_a_manager_of_the_category_may_be_in_the_room_and_is_not_asked_to_come(
    house: House, reports: SandboxMoodle
) -> None:
    university = reports.university
    boss = university.add_person("boss", "Bo", "Ss").id
    university.assign_category_role(boss, 2, "manager")
    await house.start()
    assert (await house.sync()).failures == {}
    assert house.mxid("boss") not in await house.members(2)
    room_id = quote(await house.room_of(2))
    body = {"user_id": house.mxid("boss")}
    await house.ask("POST", f"/_matrix/client/v3/rooms/{room_id}/invite", body=body)
    await house.sync()
    assert (await house.members(2))[house.mxid("boss")] == "invite"
    assert (await house.state(2))["m.room.power_levels", ""]["users"][house.mxid("boss")] == 60
    university.unassign_category_role(boss, 2, "manager")
    await house.sync()
    assert (await house.members(2))[house.mxid("boss")] == "leave"
    assert house.mxid("boss") not in (await house.state(2))["m.room.power_levels", ""]["users"]


async def test_a_running_service_accepts_reports_that_were_changed_on_purpose(
    house: House, reports: SandboxMoodle
) -> None:
    await house.start()
    await house.sync()
    reports.reports.named("Matrix courses").columns.append(ReportColumn("course:fullname"))
    assert [str(key) for key in (await house.sync()).failures] == ["site"]
    code, out = await ask(house, "doctor", "--reports", "--accept")
    assert (code, "“Matrix courses”: Its columns were" in out) == (0, True), out
    assert (await house.sync()).failures == {}
    await house.stop()
    await house.start()
    assert (await house.sync()).failures == {}
    await house.stop()
    code, out = await ask(house, "doctor", "--reports", "--accept")
    assert (code, "nothing to accept" in out) == (0, True), out
