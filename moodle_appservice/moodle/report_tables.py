"""Places, groups and known dates: from the rows of three kinds of report to what a snapshot is made of.

A report joins its tables from the left, so rows multiply and have holes: a course with two enrolment methods and no
participants gives rows without a user, two roles or two methods give two rows of one place, a group in two groupings
gives each member twice. Rows without a user are dropped, the others are united; nothing is counted. Among memberships
a row without a user is a proof: the condition on the status would have kept it out, so it is not at work, although
Moodle goes on reporting it in `conditiondata` after somebody has taken it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..domain.groups import VISIBILITY_SINCE, SeenGroup, group_id
from ..domain.model import CourseId, Group, GroupId, GroupVisibility, MoodleUserId, Role
from ..domain.snapshot import Moment
from . import report_cells
from .report_columns import Parsed, column, reading
from .report_columns import course_id as course_of
from .report_columns import user_id as user_of
from .report_fetch import Page
from .report_layout import Layout

_VISIBILITIES: Final = {
    "visible": GroupVisibility.ALL,
    "visible to everyone": GroupVisibility.ALL,
    "only visible to members": GroupVisibility.MEMBERS,
    "only see own membership": GroupVisibility.OWN,
    "hidden": GroupVisibility.NONE,
}
"""`visibilityall` (two wordings), `visibilitymembers`, `visibilityown` and `visibilitynone` in English."""

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


def groups(
    page: Page, layout: Layout, *, version: tuple[int, int] = VISIBILITY_SINCE, language: str = "en"
) -> dict[CourseId, tuple[SeenGroup, ...]]:
    """The groups of every course, hidden and empty ones too. Raises `ReportUnreadable`.

    `version`: of Moodle; before 4.2 every group is visible and takes part. A group in two groupings gives each of its
    members twice. Two groups of one name and without id numbers can't be told apart; where their rows contradict each
    other (another visibility, members beside the row of an empty group) they are `ambiguous`.
    """
    at = layout.columns

    def named(cell: object) -> str:
        return report_cells.name(cell, language)

    courses, names = column(layout, "course", course_of), column(layout, "name", named)
    users, idnumbers = column(layout, "user", user_of), Parsed(report_cells.text)
    told = [part for part in _TOLD if part in at]
    told_at = [at[part] for part in told]
    found: dict[tuple[CourseId, str], _GroupRows] = {}
    with reading(page):
        for row in page.rows:
            course_id, name = courses[row[at["course"]]], names[row[at["name"]]]
            if course_id is None or not name:
                continue
            idnumber = idnumbers[row[at["idnumber"]]] if "idnumber" in at else ""
            key = (course_id, f"idnumber:{idnumber}" if idnumber else f"name:{name}")
            rows = found.get(key)
            if rows is None:
                rows = found[key] = _GroupRows(name, idnumber)
            rows.add(users[row[at["user"]]], name, tuple([row[index] for index in told_at]))
        takes_part = column(layout, "participation", report_cells.truth)
        return _by_course(found, told, takes_part, old=version < VISIBILITY_SINCE)


def _by_course(
    found: dict[tuple[CourseId, str], _GroupRows],
    told: Sequence[str],
    takes_part: Parsed[bool | None],
    *,
    old: bool,
) -> dict[CourseId, tuple[SeenGroup, ...]]:
    together: dict[CourseId, list[SeenGroup]] = {}
    while found:
        # What is done is let go of: on a large site all of it twice is much.
        (course_id, name_key), rows = found.popitem()
        group = rows.group(group_id(course_id, name_key), told, takes_part, old=old)
        together.setdefault(course_id, []).append(group)
    return {
        course_id: tuple(sorted(seen, key=lambda one: one.group.key)) for course_id, seen in together.items()
    }


_TOLD: Final = ("visibility", "participation", "grouping")


class _GroupRows:
    """The rows of one group."""

    __slots__ = ("_idnumber", "_is_doubled", "_is_empty", "_members", "_name", "_told")

    def __init__(self, name: str, idnumber: str) -> None:
        self._name, self._idnumber = name, idnumber
        self._members: list[MoodleUserId] = []
        self._told: set[tuple[object, ...]] = set()
        self._is_empty = self._is_doubled = False

    def add(self, user_id: MoodleUserId | None, name: str, told: tuple[object, ...]) -> None:
        """One row; `told`: its cells that say something about the group itself."""
        if user_id is None:
            self._is_empty = True
        else:
            self._members.append(user_id)
        self._is_doubled |= name != self._name
        self._told.add(told)

    def group(
        self, number: GroupId, told: Sequence[str], takes_part: Parsed[bool | None], *, old: bool
    ) -> SeenGroup:
        """The group that these rows are about; `told` names the cells, `old` is a Moodle without visibility."""
        cells = dict(zip(told, map(set, zip(*self._told, strict=True)), strict=True))
        shown, part = cells.get("visibility", set()), cells.get("participation", set())
        doubled = (
            self._is_doubled or len(shown) > 1 or len(part) > 1 or bool(self._is_empty and self._members)
        )
        unknown = GroupVisibility.ALL if old else GroupVisibility.UNKNOWN
        group = Group(
            number,
            self._name,
            self._idnumber,
            visibility=_visibility(next(iter(shown))) if shown and not doubled else unknown,
            participation=takes_part[next(iter(part))] if part and not doubled else True if old else None,
            groupings=frozenset(
                name for cell in cells.get("grouping", ()) if (name := report_cells.name(cell, "en"))
            ),
            ambiguous=doubled,
        )
        return SeenGroup(group, frozenset(self._members))


def _visibility(cell: object) -> GroupVisibility:
    return _VISIBILITIES.get(report_cells.text_or_nothing(cell).strip().casefold(), GroupVisibility.UNKNOWN)
