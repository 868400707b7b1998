"""The tree of spaces above courses: the site, categories of the chosen depths, and the courses that are on.

Each space and each course hangs in exactly one space: that of the nearest category above it which has one, else that of
the site. A category has a space only while a course that is on is somewhere below it. What hangs in a space stands in
Moodle's order. A category hangs only in one whose path is shorter than its own, so that no listing, however torn, can
make a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .model import Category, CategoryId, Course, CourseId, nothing
from .rooms import SITE_SPACE, RoomKey, RoomKind, category_space, course_space, main_room
from .space_rules import SpaceRules


@dataclass(frozen=True, slots=True)
class Tree:
    """`spaces`: each space → what hangs in it, in order. `parents`: what hangs anywhere → its space."""

    spaces: Mapping[RoomKey, tuple[RoomKey, ...]] = field(default_factory=nothing)
    parents: Mapping[RoomKey, RoomKey] = field(default_factory=nothing)

    def courses_in(self, space: RoomKey) -> list[CourseId]:
        """The courses that hang in a space."""
        return [child.course_id for child in self.spaces.get(space, ()) if child.course_id is not None]


NO_TREE = Tree()


def entry_of(course_id: CourseId, layout: str) -> RoomKey:
    """The room of a course that hangs in the tree: its space where it has one, else its main room."""
    return course_space(course_id) if layout == "space" else main_room(course_id)


def space_above(
    path: Iterable[CategoryId], categories: Mapping[CategoryId, Category], rules: SpaceRules
) -> RoomKey | None:
    """The space of the nearest category of a path, from the top down, that may have one; else that of the site."""
    for category_id in reversed(list(path)):
        category = categories.get(category_id)
        if category is not None and _may_have_space(category, rules):
            return category_space(category_id)
    return SITE_SPACE if rules.site else None


def space_of_course(
    course: Course, categories: Mapping[CategoryId, Category], rules: SpaceRules
) -> RoomKey | None:
    """The space in which a course that is on hangs; None for none."""
    if course.id in rules.without_courses:
        return None
    category = categories.get(course.category_id)
    return space_above(category.path if category else (), categories, rules)


def tree_of(
    categories: Mapping[CategoryId, Category],
    courses: Mapping[CourseId, Course],
    entries: Mapping[CourseId, RoomKey],
    rules: SpaceRules,
) -> Tree:
    """The tree. `entries`: the courses that are to hang in it, each with the room of it that does (`entry_of`)."""
    parents: dict[RoomKey, RoomKey] = {}
    for course_id, entry in entries.items():
        course = courses.get(course_id)
        above = space_of_course(course, categories, rules) if course is not None else None
        if above is not None:
            parents[entry] = above
    for space in list(dict.fromkeys(parents.values())):
        _hang(space, parents, categories, rules)
    spaces = set(parents.values())
    below: dict[RoomKey, list[RoomKey]] = {space: [] for space in spaces}
    for child, above in parents.items():
        below[above].append(child)
    place = _Places(categories, courses)
    return Tree(
        {space: tuple(sorted(below[space], key=place.of)) for space in sorted(spaces, key=_rank)}, parents
    )


def is_hidden(category: Category, categories: Mapping[CategoryId, Category]) -> bool:
    """Whether Moodle hides a category, or one above it, from people."""
    return not all(categories[number].visible for number in category.path if number in categories)


def _may_have_space(category: Category, rules: SpaceRules) -> bool:
    return rules.has_depth(len(category.path)) and category.id not in rules.without_categories


def _hang(
    space: RoomKey,
    parents: dict[RoomKey, RoomKey],
    categories: Mapping[CategoryId, Category],
    rules: SpaceRules,
) -> None:
    """Hang a space into the one above it, that one into the next, up to the top."""
    while space.kind is RoomKind.CATEGORY and space not in parents:
        category = categories[CategoryId(space.owner)]
        shorter = [
            number
            for number in category.path[:-1]
            if number in categories and len(categories[number].path) < len(category.path)
        ]
        above = space_above(shorter, categories, rules)
        if above is None:
            return
        parents[space] = above
        space = above


@dataclass(frozen=True, slots=True)
class _Places:
    """Moodle's order: one number for categories and courses alike, over the whole site."""

    categories: Mapping[CategoryId, Category]
    courses: Mapping[CourseId, Course]

    def of(self, key: RoomKey) -> tuple[int, bool, str, int]:
        course_id = key.course_id
        if course_id is not None:
            course = self.courses[course_id]
            return course.sort_order, True, course.fullname, course_id
        category = self.categories[CategoryId(key.owner)]
        return category.sort_order, False, category.name, category.id


def _rank(key: RoomKey) -> tuple[int, int, int, int]:
    return key.rank
