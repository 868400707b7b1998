"""Roles above the courses: from the rows of one kind of report to who holds what where.

Where a role is held is a context: the whole site, a category, a course, a block and so on. A category is known by the
id in the link, never by its name, which may stand twice. The level is needed beside the link, because a block of a
category leads to the same page as the category. Rows of courses and of what is in them are passed over.

Without `core_course_get_categories` it is not known in which category one without courses of its own lies. Then its
name is looked for in the paths of the categories that have courses; a name that fits more than once fits nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..domain.above import Assignment
from ..domain.model import Category, CategoryId, Role
from . import report_cells
from .parse import plain_text
from .report_columns import Parsed, column, reading
from .report_columns import user_id as user_of
from .report_fetch import Page
from .report_layout import Layout

_SITE: Final = "system"
_CATEGORY: Final = "category"


@dataclass(frozen=True, slots=True)
class RoleRows:
    """What the report tells: assignments, and the names of the categories in them."""

    assignments: tuple[Assignment, ...]
    names: Mapping[CategoryId, str]


NO_ROLES: Final = RoleRows((), {})


def role_holders(page: Page, layout: Layout, *, language: str = "en") -> RoleRows:
    """Who holds a role in a category or in the whole site. Raises `ReportUnreadable`."""
    at = layout.columns
    users, roles = column(layout, "user", user_of), column(layout, "role", report_cells.role)
    levels = Parsed(lambda cell: report_cells.text(cell).casefold())
    places = column(layout, "context", lambda cell: report_cells.link(cell, "category"))
    found: dict[Assignment, None] = {}
    names: dict[CategoryId, str] = {}
    with reading(page):
        for row in page.rows:
            level = levels[row[at["level"]]]
            if level not in (_SITE, _CATEGORY):
                continue
            user_id, role = users[row[at["user"]]], roles[row[at["role"]]]
            place: CategoryId | None = None
            if level == _CATEGORY:
                link = places[row[at["context"]]]
                if link is None:
                    raise ValueError("a category without a link to it")
                place = CategoryId(link[0])
                names[place] = plain_text(link[1], language).removeprefix("Category: ")
            if user_id is not None and role is not None:
                found[Assignment(user_id, Role(role), place)] = None
    return RoleRows(tuple(found), names)


def place_categories(
    categories: Mapping[CategoryId, Category],
    paths: Mapping[CategoryId, str],
    names: Mapping[CategoryId, str],
) -> tuple[dict[CategoryId, Category], tuple[str, ...]]:
    """Categories with those of the role report put above them, and a sentence for each that could be in two places.

    `paths`: the paths of names of the categories that have courses, as the report of courses shows them.
    """
    unknown = {number: name for number, name in names.items() if number not in categories}
    ways = {number: tuple(path.split(" / ")) for number, path in paths.items() if path}
    prefixes = {way[:length] for way in ways.values() for length in range(1, len(way))}
    own = set(ways.values())
    places: dict[CategoryId, tuple[str, ...]] = {}
    held: list[str] = []
    for number, name in unknown.items():
        fitting = [prefix for prefix in prefixes if prefix[-1] == name]
        if not ways or len(fitting) > 1 or (fitting and fitting[0] in own) or _stands_twice(name, unknown):
            if not ways or fitting:
                held.append(
                    f"Roles in category {number}, “{name}”, are left out, because it is not known which courses are "
                    "below it: put core_course_get_categories into the service of our token."
                )
        elif fitting:
            places[number] = fitting[0]
    numbers = {way: number for number, way in places.items()}
    placed = dict(categories)
    for number, way in ways.items():
        above = [numbers[way[:length]] for length in range(1, len(way)) if way[:length] in numbers]
        if above and number in placed:
            before = placed[number]
            placed[number] = replace(before, path=_merged(before, above, ways, places, way))
    return placed, tuple(held)


def _stands_twice(name: str, names: Mapping[CategoryId, str]) -> bool:
    return sum(other == name for other in names.values()) > 1


def _merged(
    category: Category,
    above: list[CategoryId],
    ways: Mapping[CategoryId, tuple[str, ...]],
    places: Mapping[CategoryId, tuple[str, ...]],
    way: tuple[str, ...],
) -> tuple[CategoryId, ...]:
    """The path with more categories in it, each at its depth."""
    depth = {number: len(places.get(number, ways.get(number, way))) for number in (*category.path, *above)}
    return tuple(sorted({*category.path, *above}, key=lambda number: depth[number]))
