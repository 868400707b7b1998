"""Roles above the courses: which courses they reach, and what the configuration means on a site."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.above import Assignment, ExtraRole, by_place, resolve_extra, roles_above
from moodle_appservice.domain.model import Category, CategoryId, MoodleUserId, Role


def category(number: int, name: str, *path: int, idnumber: str = "") -> Category:
    ids = tuple(map(CategoryId, (*path, number)))
    return Category(CategoryId(number), name, ids[-2] if path else None, ids, 0, idnumber=idnumber)


TREE = {
    one.id: one
    for one in (
        category(1, "Arts"),
        category(2, "Music", 1, idnumber="MUS"),
        category(3, "Sciences"),
        category(4, "Music", 3),
        category(5, "Jazz", 1, 2),
        category(6, "7"),
    )
}
ANNA, BEN, CLEO = map(MoodleUserId, (10, 11, 12))
MANAGER, TEACHER = Role("manager"), Role("teacher")
NAMES = {"anna": ANNA, "ben": BEN}


@pytest.mark.parametrize(
    ("place", "reached"), [(None, {1, 2, 3, 4, 5, 6}), (1, {1, 2, 5}), (2, {2, 5}), (5, {5}), (9, set())]
)
def test_a_role_reaches_all_courses_below_and_no_other(place: int | None, reached: set[int]) -> None:
    above = by_place([Assignment(ANNA, MANAGER, None if place is None else CategoryId(place))])
    assert {number for number in TREE if roles_above(above, number, TREE)} == reached


def test_roles_of_several_places_come_together() -> None:
    above = by_place(
        [
            Assignment(ANNA, MANAGER, CategoryId(1)),
            Assignment(ANNA, TEACHER, CategoryId(5)),
            Assignment(BEN, TEACHER, None),
        ]
    )
    assert roles_above(above, CategoryId(5), TREE) == {ANNA: {MANAGER, TEACHER}, BEN: {TEACHER}}
    assert roles_above(above, CategoryId(1), TREE) == {ANNA: {MANAGER}, BEN: {TEACHER}}
    assert roles_above({}, CategoryId(5), TREE) == {}


def test_in_a_category_that_nobody_knows_only_its_own_roles_and_those_of_the_site_count() -> None:
    above = by_place([Assignment(ANNA, MANAGER, CategoryId(99)), Assignment(BEN, MANAGER, None)])
    assert set(roles_above(above, CategoryId(99), TREE)) == {ANNA, BEN}


@pytest.mark.parametrize(
    ("said", "number"),
    [("2", 2), ("MUS", 2), ("Arts / Music", 2), ("arts / music", 2), ("Jazz", 5), ("Arts", 1), ("7", 6)],
)
def test_a_category_is_named_by_id_id_number_path_or_name(said: str, number: int) -> None:
    found, wrong = resolve_extra([ExtraRole(said, "anna", MANAGER)], TREE, NAMES.get)
    assert found == (Assignment(ANNA, MANAGER, CategoryId(number)),)
    assert wrong == ()


@pytest.mark.parametrize(
    ("category_name", "person", "words"),
    [
        ("Music", "anna", "2 categories are called “Music”"),
        ("Dance", "anna", "no category is called “Dance”"),
        ("Arts", "nobody", "Moodle shows no account “nobody”"),
    ],
)
def test_what_is_not_clear_gives_nobody_a_role_and_is_said(
    category_name: str, person: str, words: str
) -> None:
    found, wrong = resolve_extra([ExtraRole(category_name, person, MANAGER)], TREE, NAMES.get)
    assert found == ()
    assert words in wrong[0]


def test_a_person_may_be_named_by_moodles_id() -> None:
    found, _ = resolve_extra([ExtraRole("1", "id:12", TEACHER)], TREE, NAMES.get)
    assert found == (Assignment(CLEO, TEACHER, CategoryId(1)),)
