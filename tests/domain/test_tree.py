"""The tree of spaces, and the order of what hangs in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.child_order import LONGEST, orders_of
from moodle_appservice.domain.model import Category, CategoryId, Course, CourseId, RoomId
from moodle_appservice.domain.rooms import SITE_SPACE, RoomKey, RoomKind, main_room
from moodle_appservice.domain.space_rules import SpaceRules
from moodle_appservice.domain.tree import Tree, entry_of, tree_of
from tests.domain import casefiles, values

GIVEN = ("categories", "courses", "rules", "tree")


@pytest.mark.parametrize("case", casefiles.cases("tree", keys=GIVEN))
def test_tree(case: dict[str, Any]) -> None:
    categories = values.categories(case["categories"])
    courses, entries = {}, {}
    for number, given_course in case["courses"].items():
        given_course = dict(given_course)
        layout, is_on = given_course.pop("layout", "room"), given_course.pop("is_on", True)
        courses[CourseId(number)] = values.course({"id": number, **given_course})
        if is_on:
            entries[CourseId(number)] = entry_of(CourseId(number), layout)
    tree = tree_of(categories, courses, entries, values.space_rules(case.get("rules", {})))
    assert {str(space): [str(one) for one in below] for space, below in tree.spaces.items()} == case["tree"]
    _check(tree)


def _check(tree: Tree) -> None:
    hanging = [child for below in tree.spaces.values() for child in below]
    assert len(hanging) == len(set(hanging)), "each hangs in one space"
    assert {child: space for space, below in tree.spaces.items() for child in below} == tree.parents
    for child in tree.parents:
        seen: list[RoomKey] = []
        place: RoomKey | None = child
        while place is not None:
            assert place not in seen, "a circle"
            seen.append(place)
            place = tree.parents.get(place)
    for space in tree.spaces:
        assert _has_course(tree, space), "a space without any course below"


def _has_course(tree: Tree, space: RoomKey) -> bool:
    return any(child.course_id is not None or _has_course(tree, child) for child in tree.spaces[space])


@st.composite
def universities(draw: st.DrawFn) -> tuple[dict[CategoryId, Category], dict[CourseId, Course], SpaceRules]:
    """Categories with whatever paths a listing could have, torn ones too, and courses in some of them."""
    numbers = draw(st.lists(st.integers(1, 12), unique=True, max_size=10))
    categories = {}
    for number in numbers:
        above = draw(st.lists(st.sampled_from([*numbers, 99]), unique=True, max_size=4))
        path = tuple(CategoryId(one) for one in [*(one for one in above if one != number), number])
        sort_order = draw(st.integers(0, 5))
        categories[CategoryId(number)] = Category(
            CategoryId(number), f"K{number}", None, path, sort_order, visible=draw(st.booleans())
        )
    courses = {}
    for number in draw(st.lists(st.integers(1, 12), unique=True, max_size=10)):
        within = draw(st.sampled_from([*numbers, 77]))
        courses[CourseId(number)] = values.course(
            {"id": CourseId(number), "category_id": CategoryId(within), "sort_order": draw(st.integers(0, 5))}
        )
    levels = draw(st.none() | st.frozensets(st.integers(1, 4)))
    rules = SpaceRules(
        site=draw(st.booleans()),
        levels=levels,
        without_categories=draw(st.frozensets(st.sampled_from([CategoryId(one) for one in (1, 2, 3)]))),
    )
    return categories, courses, rules


@given(universities())
def test_whatever_the_listing_everything_hangs_in_one_space_and_nothing_in_a_circle(
    university: tuple[dict[CategoryId, Category], dict[CourseId, Course], SpaceRules],
) -> None:
    categories, courses, rules = university
    tree = tree_of(categories, courses, {number: main_room(number) for number in courses}, rules)
    _check(tree)
    if rules.site:
        assert set(tree.parents) >= {main_room(number) for number in courses}
        roots = {space for space in tree.spaces if space not in tree.parents}
        assert roots <= {SITE_SPACE}
    for space, below in tree.spaces.items():
        if space.kind is RoomKind.CATEGORY:
            assert rules.has_depth(len(categories[CategoryId(space.owner)].path))
            assert space.owner not in rules.without_categories
        places = [
            courses[one.course_id].sort_order
            if one.course_id is not None
            else categories[CategoryId(one.owner)].sort_order
            for one in below
        ]
        assert places == sorted(places)


ROOMS = [RoomId(f"!{letter}") for letter in "abcdefgh"]
TEXTS = st.sampled_from(["", "0", "5", "25", "50", "abc", "~", "00001", "9" * LONGEST, "1" * 60, None, 7])


@given(st.permutations(ROOMS), st.integers(0, 8), st.dictionaries(st.sampled_from(ROOMS), TEXTS))
def test_the_texts_are_in_the_order_wanted_and_a_second_look_changes_none(
    rooms: list[RoomId], number: int, has: dict[RoomId, object]
) -> None:
    wanted = rooms[:number]
    found = orders_of(wanted, has)
    texts = [found[room_id] for room_id in wanted]
    assert set(found) == set(wanted)
    assert texts == sorted(texts)
    assert len(set(texts)) == len(texts)
    assert all(text.isascii() and text.isdigit() and len(text) <= LONGEST for text in texts)
    assert orders_of(wanted, found) == found


@given(st.permutations(ROOMS), st.sampled_from(ROOMS), st.integers(0, 7))
def test_one_room_that_moves_gets_a_new_text_and_the_others_keep_theirs(
    rooms: list[RoomId], moved: RoomId, to: int
) -> None:
    before = orders_of(rooms, {})
    after = [room_id for room_id in rooms if room_id != moved]
    after.insert(to, moved)
    found = orders_of(after, before)
    # Where two neighbours change places, either may be the one that moved.
    assert sum(1 for room_id in after if found[room_id] != before[room_id]) <= 1


def test_courses_that_always_come_to_the_front_do_not_change_the_others_for_a_long_time() -> None:
    wanted = [RoomId("!0")]
    has = orders_of(wanted, {})
    for number in range(1, 600):
        wanted = [RoomId(f"!{number}"), *wanted]
        found = orders_of(wanted, has)
        assert {room_id: found[room_id] for room_id in has} == has
        has = found


def test_when_the_texts_become_too_long_all_are_written_anew() -> None:
    tight = {RoomId("!a"): "1" * LONGEST, RoomId("!c"): "1" * (LONGEST - 1) + "2"}
    found = orders_of([RoomId("!a"), RoomId("!b"), RoomId("!c")], tight)
    assert sorted(found, key=found.__getitem__) == ["!a", "!b", "!c"]
    assert all(len(text) < 10 for text in found.values())
