"""What the web service says about a course's activities: `core_course_get_contents`, and one setting of the site.

An activity that the caller may not see at all is absent; one with a restriction that is shown comes with the reason,
`uservisible` false and its dates all the same. Assignments, feedback, quizzes and workshops need the right to view
them, without which they are absent.
"""

from __future__ import annotations

import json
from typing import Any

from . import rights
from .activities import Activity
from .records import Course
from .session import Session

_ROW = dict[str, Any]
_KINDS = {
    "forum": ("collaboration", "Forums"),
    "assign": ("assessment", "Assignments"),
    "quiz": ("assessment", "Quizzes"),
    "choice": ("communication", "Choices"),
    "lesson": ("interactivecontent", "Lessons"),
    "workshop": ("assessment", "Workshops"),
    "feedback": ("communication", "Feedback"),
    "page": ("content", "Pages"),
}
_BEFORE_AFTER = {
    "allowsubmissionsfromdate": ("Opens:", "Opened:"),
    "duedate": ("Due:", "Due:"),
    "timeopen": ("Opens:", "Opened:"),
    "timeclose": ("Closes:", "Closed:"),
    "available": ("Opens:", "Opened:"),
    "deadline": ("Closes:", "Closed:"),
    "submissionstart": ("Submissions open:", "Submissions opened:"),
    "submissionend": ("Submissions close:", "Submissions closed:"),
    "assessmentstart": ("Assessments open:", "Assessments opened:"),
    "assessmentend": ("Assessments close:", "Assessments closed:"),
}
_NEEDS_A_RIGHT = frozenset({"assign", "quiz", "workshop", "feedback"})


def get_contents(session: Session, courseid: int, options: list[dict[str, str]]) -> list[_ROW]:
    """Sections with their activities; everything stands in the first one."""
    course = session.course(courseid)
    wanted = {option["name"]: option["value"] for option in options}
    if course.newsitems:
        session.activities.announcements(courseid)
    modules = [
        _module(session, course, one, with_contents="excludecontents" not in wanted)
        for one in session.activities.inside(courseid)
        if _is_listed(session, course, one) and wanted.get("modname", one.kind) == one.kind
    ]
    return [
        {
            "id": section,
            "name": "General" if place == 0 else "New section",
            "visible": 1,
            "summary": "",
            "summaryformat": 1,
            "section": place,
            "hiddenbynumsections": 0,
            "uservisible": True,
            "component": None,
            "itemid": None,
            "modules": modules if place == 0 else [],
        }
        for place, section in enumerate(course.section_ids)
    ]


def _is_listed(session: Session, course: Course, one: Activity) -> bool:
    if one.kind in _NEEDS_A_RIGHT and not session.allows(f"mod/{one.kind}:view", course):
        return False
    if not one.visible:
        return session.allows(rights.VIEW_HIDDEN_ACTIVITIES, course)
    return _may_open(session, course, one) or one.shown


def _may_open(session: Session, course: Course, one: Activity) -> bool:
    if not one.visible:
        return session.allows(rights.VIEW_HIDDEN_ACTIVITIES, course)
    if one.from_date > session.now:
        return False
    if not one.groups or session.allows(rights.ACCESS_ALL_GROUPS, course):
        return True
    groups = session.university.groups
    return any(session.user in groups[group].members for group in one.groups if group in groups)


def _module(session: Session, course: Course, one: Activity, *, with_contents: bool) -> _ROW:
    purpose, plural = _KINDS[one.kind]
    address = f"{session.site.url}/mod/{one.kind}/view.php?id={one.id}"
    icon = f"{session.site.url}/theme/image.php/boost/{one.kind}/{session.site.theme_revision}/monologo?filtericon=1"
    opens = _may_open(session, course, one)
    row: _ROW = {
        "id": one.id,
        "url": address,
        "name": session.name(one.name),
        "instance": one.instance,
        "contextid": one.context,
        "visible": int(one.visible),
        "uservisible": opens,
    }
    if not opens:
        row["availabilityinfo"] = one.reason
    row |= {
        "visibleoncoursepage": 1,
        "modicon": icon,
        "modname": one.kind,
        "purpose": purpose,
        "branded": False,
        "modplural": plural,
        "indent": 0,
        "onclick": "",
        "afterlink": None,
    }
    if one.kind == "forum":
        row["activitybadge"] = []
    row |= {
        "customdata": one.customdata or _custom_data(one),
        "noviewlink": False,
        "candisplay": True,
        "completion": 0,
        "downloadcontent": 1,
        "dates": [_date(session, name, at) for name, at in one.dates.items()],
        "groupmode": int(one.groupmode),
    }
    return row | (one.more.get("contents", {}) if with_contents or one.kind == "page" else {})


def _custom_data(one: Activity) -> str:
    if one.kind == "forum":
        return json.dumps({"trackingtype": "1"}, separators=(",", ":"))
    return json.dumps(one.dates, separators=(",", ":")) if one.dates else '""'


def _date(session: Session, name: str, at: int) -> _ROW:
    before, after = _BEFORE_AFTER[name]
    return {"label": before if at > session.now else after, "timestamp": at, "dataid": name}


def get_config(session: Session, section: str) -> _ROW:
    """`tool_mobile_get_config`, of the section `locationsettings` only."""
    settings = []
    if section in ("", "locationsettings"):
        settings = [
            {"name": "timezone", "value": session.site.timezone},
            {"name": "forcetimezone", "value": "99"},
        ]
    return {"settings": settings, "warnings": []}
