"""The university behind the sandbox: what the seeds hold, and what changes do to people, groups and categories."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import moodle_appservice.demo.sandbox as sandbox
from moodle_appservice.demo.sandbox import University, generate, small_university
from moodle_appservice.demo.sandbox.seed import ODD_ACCOUNTS, account
from tests.lines_run import lines_run

NOW = 1_800_000_000


def _clock() -> float:
    return NOW


@pytest.fixture
def university() -> University:
    return small_university(_clock)


def test_the_small_university_has_everything_that_is_odd(university: University) -> None:
    courses = [course for course in university.courses.values() if course.id != 1]
    assert len(courses) == 8
    assert {len(category.path) for category in university.categories.values()} == {1, 2, 3}
    assert any(not category.visible for category in university.categories.values())
    assert sum(bool(course.enddate) and course.enddate < NOW for course in courses) == 2
    assert sum(course.startdate > NOW for course in courses) == 1
    assert [course.id for course in courses if not course.visible] == [4, 9]
    assert 115 <= len(university.people) <= 130
    usernames = {person.username for person in university.people.values()}
    assert len({person.fullname for person in university.people.values()}) == len(university.people)
    assert {username for username, *_ in ODD_ACCOUNTS} | {"admin"} <= usernames


def test_the_seeds_are_deterministic() -> None:
    makers: tuple[Callable[[], University], ...] = (
        lambda: small_university(_clock),
        lambda: generate(20, 10, clock=_clock),
    )
    for make in makers:
        one, other = make(), make()
        assert one.people == other.people
        assert one.courses == other.courses
        assert one.groups == other.groups
        assert all(list(one.enrolled(number)) == list(other.enrolled(number)) for number in one.courses)


def test_a_generated_university_has_the_asked_size() -> None:
    university = generate(120, 30, clock=_clock)
    sizes = Counter(len(list(university.enrolled(number))) for number in university.courses if number != 1)
    assert sizes == {30: 120}
    assert len(university.people) == 120 * 30 // 5 + 3
    assert len(generate(3, 50, accounts=10).people) == 50 + 3


def test_the_students_of_a_generated_course_are_dealt_out_among_its_groups() -> None:
    university = generate(10, 8, groups=3, clock=_clock)
    for course in range(2, 12):
        students = {user for user, roles in university.role_holders(course).items() if roles == {"student"}}
        members = [group.members for group in university.groups_in(course)]
        assert sorted(map(len, members)) == [2, 2, 3]
        assert set().union(*members) == students


def test_the_work_that_a_university_takes_grows_with_it_and_not_with_its_square() -> None:
    small, large = (lines_run(partial(generate, courses, 40)) for courses in (20, 100))
    assert 4 * small < large < 6 * small


def test_unenrolling_takes_roles_and_groups_along(university: University) -> None:
    user = account(university, "student001")
    assert university.groups_in(2, user)
    university.unenrol(user, 2)
    assert (university.roles_in(2, user), university.groups_in(2, user)) == ([], [])
    assert user not in set(university.enrolled(2))
    assert user in set(university.enrolled(4))


def test_enrolling_again_by_the_same_method_updates_the_enrolment(university: University) -> None:
    user = account(university, "student001")
    university.enrol(user, 2, "teacher", suspended=True)
    assert len(university.enrolments(2, user)) == 1
    assert not university.active(2, user, NOW)
    assert [role.shortname for role in university.roles_in(2, user)] == ["teacher", "student"]


def test_a_deleted_account_leaves_a_row_that_nobody_is_enrolled_with(university: University) -> None:
    user = account(university, "student001")
    university.delete_person(user)
    assert university.people[user].username == f"student001@uni.example.{NOW}"
    assert all(user not in set(university.enrolled(number)) for number in university.courses)
    assert university.courses_of(user, NOW) == []


def test_a_deleted_course_is_gone_with_its_groups(university: University) -> None:
    university.delete_course(2)
    assert 2 not in university.courses
    assert not [group for group in university.groups.values() if group.course == 2]
    assert not university.groupings
    assert all(course.id != 2 for user in university.people for course in university.courses_of(user, NOW))


def test_a_category_shown_again_keeps_hidden_what_was_hidden_before(university: University) -> None:
    university.hide_category(1)
    assert not any(university.courses[number].visible for number in (2, 3, 4, 5, 6, 8))
    university.show_category(1)
    assert [number for number in (2, 3, 4, 5, 6, 8) if not university.courses[number].visible] == [4]


def test_what_is_made_below_a_hidden_category_is_hidden(university: University) -> None:
    category = university.add_category("Two years ago", 7)
    course = university.add_course("OLD", "Old", category.id)
    assert (category.visible, course.visible) == (False, False)


def test_upper_case_user_names_do_not_exist(university: University) -> None:
    with pytest.raises(ValueError, match="upper case"):
        university.add_person("Student001", "Look", "Alike")


def test_numbers_are_never_given_twice(university: University) -> None:
    last = max(university.courses)
    university.delete_course(last)
    assert university.add_course("NEW", "New", 1).id == last + 1


def test_the_sandbox_shares_no_code_with_what_it_tests() -> None:
    """Otherwise a misunderstanding of Moodle's answers would be on both sides and no test could see it."""
    allowed = {"aiohttp"}
    for path in Path(sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level <= 1, f"{path.name} reaches out of the sandbox"
                names = [node.module or ""] if node.level == 0 else []
            for name in names:
                top = name.split(".")[0]
                assert top in allowed or top in sys.stdlib_module_names, f"{path.name} imports {name}"
