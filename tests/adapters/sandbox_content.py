"""Forums, announcements and activities of the recorded site, rebuilt, with what was different for single recordings."""

from __future__ import annotations

import json
from collections.abc import Callable

from moodle_appservice.demo.sandbox import rights
from moodle_appservice.demo.sandbox.activities import Activity, Discussion, Enclosure
from moodle_appservice.demo.sandbox.records import GroupMode
from tests.adapters.sandbox_recorded import Recorded, load

MADE = 1795198837
LATER_THEME = 1795199371
FORUMS = "mod_forum_get_forums_by_courses--"
DISCUSSIONS = "mod_forum_get_forum_discussions--"
CONTENTS = "core_course_get_contents--"
BULK_DISCUSSIONS = "tool_mobile_call_external_functions--bulk-forum-discussions"
READS = (rights.REST_USE, rights.COURSE_VIEW, rights.VIEW_DISCUSSION)
VIEWS = tuple(f"mod/{kind}:view" for kind in ("assign", "quiz", "choice", "lesson", "workshop", "feedback"))
_EXAM = (
    '<p>The exam is on <b>Monday</b> at 10:00, room <em>A&amp;B</em>. See <a href="https://www.example.org/x?a=1&amp;b=2">'
    "details</a>.</p><ul><li>one</li><li>two ümläut 日本</li></ul><script>alert(1)</script>"
)
_WITH_FILES = '<p>Inline <img src="@@PLUGINFILE@@/pic.png" alt="pic"> and attachment</p>'

Setting = Callable[[Recorded], None]


def with_content(site: Recorded) -> None:
    """What the recordings of 5.1 share."""
    courses = site.university.courses
    for course in (1, 5, 6, 7):
        courses[course].newsitems = 0
    courses[2].section_ids, courses[6].section_ids = (1, 2, 3), (13, 14, 15)
    functions = (
        "mod_forum_get_forums_by_courses",
        "mod_forum_get_forum_discussions",
        "core_course_get_contents",
    )
    site.sandbox.site.service.functions += functions
    site.sandbox.rights.grant(rights.VIEW_DISCUSSION, *VIEWS)
    _add_activities(site)
    _add_discussions(site)


def _add_activities(site: Recorded) -> None:
    add = site.sandbox.activities.add

    def put(number: int, kind: str, instance: int, name: str, course: int = 2, **more: object) -> Activity:
        return add(
            course, kind, name, id=number, instance=instance, context=60 + number, timemodified=MADE, **more
        )

    put(11, "forum", 9, "Announcements", type="news", groupmode=GroupMode.SEPARATE)
    put(12, "forum", 10, "Announcements", 3, type="news")
    put(13, "forum", 11, "Announcements", 4, type="news")
    ends = {"duedate": 1795976437, "cutoffdate": 1796062837}
    data = '{"duedate":"1795976437","cutoffdate":"1796062837","trackingtype":"1"}'
    columns = {**ends, "intro": "Test forum 1", "maxbytes": 0, "forcesubscribe": 0}
    dates = {"duedate": 1795976437}
    put(14, "forum", 12, "General discussion", type="general", dates=dates, customdata=data, more=columns)
    put(15, "forum", 13, "Hidden forum", type="general", visible=False)
    _add_dated(put)


def _add_dated(put: Callable[..., Activity]) -> None:
    opens = {"allowsubmissionsfromdate": 1795026037, "duedate": 1795803637}
    data = '{"duedate":1795803637,"cutoffdate":"1795890037","allowsubmissionsfromdate":"1795026037"}'
    put(16, "assign", 3, "Sheet 1 & more", dates=opens, customdata=data)
    put(17, "assign", 4, "Hidden sheet", dates={"duedate": 1795803637}, visible=False)
    only = {"groups": frozenset({2}), "shown": False}
    put(18, "assign", 5, "Sheet for Tutorial 2 only", dates={"duedate": 1795717237}, **only)
    put(19, "assign", 6, "No due date")
    put(20, "assign", 7, "Past sheet", dates={"duedate": 1794939637})
    for number, kind, name, dates in (
        (21, "quiz", "Quiz 1", {"timeopen": 1795371637, "timeclose": 1795544437}),
        (23, "choice", "Vote", {"timeopen": 1795112437, "timeclose": 1795458037}),
        (24, "lesson", "Lesson 1", {"available": 1795112437, "deadline": 1796149237}),
        (25, "workshop", "Workshop", _WORKSHOP),
    ):
        texts = {name_of: str(at) for name_of, at in dates.items()}
        put(number, kind, 1, name, dates=dates, customdata=json.dumps(texts, separators=(",", ":")))
    recorded = load("5.1", CONTENTS + "excludecontents")["response"]["json"][0]["modules"][-1]
    contents = {key: recorded[key] for key in ("contents", "contentsinfo") if key in recorded}
    put(26, "page", 1, "Page with completion date", more={"contents": contents})


_WORKSHOP = {
    "submissionstart": 1795198837,
    "submissionend": 1796235637,
    "assessmentstart": 1796235637,
    "assessmentend": 1796494837,
}


def _add_discussions(site: Recorded) -> None:
    shelf = site.sandbox.activities
    teacher = site.other(27)

    def post(
        number: int, first_post: int, subject: str, message: str, course: int = 2, **more: object
    ) -> Discussion:
        return shelf.announce(
            course, teacher, subject, message, id=number, post=first_post, created=MADE, **more
        )

    post(13, 14, "Exam date & room <b>fixed</b>", _EXAM, numreplies=1)
    post(14, 15, "Only for Tutorial A", "<p>Room change for tutorial A</p>", group=1)
    future = 1795458037
    post(15, 16, "Timed post (future)", "<p>Not yet visible to students</p>", timestart=future)
    post(
        16,
        17,
        "Timed post (display ended)",
        "<p>No longer visible to students</p>",
        timestart=1794421237,
        timeend=1795112437,
    )
    post(17, 18, "Pinned announcement", "<p>Pinned</p>", pinned=True)
    post(18, 19, "Will be edited", "<p>first text</p>")
    post(19, 20, "Will be deleted", "<p>gone</p>")
    files = [
        Enclosure("pic.png", "image/png", bytes(70), "f/image", inline=True),
        Enclosure("Aufgabe 1  2.txt", "text/plain", bytes(5), "f/text"),
    ]
    post(20, 21, "With files", _WITH_FILES, files=files)
    post(21, 23, "News in db", "<p>Hello</p>", 3)
    post(22, 24, "News in hid", "<p>Hello</p>", 4)
    general = shelf.forum(12)
    assert general is not None
    shelf.discuss(general, site.student(1), "Student question", "<p>How?</p>", id=23, post=25, created=MADE)


def _holding(*capabilities: str) -> Setting:
    """The account holds these and nothing else."""
    return lambda site: site.sandbox.rights.only(*capabilities)


def _without(*capabilities: str) -> Setting:
    return lambda site: site.sandbox.rights.revoke(*capabilities)


def as_made(site: Recorded) -> None:
    """Nothing is different."""


def _edited_and_deleted(site: Recorded) -> None:
    shelf = site.sandbox.activities
    shelf.edit(18, subject="Was edited", message="<p>second text</p>")
    shelf.discussions[18].modified = 1795199019
    shelf.delete(19)


def _mailed(site: Recorded) -> None:
    """The state of the later recordings: an answer by the administrator, another edit, cron has run."""
    _edited_and_deleted(site)
    shelf = site.sandbox.activities
    shelf.edit(18, message="<p>third text</p>")
    shelf.discussions[18].modified = 1795199198
    pinned = shelf.discussions[17]
    pinned.numreplies, pinned.usermodified, pinned.timemodified = 1, 2, 1795199201
    shelf.mail()
    site.sandbox.site.theme_revision = LATER_THEME


def _by_group(site: Recorded) -> None:
    """The last recordings of all."""
    _mailed(site)
    site.sandbox.site.theme_revision = 1795199701


def _read_later(site: Recorded) -> None:
    _mailed(site)
    site.sandbox.rights.only(*READS, *VIEWS)
    sheet = site.sandbox.activities.activities[16]
    sheet.dates["duedate"] = 1795890037
    sheet.customdata = sheet.customdata.replace("1795803637", "1795890037")


def _with_restrictions(site: Recorded) -> None:
    _read_later(site)
    add = site.sandbox.activities.add
    restricted = "Not available unless: You belong to <strong>Tutorial 2</strong>"
    dated = "Available from <strong>25 November 2026, 6:34 PM</strong>"
    for number, instance, name, due, more in (
        (
            830,
            410,
            "Shown but restricted sheet",
            1796927654,
            {"groups": frozenset({2}), "reason": restricted},
        ),
        (831, 411, "Sheet with date restriction", 1796927655, {"from_date": 1795631655, "reason": dated}),
    ):
        dates = {"duedate": due}
        add(2, "assign", name, id=number, instance=instance, context=number + 273, dates=dates, **more)


def _seeing_all_groups(site: Recorded) -> None:
    _with_restrictions(site)
    site.sandbox.rights.only(*READS, *VIEWS, rights.ACCESS_ALL_GROUPS)


SETTINGS: dict[str, Setting] = {
    FORUMS + "leastpriv-without-viewdiscussion": _without(rights.VIEW_DISCUSSION),
    FORUMS + "minimal-caps": _holding(*READS),
    FORUMS + "reader-without-accessallgroups": _read_later,
    DISCUSSIONS + "error-missing-viewdiscussion": _without(rights.VIEW_DISCUSSION),
    DISCUSSIONS + "news-alg-after-cron-mailed": _mailed,
    DISCUSSIONS + "news-alg-after-edit-and-delete": _edited_and_deleted,
    DISCUSSIONS + "news-alg-degraded-missing-accessallgroups": _without(rights.ACCESS_ALL_GROUPS),
    DISCUSSIONS + "news-alg-groupid-minus1": _by_group,
    DISCUSSIONS + "news-alg-groupid-other": _by_group,
    DISCUSSIONS + "news-alg-minimal-caps": _holding(*READS),
    DISCUSSIONS + "news-alg-withviewhiddentimedposts": lambda site: site.sandbox.rights.grant(
        rights.VIEW_HIDDEN_TIMED_POSTS
    ),
    DISCUSSIONS + "reader-without-accessallgroups": _read_later,
    CONTENTS + "error-hidden-course": _read_later,
    CONTENTS + "leastpriv-excludecontents": _without(*VIEWS),
    CONTENTS + "reader-restricted-shown": _with_restrictions,
    CONTENTS + "reader-without-accessallgroups": _read_later,
    CONTENTS + "restricted-with-accessallgroups": _seeing_all_groups,
}
ORDINARY = frozenset(
    {
        *(
            FORUMS + case
            for case in ("all-courses", "missing-course-silently-dropped", "no-courseids-not-enrolled")
        ),
        FORUMS + "withviewdiscussion",
        *(DISCUSSIONS + case for case in ("error-forum-missing", "error-hidden-forum", "general", "news-db")),
        DISCUSSIONS + "news-hidden-course",
        *(
            f"{DISCUSSIONS}news-alg-{case}"
            for case in ("created-desc-page0-perpage3", "defaults", "fileurl", "groupid", "settingraw")
        ),
        *(CONTENTS + case for case in ("excludecontents", "future-course", "modname-assign")),
        BULK_DISCUSSIONS,
    }
)
"""Recordings of the site as it was made, by an account with all rights to read."""
