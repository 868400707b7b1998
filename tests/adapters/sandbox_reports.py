"""The custom reports of the recorded site, rebuilt, and how far a recorded report can be compared with ours.

A report without sorting comes in the order in which a database happens to find its rows; so do groups of aggregated
rows. Such an answer is compared to the letter but for the order of its rows (`UNORDERED`), a page of it must hold
rows of ours (`PAGES`). Some answers were recorded when the site had hundreds of further courses and people (`LARGE`):
of those the rows about the courses and people that are rebuilt are compared, and the count of all rows is not.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from moodle_appservice.demo.sandbox.records import Enrolment, GroupVisibility
from moodle_appservice.demo.sandbox.reports import COURSES, GROUPS, PARTICIPANTS, USERS, ReportColumn
from tests.adapters.sandbox_recorded import DAY, Recorded, load

RETRIEVE = "core_reportbuilder_retrieve_report--"
LIST = "core_reportbuilder_list_reports--"
SET = "core_reportbuilder_set_filters--"
FORUMS = "mod_forum\\reportbuilder\\datasource\\forums"

ENROLLED_AT = {"4.4": 1795194498, "5.1": 1795198808}
_ACTIVE = {
    "enrolment:status_operator": 1,
    "enrolment:status_value": 0,
    "user:suspended_operator": 2,
    "user:confirmed_operator": 1,
}
_USABLE = {"user:suspended_operator": 2, "user:confirmed_operator": 1}
_NEWS = {"forum:type_operator": 1, "forum:type_value": "news"}
_SHORT, _FULL, _USER = (
    "course:courseshortnamewithlink",
    "course:coursefullnamewithlink",
    "user:fullnamewithlink",
)
_DATES = ["enrolment:status", "enrolment:timestarted", "enrolment:timeended"]
_NAMES = ReportColumn("user:username", "groupconcatdistinct")
_LINKS = ReportColumn(_USER, "groupconcatdistinct")

_Definition = tuple[int, str, str, list[Any], dict[str, Any] | None, int]
_REPORTS: dict[str, list[_Definition]] = {
    "4.4": [
        (
            1, "Matrix participants", PARTICIPANTS,
            [
                _SHORT, "course:idnumber", _USER, "user:username", "user:suspended", "enrol:plugin", "enrol:enabled",
                *_DATES, "enrolment:timecreated", "role:name", "group:name", "group:idnumber",
                "user:profilefield_matrixid", "role:shortname",
            ],
            None, 1795195038,
        ),
        (2, "Matrix groups", GROUPS, [_FULL, "group:name", "user:fullname"], {}, 1795195038),
        (3, "R-slim", PARTICIPANTS, [_SHORT, _USER, "role:shortname"], _ACTIVE, 1795195776),
        (4, "R-concat-username", PARTICIPANTS, [_SHORT, "role:shortname", _NAMES], _ACTIVE, 1795195777),
        (5, "R-concat-link", PARTICIPANTS, [_SHORT, "role:shortname", _LINKS], _ACTIVE, 1795195777),
        (
            6, "R-fingerprint", PARTICIPANTS,
            [
                _SHORT, ReportColumn("user:username", "countdistinct"), ReportColumn("enrolment:timecreated", "max"),
                ReportColumn("role:shortname", "count"), ReportColumn("group:name", "count"),
            ],
            _ACTIVE, 1795195777,
        ),
        (8, "G-concat", GROUPS, [_SHORT, "group:name", "group:idnumber", _LINKS], None, 1795195837),
        (
            9, "U-users", USERS,
            [
                _USER, "user:username", "user:idnumber", "user:email", "user:suspended", "user:confirmed",
                "user:lastaccess", "user:profilefield_matrixid",
            ],
            None, 1795195837,
        ),
        (
            10, "C-courses", COURSES,
            [
                _SHORT, "course:fullname", "course:idnumber", "course:visible", "course:startdate", "course:enddate",
                "course_category:path", "course_category:idnumber", "course:customfield_matrix_enabled",
                "course:customfield_matrix_room_name", "course:customfield_matrix_room_topic",
            ],
            None, 1795195837,
        ),
    ],
    "5.1": [
        (
            1, "memberships-all", PARTICIPANTS,
            [
                _SHORT, _FULL, "course:idnumber", _USER, "user:username", "user:suspended", "enrol:plugin",
                "enrol:enabled", *_DATES, "enrolment:timecreated", "role:shortname", "role:name",
                "role:originalname", "group:name", "group:idnumber", "user:auth",
            ],
            None, 1795198853,
        ),
        (
            2, "memberships", PARTICIPANTS,
            [_FULL, _USER, "role:shortname", "enrol:plugin", "enrol:enabled", *_DATES], _USABLE, 1795198854,
        ),
        (3, "memberships-active", PARTICIPANTS, [_FULL, _USER, "role:shortname"], _ACTIVE, 1795198854),
        (4, "memberships-active-concat", PARTICIPANTS, [_SHORT, "role:shortname", _LINKS], _ACTIVE, 1795198854),
        (
            5, "groups", GROUPS,
            [_FULL, "group:name", "group:idnumber", "group:visibility", "group:participation", _USER], None, 1795198854,
        ),
        (
            6, "users", USERS,
            [
                _USER, "user:username", "user:idnumber", "user:email", "user:suspended", "user:confirmed",
                "user:lastaccess", "user:auth", "user:timemodified", "user:profilefield_matrixid",
            ],
            None, 1795198854,
        ),
        (
            7, "courses", COURSES,
            [
                _FULL, _SHORT, "course:shortname", "course:fullname", "course:idnumber", "course:visible",
                "course:startdate", "course:enddate", "course:timemodified", "course:url",
                "course_category:namewithlink", "course_category:path", "course_category:idnumber",
                "course:customfield_matrix_enabled", "course:customfield_matrix_room_name",
                "course:customfield_matrix_room_topic",
            ],
            None, 1795198854,
        ),
        (8, "forum-posts", FORUMS, [], _NEWS, 1795198854),
        (9, "legacy", PARTICIPANTS, [_FULL, _USER, "enrolment:role", "enrolment:method"], None, 1795199370),
    ],
}  # fmt: skip


def with_reports(site: Recorded) -> None:
    """What the reports show of the recorded site and no other answer: methods, times, numbers of groups."""
    university = site.university
    site.sandbox.site.timezone = "Europe/London"
    for course in range(2, 8):
        university.add_method(course, "guest", enabled=False)
        if "self" not in {way.kind for way in university.methods(course)}:
            university.add_method(course, "self", enabled=False)
        for enrolment in university.enrolments_in(course):
            _date_as_recorded(enrolment, ENROLLED_AT[site.version])
    tutorial, _, without = university.groups.values()
    tutorial.idnumber = "ALG-TUT-A"
    university.delete_group(without.id)
    university.add_group(2, "Empty group", idnumber="ALG-E")
    _people_as_recorded(site)
    reports = site.sandbox.reports
    reports.clear()
    for number, name, source, columns, conditions, made in _REPORTS[site.version]:
        reports.add(
            name,
            source,
            copy.deepcopy(columns),
            conditions,
            id=number,
            timecreated=made,
            timemodified=made,
            filters={"enrolment:timecreated"},
            uniquerows=name == "memberships-active",
        )
    if site.version == "4.4":
        reports.named("Matrix groups").sorting = [_FULL, "group:name", "user:fullname"]
        reports.named("R-slim").timemodified += 1


def _date_as_recorded(enrolment: Enrolment, created: int) -> None:
    enrolment.timecreated = created
    if enrolment.timeend:
        enrolment.timestart, enrolment.timeend = created - 50 * DAY, created - 5 * DAY
    elif enrolment.timestart:
        enrolment.timestart = created + 5 * DAY


def _people_as_recorded(site: Recorded) -> None:
    """Random parts of mail addresses as the recording has them; accounts were made in three steps."""
    for row in load(site.version, f"{RETRIEVE}users")["response"]["json"]["data"]["rows"]:
        number, email = int(_USER_LINK.findall(row["columns"][0])[0]), row["columns"][3]
        if number in site.university.people:
            site.university.people[number].email = email
    for person in site.university.people.values():
        person.timemodified = ENROLLED_AT[site.version]
    site.university.people[2].timemodified = 1795198715
    site.university.people[3].timemodified = 1795198787
    if site.version == "4.4":
        for number in (1, 2):
            site.university.people[site.student(number)].lastaccess = 1795195418


def _only(*numbers: int) -> Callable[[Recorded], None]:
    def apply(site: Recorded) -> None:
        with_reports(site)
        for report in list(site.sandbox.reports):
            if report.id not in numbers:
                site.sandbox.reports.remove(report.name)

    return apply


def _listed(site: Recorded) -> None:
    """On 4.4 the first two reports had been made by then; the legacy one of 5.1 came later too."""
    _only(*((1, 2) if site.version == "4.4" else range(1, 9)))(site)


def _filtered(site: Recorded) -> None:
    with_reports(site)
    values = json.loads(dict(load(site.version, f"{SET}timecreated-since")["request"]["params"])["values"])
    site.sandbox.reports.filter_values[1, site.sandbox.site.service_user] = values


def _nobody_may_see(site: Recorded) -> None:
    with_reports(site)
    site.sandbox.reports.named("legacy").audience = set()


def _only_rest(site: Recorded) -> None:
    with_reports(site)
    site.sandbox.rights.only("webservice/rest:use")


def _matrix_id(site: Recorded) -> None:
    with_reports(site)
    student = site.university.people[site.student(1)]
    student.profile["matrixid"] = "@student01:lab.example"
    student.timemodified += 60


def _later_theme(site: Recorded) -> None:
    with_reports(site)
    site.sandbox.site.theme_revision = 1795196024


def _each_visibility(site: Recorded) -> None:
    with_reports(site)
    for number, name, visibility in (
        (1, "Vis members", GroupVisibility.MEMBERS), (2, "Vis own", GroupVisibility.OWN),
        (3, "Vis none", GroupVisibility.NONE), (0, "Vis all no part", GroupVisibility.ALL),
    ):  # fmt: skip
        group = site.university.add_group(
            2, name, idnumber=f"V{number}", visibility=visibility, participation=False
        )
        group.members.add(site.student(1))


EXACT = {
    f"{LIST}leastpriv": _listed,
    f"{LIST}perpage2": _listed,
    f"{SET}clear": with_reports,
    f"{SET}timecreated-since": with_reports,
    f"{RETRIEVE}error-missing-report": with_reports,
    f"{RETRIEVE}error-not-in-audience": _nobody_may_see,
    f"{RETRIEVE}filtered-timecreated": _filtered,
    f"{RETRIEVE}leastpriv-groups": with_reports,
    f"{RETRIEVE}memberships-past-end": with_reports,
}
UNORDERED = {
    f"{RETRIEVE}groups": with_reports,
    f"{RETRIEVE}leastpriv-perpage0": with_reports,
    f"{RETRIEVE}leastpriv-perpage100000": with_reports,
    f"{RETRIEVE}memberships": with_reports,
    f"{RETRIEVE}memberships-active": with_reports,
    f"{RETRIEVE}memberships-active-concat": with_reports,
    f"{RETRIEVE}memberships-all": with_reports,
    f"{RETRIEVE}onlyrestuse-memberships-active": _only_rest,
    f"{RETRIEVE}users-with-matrixid": _matrix_id,
}
PAGES = {
    f"{RETRIEVE}leastpriv-perpage5": with_reports,
    f"{RETRIEVE}memberships-page3-perpage5": with_reports,
    f"{RETRIEVE}memberships-perpage5": with_reports,
}
LARGE = {
    f"{RETRIEVE}extra-R-concat-link-perpage2": with_reports,
    f"{RETRIEVE}extra-R-concat-username-perpage2": with_reports,
    f"{RETRIEVE}extra-R-fingerprint-perpage2": with_reports,
    f"{RETRIEVE}extra-R-slim-perpage2": with_reports,
    f"{RETRIEVE}groups-concat": with_reports,
    f"{RETRIEVE}groups-visibility": _each_visibility,
    f"{RETRIEVE}legacy-identifiers-after-upgrade": with_reports,
    f"{RETRIEVE}onlyrestuse-concat-username": _only_rest,
    f"{RETRIEVE}timezone-lang-settings": _later_theme,
    f"{RETRIEVE}courses": with_reports,
    f"{RETRIEVE}users": with_reports,
}
NOT_REBUILT = {
    f"{RETRIEVE}forum-posts": "the sandbox has no forums",
    f"{RETRIEVE}forum-posts-after-edit-and-delete": "the sandbox has no forums",
}
SETTINGS = EXACT | UNORDERED | PAGES | LARGE
COMPARED_BY_ROWS = UNORDERED.keys() | PAGES.keys() | LARGE.keys()

_COURSE_LINK = re.compile(r"/course/view\.php\?id=(\d+)")
_USER_LINK = re.compile(r"/user/profile\.php\?id=(\d+)")


def asking_for_all(name: str, params: list[list[str]]) -> list[list[str]]:
    """The recorded request; where only a part of unordered rows was recorded, without its limits."""
    if name not in PAGES.keys() | LARGE.keys():
        return params
    return [[key, value] for key, value in params if key not in ("page", "perpage")] + [["perpage", "0"]]


def compare(name: str, ours: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Fail unless our answer is the recorded one, as far as the module's docstring says."""
    assert list(ours) == list(recorded)
    for key in ("details", "warnings"):
        assert json.dumps(ours[key]) == json.dumps(recorded[key])
    mine, theirs = ours["data"], recorded["data"]
    assert list(mine) == list(theirs)
    assert mine["headers"] == theirs["headers"]
    rows, wanted = _counted(mine["rows"]), _counted(theirs["rows"])
    whole = len(theirs["rows"]) == theirs["totalrowcount"]
    others = Counter({row: count for row, count in wanted.items() if not _rebuilt(row)})
    wanted -= others
    assert not others or name in LARGE
    if others or (name in LARGE and not whole):
        assert wanted, "nothing to compare"
    else:
        assert mine["totalrowcount"] == theirs["totalrowcount"]
    assert rows == wanted if whole else rows >= wanted, {"ours": rows - wanted, "recorded": wanted - rows}


def _counted(rows: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    assert all(list(row) == ["columns"] for row in rows)
    return Counter(tuple(row["columns"]) for row in rows)


def _rebuilt(row: tuple[Any, ...]) -> bool:
    """Whether a row is about courses and people that the rebuilt site has too."""
    text = " ".join(str(cell) for cell in row)
    return all(int(number) <= 7 for number in _COURSE_LINK.findall(text)) and all(
        int(number) <= 43 for number in _USER_LINK.findall(text)
    )
