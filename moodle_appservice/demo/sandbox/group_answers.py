"""What the web service says about the groups of a course: `core_group_get_course_groups`.

It needs a right with which groups can be changed too. Without moodle/course:viewhiddengroups only groups that everybody
sees are listed, in the order of their names.
"""

from __future__ import annotations

from typing import Any

from . import rights
from .records import GroupVisibility
from .session import Session


def get_course_groups(session: Session, courseid: int) -> list[dict[str, Any]]:
    """The groups of a course that the caller may see."""
    course = session.course(courseid)
    session.require(rights.MANAGE_GROUPS, course)
    everything = session.allows(rights.VIEW_HIDDEN_GROUPS, course)
    rows: list[dict[str, Any]] = []
    for group in session.university.groups_in(courseid):
        if group.visibility is GroupVisibility.ALL or everything:
            description, form = session.description(group.description, group.descriptionformat)
            rows.append(
                {
                    "id": group.id,
                    "courseid": courseid,
                    "name": session.name(group.name),
                    "description": description,
                    "descriptionformat": form,
                    "enrolmentkey": None,
                    "idnumber": group.idnumber,
                    "visibility": int(group.visibility),
                    "participation": group.participation,
                }
            )
    return rows
