"""What each right of the service user changes, above all what is missing without a word.

Course 2 of the small university is in separate groups mode, course 4 is hidden, category 7 too; teacher1 is the only
person with a course contact role there.
"""

from __future__ import annotations

from typing import Any

import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle, rights
from moodle_appservice.demo.sandbox.seed import account
from tests.adapters.sandbox_client import Answer, ask, options, participants, usernames


async def _users(moodle: SandboxMoodle, course: int = 2, **values: object) -> Answer:
    return await ask(moodle, "core_enrol_get_enrolled_users", ("courseid", course), *options(**values))


async def _by_field(moodle: SandboxMoodle, field: str = "", value: object = "") -> Answer:
    return await ask(moodle, "core_course_get_courses_by_field", ("field", field), ("value", value))


async def _accounts(moodle: SandboxMoodle, field: str, *values: object) -> Answer:
    pairs = [(f"values[{place}]", value) for place, value in enumerate(values)]
    return await ask(moodle, "core_user_get_users_by_field", ("field", field), *pairs)


@pytest.mark.parametrize(
    ("revoked", "course", "wish", "errorcode"),
    [
        (rights.REST_USE, 2, {}, "accessexception"),
        (rights.COURSE_VIEW, 2, {}, "errorcoursecontextnotvalid"),
        (rights.VIEW_HIDDEN_COURSES, 4, {}, "errorcoursecontextnotvalid"),
        (rights.ENROL_REVIEW, 2, {}, "nopermissions"),
        (rights.ACCESS_ALL_GROUPS, 2, {"groupid": 1}, "nopermissions"),
    ],
)
async def test_without_the_right_participants_are_refused(
    revoked: str, course: int, wish: dict[str, object], errorcode: str
) -> None:
    async with SandboxMoodle() as moodle:
        assert (await _users(moodle, course, **wish)).errorcode is None
        moodle.rights.revoke(revoked)
        answer = await _users(moodle, course, **wish)
    assert (answer.status, answer.errorcode) == (200, errorcode)


async def test_participants_need_one_of_two_rights_and_a_state_needs_the_second() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.ENROL_REVIEW)
        moodle.rights.grant(rights.VIEW_PARTICIPANTS)
        assert (await _users(moodle)).errorcode is None
        answer = await _users(moodle, onlyactive=1)
    assert answer.errorcode == "nopermissions"
    assert "(Review course enrolments)" in answer.json["message"]


async def test_without_viewdetails_only_course_contacts_are_left() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.USER_VIEW_DETAILS)
        assert await usernames(moodle, 2) == {"teacher1"}


async def test_a_page_is_cut_before_the_invisible_people_are_dropped() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.USER_VIEW_DETAILS)
        pages = [await participants(moodle, 2, limitfrom=start, limitnumber=10) for start in (0, 10)]
    assert [len(page) for page in pages] == [1, 0]


async def test_without_accessallgroups_separate_groups_look_empty_and_others_do_not() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.ACCESS_ALL_GROUPS)
        assert await participants(moodle, 2) == []
        assert len(await participants(moodle, 3)) > 30


async def test_a_caller_in_a_group_sees_that_group_only() -> None:
    async with SandboxMoodle() as moodle:
        group = next(one for one in moodle.university.groups_in(2) if one.name == "Tutorial 2")
        moodle.rights.revoke(rights.ACCESS_ALL_GROUPS)
        group.members.add(moodle.site.service_user)
        rows = await participants(moodle, 2, userfields="id,groups")
    assert {row["id"] for row in rows} == group.members - {moodle.site.service_user}
    assert all([one["id"] for one in row["groups"]] == [group.id] for row in rows)


async def test_without_viewalldetails_columns_are_gone() -> None:
    async with SandboxMoodle() as moodle:
        before = await _student(moodle)
        moodle.rights.revoke(rights.USER_VIEW_ALL_DETAILS)
        after = await _student(moodle)
    assert set(before) - set(after) == {"username", "idnumber", "institution", "department"}
    assert "customfields" in after


@pytest.mark.parametrize(
    ("version", "granted", "new"),
    [
        ("5.1", rights.VIEW_USER_IDENTITY, {"email"}),
        ("5.1", rights.COURSE_USER_EMAIL, {"email"}),
        ("5.1", rights.VIEW_FULL_NAMES, set()),
        ("4.4", rights.VIEW_FULL_NAMES, {"firstname", "lastname"}),
    ],
)
async def test_with_the_right_columns_appear(version: str, granted: str, new: set[str]) -> None:
    async with SandboxMoodle(version=version) as moodle:
        before = await _student(moodle)
        moodle.rights.grant(granted)
        after = await _student(moodle)
    assert set(after) - set(before) == new


async def _student(moodle: SandboxMoodle) -> dict[str, Any]:
    wanted = account(moodle.university, "student001")
    return next(row for row in await participants(moodle, 2) if row["id"] == wanted)


async def test_hidden_groups_show_with_their_own_right_only() -> None:
    async with SandboxMoodle() as moodle:
        resit = next(one for one in moodle.university.groups_in(2) if one.name == "Resit")
        seen = []
        for _ in range(2):
            rows = await participants(moodle, 2, userfields="groups")
            seen.append({group["name"] for row in rows for group in row.get("groups", [])})
            moodle.rights.grant(rights.VIEW_HIDDEN_GROUPS)
    assert seen[1] - seen[0] == {resit.name}
    assert "Reading circle" in seen[0], "a group for members only is told to everybody"


async def test_without_course_view_only_the_public_course_list_is_left() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.COURSE_VIEW)
        courses = (await _by_field(moodle)).json["courses"]
        one_by_one = await ask(moodle, "core_course_get_courses")
    assert [course["id"] for course in courses if "format" in course] == [1]
    assert {2, 3, 4} <= {course["id"] for course in courses}
    assert one_by_one.errorcode == "errorcoursecontextnotvalid"


async def test_the_ids_of_shut_courses_come_with_a_warning_each() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.COURSE_VIEW)
        answer = (await _by_field(moodle, "ids", "3,2,2")).json
    assert [course["id"] for course in answer["courses"]] == [3, 2]
    assert [warning["itemid"] for warning in answer["warnings"]] == [3, 2]


async def test_hidden_courses_are_left_out_or_fail_the_whole_call() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.VIEW_HIDDEN_COURSES)
        listed = {course["id"] for course in (await _by_field(moodle)).json["courses"]}
        everything = await ask(moodle, "core_course_get_courses")
        chosen = await ask(
            moodle, "core_course_get_courses", ("options[ids][0]", 2), ("options[ids][1]", 9999)
        )
    assert listed == {1, 2, 3, 5, 6, 7, 8}
    assert everything.errorcode == "errorcoursecontextnotvalid"
    assert [course["id"] for course in chosen.json] == [2]


async def test_columns_for_managers_come_with_course_update_where_it_is_held() -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.grant_in_category(5, rights.COURSE_UPDATE)
        courses = (await _by_field(moodle)).json["courses"]
    assert [course["id"] for course in courses if "idnumber" in course] == [7]


async def test_hidden_categories_and_all_below_are_left_out() -> None:
    async with SandboxMoodle() as moodle:
        before = {row["id"] for row in (await ask(moodle, "core_course_get_categories")).json}
        moodle.rights.revoke(rights.VIEW_HIDDEN_CATEGORIES)
        after = (await ask(moodle, "core_course_get_categories")).json
    assert before - {row["id"] for row in after} == {7, 8}
    assert "visible" not in after[0]


@pytest.mark.parametrize(("key", "right"), [("idnumber", rights.CATEGORY_MANAGE), ("visible", "")])
async def test_a_search_for_categories_by_a_secret_needs_its_right(key: str, right: str) -> None:
    async with SandboxMoodle() as moodle:
        moodle.rights.revoke(rights.VIEW_HIDDEN_CATEGORIES)
        fields = (("criteria[0][key]", key), ("criteria[0][value]", "1"))
        answer = await ask(moodle, "core_course_get_categories", *fields)
        moodle.rights.grant(right or rights.VIEW_HIDDEN_CATEGORIES)
        allowed = await ask(moodle, "core_course_get_categories", *fields)
    assert answer.errorcode == "criteriaerror"
    assert isinstance(allowed.json, list)


@pytest.mark.parametrize(("field", "value"), [("username", "student001"), ("idnumber", "M100001")])
async def test_an_account_is_found_only_by_what_the_caller_may_see(field: str, value: str) -> None:
    async with SandboxMoodle() as moodle:
        assert len((await _accounts(moodle, field, value)).json) == 1
        moodle.rights.revoke(rights.USER_VIEW_ALL_DETAILS)
        assert (await _accounts(moodle, field, value)).json == []


async def test_an_address_is_found_only_with_the_identity_right_or_if_it_is_public() -> None:
    async with SandboxMoodle() as moodle:
        both = ("student001@uni.example", "admin@uni.example")
        assert [row["username"] for row in (await _accounts(moodle, "email", *both)).json] == ["admin"]
        moodle.rights.grant(rights.VIEW_USER_IDENTITY)
        assert len((await _accounts(moodle, "email", *both)).json) == 2


async def test_rights_in_a_category_reach_its_courses_and_their_people_only() -> None:
    async with SandboxMoodle() as moodle:
        held = moodle.rights.system - {rights.REST_USE}
        moodle.rights.only(rights.REST_USE)
        moodle.rights.grant_in_category(5, *held)
        inside, outside = await _users(moodle, 7), await _users(moodle, 2)
        courses = (await _by_field(moodle)).json["courses"]
        university = moodle.university
        students = {user for user, person in university.people.items() if person.idnumber}
        linguist = min(students.intersection(university.enrolled(7)))
        mathematician = min(students.intersection(university.enrolled(8)).difference(university.enrolled(7)))
        found = (await _accounts(moodle, "id", linguist, mathematician)).json
    assert inside.errorcode is None
    assert outside.errorcode == "errorcoursecontextnotvalid"
    assert {course["id"] for course in courses if "format" in course} == {1, 7}
    assert [row["id"] for row in found] == [linguist]


async def test_maintenance_lets_in_whoever_may() -> None:
    async with SandboxMoodle() as moodle:
        moodle.site.maintenance = True
        assert (await _users(moodle)).errorcode == "sitemaintenance"
        moodle.rights.grant(rights.MAINTENANCE_ACCESS)
        assert (await _users(moodle)).errorcode is None
