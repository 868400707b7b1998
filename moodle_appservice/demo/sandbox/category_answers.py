"""What the web service says about course categories: `core_course_get_categories`.

A hidden category and all below it are left out without moodle/category:viewhiddencategories; numbers, visibility
and times are for managers of the category. `coursecount` counts the category's own courses, hidden ones too.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from . import rights
from .errors import criteria_error
from .parameters import php_int
from .records import Category
from .session import Session

_RIGHT_FOR_KEY = {
    "id": None,
    "ids": None,
    "name": None,
    "parent": None,
    "visible": rights.VIEW_HIDDEN_CATEGORIES,
    "idnumber": rights.CATEGORY_MANAGE,
    "theme": rights.CATEGORY_MANAGE,
}


def get_categories(
    session: Session, criteria: list[dict[str, str]], addsubcategories: bool
) -> list[dict[str, Any]]:
    """The categories that fit all criteria, with everything below them, in the site's order."""
    university = session.university
    chosen = _chosen(session, criteria, addsubcategories)
    counts = Counter(course.category for course in university.courses.values())
    rows: list[dict[str, Any]] = []
    left_out: set[int] = set()
    for category in sorted(chosen, key=lambda row: row.path):
        hidden = not category.visible and not session.allows_in_category(
            rights.VIEW_HIDDEN_CATEGORIES, category.id
        )
        if hidden or left_out.intersection(category.path):
            left_out.add(category.id)
        else:
            rows.append(_row(session, category, counts[category.id]))
    return sorted(rows, key=lambda row: int(row["sortorder"]))


def _chosen(session: Session, criteria: list[dict[str, str]], addsubcategories: bool) -> list[Category]:
    everything = list(session.university.categories.values())
    if not criteria:
        return everything
    wanted: dict[str, str] = {}
    for one in criteria:
        key = one["key"].strip()
        if key in wanted:
            continue
        if key not in _RIGHT_FOR_KEY:
            raise criteria_error(f"You can not search on this criteria: {key}")
        right = _RIGHT_FOR_KEY[key]
        if right is not None and not session.allows(right):
            raise criteria_error(f'You don\'t have the permissions to search on the "{key}" field.')
        wanted[key] = one["value"]
    found = {row.id for row in everything if all(_fits(row, key, value) for key, value in wanted.items())}
    if not addsubcategories:
        return [row for row in everything if row.id in found]
    shared = {key: value for key, value in wanted.items() if key in ("visible", "theme")}
    return [
        row
        for row in everything
        if row.id in found
        or (found.intersection(row.path) and all(_fits(row, key, value) for key, value in shared.items()))
    ]


def _fits(category: Category, key: str, value: str) -> bool:
    if key == "ids":
        return category.id in {php_int(part) for part in value.split(",")}
    if key in ("id", "parent", "visible"):
        return int(getattr(category, key)) == php_int(value)
    return bool(getattr(category, key) == value)


def _row(session: Session, category: Category, courses: int) -> dict[str, Any]:
    description, form = session.description(category.description, category.descriptionformat)
    manages = session.allows_in_category(rights.CATEGORY_MANAGE, category.id)
    row: dict[str, Any] = {"id": category.id, "name": session.name(category.name)}
    if manages:
        row["idnumber"] = category.idnumber
    row |= {
        "description": description,
        "descriptionformat": form,
        "parent": category.parent,
        "sortorder": category.sortorder,
        "coursecount": courses,
    }
    if manages:
        row |= {
            "visible": int(category.visible),
            "visibleold": int(category.visible_old),
            "timemodified": category.timemodified,
        }
    row |= {"depth": len(category.path), "path": "".join(f"/{number}" for number in category.path)}
    if manages:
        row["theme"] = category.theme
    return row
