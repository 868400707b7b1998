"""Places, groups and known dates: from the rows of three kinds of report to what a snapshot is made of.

A report joins its tables from the left, so rows multiply and have holes: a course with two enrolment methods and no
participants gives rows without a user, two roles or two methods give two rows of one place, a group in two groupings
gives each member twice. Rows without a user are dropped, the others are united; nothing is counted. Among memberships
a row without a user is a proof: the condition on the status would have kept it out, so it is not at work, although
Moodle goes on reporting it in `conditiondata` after somebody has taken it out.
"""

from __future__ import annotations

from typing import Final

from ..domain.model import CourseId, MoodleUserId, Role
from ..domain.snapshot import Moment, SeenGroup, group_id
from . import report_cells
from .report_columns import Parsed, column, reading
from .report_columns import course_id as course_of
from .report_columns import user_id as user_of
from .report_fetch import Page
from .report_layout import Layout

_SHOWN: Final = frozenset({"visible", "visible to everyone", "only visible to members"})
"""`visibilityall` (5.x, 4.x) and `visibilitymembers` in English; whatever else there is never gets a room."""

_NO_CONDITION: Final = (
    "it lists enrolments that are not active: the condition “Enrolment > Status is equal to Active” "
    "was taken out"
)


def memberships(page: Page, layout: Layout) -> dict[CourseId, dict[MoodleUserId, frozenset[Role]]]:
    """Who has an active place in which course, with the roles of all rows. Raises `ReportUnreadable`."""
    at_course, at_user, at_role = (layout.columns[key] for key in ("course", "user", "role"))
    courses, users = column(layout, "course", course_of), column(layout, "user", user_of)
    roles = column(layout, "role", report_cells.role)
    at_status = layout.columns.get("status")
    nobody: frozenset[Role] = frozenset()
    sets: dict[tuple[frozenset[Role], str | None], frozenset[Role]] = {}
    found: dict[CourseId, dict[MoodleUserId, frozenset[Role]]] = {}
    with reading(page):
        for row in page.rows:
            user_id = users[row[at_user]]
            course_id = courses[row[at_course]]
            role = roles[row[at_role]]
            if user_id is None or (at_status is not None and row[at_status] != "Active"):
                raise ValueError(_NO_CONDITION)
            if course_id is None:
                continue
            places = found.get(course_id)
            if places is None:
                places = found[course_id] = {}
            key = (places.get(user_id, nobody), role)
            united = sets.get(key)
            if united is None:
                more = frozenset() if role is None else frozenset((Role(role),))
                # One object for equal sets, whatever the order in which they came together.
                united = sets[key] = next(
                    (one for one in sets.values() if one == key[0] | more), key[0] | more
                )
            places[user_id] = united
    return found


def moments(page: Page, layout: Layout, *, ends: bool) -> list[Moment]:
    """Known starts or ends, at the end of the minute that Moodle names. Raises `ReportUnreadable`."""
    at_course, at_user, at_moment = (layout.columns[key] for key in ("course", "user", "moment"))
    courses, users = column(layout, "course", course_of), column(layout, "user", user_of)
    dates = column(layout, "moment", report_cells.moment)
    found: set[Moment] = set()
    with reading(page):
        for row in page.rows:
            course_id, user_id, date = courses[row[at_course]], users[row[at_user]], dates[row[at_moment]]
            if course_id is not None and user_id is not None and date is not None:
                found.add(Moment(date + report_cells.MINUTE, course_id, user_id, ends))
    return sorted(found, key=lambda moment: (moment.at, moment.course_id, moment.user_id))


def groups(page: Page, layout: Layout) -> dict[CourseId, tuple[SeenGroup, ...]]:
    """The groups of every course, empty ones too. Raises `ReportUnreadable`.

    Only a group whose every row says that it is visible (to all or to its members) and takes part is `shown`.
    """
    courses, users = column(layout, "course", course_of), column(layout, "user", user_of)
    names = column(layout, "name", lambda cell: report_cells.name(cell, "en"))
    idnumbers, shown = Parsed(report_cells.text), Parsed(_is_shown)
    part = column(layout, "participation", report_cells.truth)
    members: dict[tuple[CourseId, str], set[MoodleUserId]] = {}
    titles: dict[tuple[CourseId, str], str] = {}
    hidden: set[tuple[CourseId, str]] = set()
    at = layout.columns
    with reading(page):
        for row in page.rows:
            course_id, name = courses[row[at["course"]]], names[row[at["name"]]]
            if course_id is None or not name:
                continue
            idnumber = idnumbers[row[at["idnumber"]]] if "idnumber" in at else ""
            key = (course_id, idnumber or name)
            user_id = users[row[at["user"]]]
            members.setdefault(key, set()).update(() if user_id is None else (user_id,))
            visible = "visibility" in at and shown[row[at["visibility"]]]
            takes_part = "participation" in at and part[row[at["participation"]]] is True
            # Two groups under one key can't be told apart: then neither is shown.
            if not (visible and takes_part) or titles.setdefault(key, name) != name:
                hidden.add(key)
                titles.setdefault(key, name)
    found: dict[CourseId, list[SeenGroup]] = {}
    for key, there in members.items():
        group = SeenGroup(group_id(*key), key[1], titles[key], key not in hidden, frozenset(there))
        found.setdefault(key[0], []).append(group)
    return {course_id: tuple(sorted(seen, key=lambda group: group.key)) for course_id, seen in found.items()}


def _is_shown(cell: object) -> bool:
    return report_cells.text_or_nothing(cell).strip().casefold() in _SHOWN
