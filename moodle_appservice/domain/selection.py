"""Which courses have rooms, and why.

Precedence: admin's deny > the last explicit human choice > allow-lists > new or existing course. A course is new
when its id is above the highest id of the first complete listing (the baseline). A choice is made by *changing* the
Moodle field: a drop-down that says on or off counts from the first sight, a plain checkbox only when its value
changes, because Moodle cannot tell an unset checkbox from one that was cleared.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import Category, CategoryId, Course, CourseId
from .rules import Choice, FieldRules, Rules

MOODLE_FIELD = "moodle field"


@dataclass(frozen=True, slots=True)
class Selection:
    """Whether a course is to have rooms; `reason` is a sentence for people."""

    on: bool
    reason: str


def select(
    course: Course,
    category: Category | None,
    rules: Rules,
    *,
    baseline: CourseId,
    choice: Choice | None,
    was_on: bool = False,
) -> Selection:
    """Decide one course. `category` is None where our token can't read it: then what is above it is not known.

    `was_on`: it has a room by now, or is about to have one. Where Moodle then makes a room of its own, ours is kept:
    left alone it would keep people who have lost their place.
    """
    path: tuple[CategoryId, ...] = category.path if category else (course.category_id,)
    if course.id in rules.deny_courses:
        return Selection(False, "The administrator has excluded this course (rooms.deny_courses).")
    if rules.deny_categories.intersection(path):
        return Selection(False, "The administrator has excluded its category (rooms.deny_categories).")
    if category is None and rules.deny_categories:
        return Selection(
            False,
            "Its category can't be read, so it may be one that the administrator has excluded (rooms.deny_categories). "
            "Give moodle/category:viewhiddencategories to the role of our account.",
        )
    if choice is not None and choice.on is not None:
        said = Selection(choice.on, f"Switched {'on' if choice.on else 'off'} by {choice.by}.")
        return _warned(said, course)
    if course.own_room_url and not was_on:
        return Selection(
            False, "Moodle itself has made a room for this course; two rooms need a person's word."
        )
    return _warned(_by_default(course, path, rules, baseline), course)


def _warned(selection: Selection, course: Course) -> Selection:
    if not selection.on or not course.own_room_url:
        return selection
    return Selection(
        True, f"{selection.reason} Moodle itself has made a room for this course too, so it has two."
    )


def _by_default(course: Course, path: tuple[CategoryId, ...], rules: Rules, baseline: CourseId) -> Selection:
    if rules.allow_courses or rules.allow_categories:
        if course.id in rules.allow_courses:
            return Selection(True, "The administrator has selected this course (rooms.allow_courses).")
        if rules.allow_categories.intersection(path):
            return Selection(True, "The administrator has selected its category (rooms.allow_categories).")
        return Selection(False, "It is in none of the administrator's allow-lists.")
    if course.id > baseline:
        return Selection(
            rules.new_courses, f"New courses are {_word(rules.new_courses)} (rooms.new_courses)."
        )
    return Selection(
        rules.existing_courses,
        f"It existed before this service; such courses are {_word(rules.existing_courses)} (rooms.existing_courses).",
    )


def _word(on: bool) -> str:
    return "on" if on else "off"


def read_choice(
    course: Course, fields: FieldRules, *, seen: str | None, first_sight: bool, now: float
) -> Choice | None:
    """The choice that the Moodle field expresses *now*, or None when nothing was chosen since `seen`.

    `seen` is the value at our last look (None: the field was absent), `first_sight` that there was no last look.
    """
    value = course.custom_fields.get(fields.enabled)
    if value is None or (not first_sight and value == seen):
        return None
    on = _meaning(value, course.custom_field_types.get(fields.enabled, ""), fields)
    if course.custom_field_types.get(fields.enabled) == "checkbox":
        # A checkbox that we see for the first time may just show its default.
        return None if first_sight or seen is None else Choice(on, MOODLE_FIELD, now)
    if on is None and (first_sight or seen is None):
        return None
    return Choice(on, MOODLE_FIELD, now)


def _meaning(value: str, field_type: str, fields: FieldRules) -> bool | None:
    if field_type == "checkbox":
        return value == "1"
    word = value.strip().casefold()
    if word in fields.on_words:
        return True
    if word in fields.off_words:
        return False
    return None
