"""The reports that an administrator would make for a room service, ready-made.

`Matrix memberships` is the frequent one: without dates, which are dear, and without groups, which multiply its rows.
The rare ones stand beside it. Every site of the sandbox starts with them; `install` leaves out what the version does
not have: role assignments as a source of their own came with Moodle 4.5, as did the columns for sign-in and language.
"""

from __future__ import annotations

from .reports import COURSES, GROUPS, PARTICIPANTS, ROLES, USERS, Report
from .site import Site

MEMBERSHIPS = "Matrix memberships"
STARTS = "Matrix starts"
ENDS = "Matrix ends"
GROUP_MEMBERS = "Matrix groups"
ACCOUNTS = "Matrix users"
COURSE_LIST = "Matrix courses"
ROLE_HOLDERS = "Matrix roles"

ACTIVE = {
    "enrolment:status_operator": 1,
    "enrolment:status_value": 0,
    "user:suspended_operator": 2,
    "user:confirmed_operator": 1,
}
_PARTICIPANT = ("course:coursefullnamewithlink", "user:fullnamewithlink", "role:shortname")
_DATED = (
    *_PARTICIPANT,
    "enrol:plugin",
    "enrol:enabled",
    "enrolment:status",
    "enrolment:timestarted",
    "enrolment:timeended",
)
_GROUP = (
    "course:coursefullnamewithlink",
    "group:name",
    "group:idnumber",
    "group:visibility",
    "group:participation",
    "grouping:name",
    "user:fullnamewithlink",
)
_ROLE_HOLDER = ("context:link", "context:level", "role:shortname", "user:fullnamewithlink")
NOT_IN_COURSES = {"context:level_operator": 2, "context:level_value": 50}
_ACCOUNT = (
    "user:fullnamewithlink",
    "user:username",
    "user:idnumber",
    "user:email",
    "user:suspended",
    "user:confirmed",
    "user:auth",
    "user:lang",
)
_COURSE = (
    "course:coursefullnamewithlink",
    "course:courseshortnamewithlink",
    "course:idnumber",
    "course:visible",
    "course_category:namewithlink",
    "course_category:path",
    "course:startdate",
    "course:enddate",
)


def install(site: Site) -> None:
    """Make all reports that the site's version can have."""
    for name, source, columns, conditions in (
        (MEMBERSHIPS, PARTICIPANTS, _PARTICIPANT, ACTIVE),
        (STARTS, PARTICIPANTS, _DATED, {"enrolment:timestarted_operator": 8}),
        (ENDS, PARTICIPANTS, _DATED, {"enrolment:timeended_operator": 8}),
        (GROUP_MEMBERS, GROUPS, _GROUP, None),
        (ACCOUNTS, USERS, (*_ACCOUNT, *_profile_columns(site)), None),
        (COURSE_LIST, COURSES, (*_COURSE, *_custom_columns(site)), None),
        (ROLE_HOLDERS, ROLES, _ROLE_HOLDER, NOT_IN_COURSES),
    ):
        if source not in site.version.reports_lack:
            known = [column for column in columns if column not in site.version.reports_lack]
            site.reports.add(name, source, known, dict(conditions) if conditions else None)


def sorted_by_course_and_user(report: Report) -> Report:
    """Give a report the order that makes reading it in pages safe."""
    report.sorting = ["course:coursefullnamewithlink", "user:fullnamewithlink"]
    return report


def _profile_columns(site: Site) -> list[str]:
    return [f"user:profilefield_{name}" for name in site.university.profile_fields]


def _custom_columns(site: Site) -> list[str]:
    return [f"course:customfield_{name}" for name in site.university.course_fields]
