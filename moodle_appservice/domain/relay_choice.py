"""Which courses relay, and why.

Precedence as with rooms: the administrator's off > the last explicit human choice > the administrator's on > the site.
A category's word counts for its courses and for those of the categories below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .deadlines import DateKind
from .model import CategoryId, CourseId
from .quiet import Hours
from .rules import Choice

DAY, HOUR = 86_400, 3_600


@dataclass(frozen=True, slots=True)
class RelayRules:
    """The section `relay` of the configuration. `reminders`: seconds before a date. `most_per_day` of a room."""

    site: bool = False
    on_courses: frozenset[CourseId] = frozenset()
    off_courses: frozenset[CourseId] = frozenset()
    on_categories: frozenset[CategoryId] = frozenset()
    off_categories: frozenset[CategoryId] = frozenset()
    announcements: bool = True
    deadlines: bool = True
    wait_for_edit_window: bool = False
    hours: Hours = field(default_factory=Hours)
    reminders: tuple[int, ...] = (7 * DAY, 24 * HOUR)
    dates: frozenset[DateKind] = frozenset(DateKind)
    notify_reminders: bool = False
    most_per_day: int = 10
    most_text: int = 4000
    upload_types: tuple[str, ...] = ()
    upload_max: int = 0


@dataclass(frozen=True, slots=True)
class Relaying:
    """Whether a course relays; `reason` is a sentence for people."""

    on: bool
    reason: str


def relays(
    course_id: CourseId, path: Sequence[CategoryId], rules: RelayRules, choice: Choice | None
) -> Relaying:
    """Decide one course. `path`: the ids of its categories, from the top down."""
    if course_id in rules.off_courses:
        return Relaying(False, "The administrator has switched it off for this course (relay.off_courses).")
    if rules.off_categories.intersection(path):
        return Relaying(
            False, "The administrator has switched it off for its category (relay.off_categories)."
        )
    if choice is not None and choice.on is not None:
        return Relaying(choice.on, f"Switched {'on' if choice.on else 'off'} by {choice.by}.")
    if course_id in rules.on_courses:
        return Relaying(True, "The administrator has switched it on for this course (relay.on_courses).")
    if rules.on_categories.intersection(path):
        return Relaying(True, "The administrator has switched it on for its category (relay.on_categories).")
    return Relaying(rules.site, f"It is {'on' if rules.site else 'off'} for the whole site (relay.site).")
