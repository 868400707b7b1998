"""What is done about a course's announcements, case by case, and the hours and amounts of a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import CategoryId, CourseId, EventId, MoodleUserId, RoomId, UserId
from moodle_appservice.domain.quiet import Hours, day_of, share_out
from moodle_appservice.domain.relay import (
    Announcement,
    Compare,
    DiscussionId,
    ForumId,
    PostId,
    PostList,
    PostRow,
    PostState,
    Publish,
    is_doubtful,
    plan_posts,
)
from moodle_appservice.domain.relay_choice import RelayRules, relays
from moodle_appservice.domain.rules import Choice
from tests.domain import casefiles

CASES = casefiles.cases("relay", keys=("posts", "whole", "known", "wait", "steps"))
BERLIN = ZoneInfo("Europe/Berlin")
SINCE, NOW = 1000.0, 5000.0


def post(given: dict[str, Any]) -> Announcement:
    created = float(given.get("created", 2000))
    return Announcement(
        id=PostId(given.get("id", 14)),
        discussion_id=DiscussionId(1),
        forum_id=ForumId(9),
        course_id=CourseId(2),
        subject="Exam",
        html="<p>Monday</p>",
        author_id=MoodleUserId(5),
        author="Teach One",
        created=created,
        modified=float(given.get("modified", created)),
        group_id=given.get("group", -1),
        starts=given.get("starts"),
        ends=given.get("ends"),
        pinned=given.get("pinned", False),
        mailed=given.get("mailed", True),
    )


def row(given: dict[str, Any]) -> PostRow:
    return PostRow(
        PostId(given.get("id", 14)),
        CourseId(2),
        ForumId(9),
        RoomId("!r"),
        UserId("@bot:uni.test"),
        PostState(given.get("state", "sent")),
        float(given.get("created", 2000)),
        "1970-01-01",
        "digest",
        EventId("$e"),
    )


@pytest.mark.parametrize("case", CASES)
def test_announcements(case: dict[str, Any]) -> None:
    known = {one.id: one for one in map(row, case.get("known", ()))}
    seen = PostList(tuple(map(post, case["posts"])), case.get("whole", True))
    steps = plan_posts([seen], known, since=SINCE, now=NOW, wait_for_mail=case.get("wait", False))
    said = [
        f"publish {step.post.id}"
        if isinstance(step, Publish)
        else f"compare {step.post.id}"
        if isinstance(step, Compare)
        else f"withdraw {step.row.id}"
        for step in steps
    ]
    assert said == case["steps"]


posts = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(1, 6)},
        optional={
            "created": st.integers(0, 6000),
            "group": st.sampled_from([-1, 3]),
            "starts": st.integers(0, 6000),
            "ends": st.integers(1, 6000),
            "pinned": st.booleans(),
            "mailed": st.booleans(),
        },
    ),
    max_size=6,
    unique_by=lambda one: str(one["id"]),
)
rows = st.lists(
    st.fixed_dictionaries({"id": st.integers(1, 6), "state": st.sampled_from(list(PostState))}),
    max_size=6,
    unique_by=lambda one: str(one["id"]),
)


@given(posts, rows, st.booleans(), st.booleans())
def test_a_post_is_told_only_where_nothing_of_it_is_remembered_and_all_may_see_it(
    there: list[dict[str, Any]], remembered: list[dict[str, Any]], whole: bool, wait: bool
) -> None:
    known = {one.id: one for one in map(row, remembered)}
    seen = PostList(tuple(map(post, there)), whole)
    steps = plan_posts([seen], known, since=SINCE, now=NOW, wait_for_mail=wait)
    told = [step.post for step in steps if isinstance(step, Publish)]
    for one in told:
        before = known.get(one.id)
        assert before is None or before.state is PostState.CLAIMED
        assert one.group_id == -1 and (one.starts or 0) <= NOW and (one.ends or NOW + 1) > NOW
        assert before is not None or max(one.created, one.starts or 0) >= SINCE
    touched = [step.row.id if not isinstance(step, Publish) else step.post.id for step in steps]
    assert len(touched) == len(set(touched)), "one thing is done about a post"


@pytest.mark.parametrize(
    ("there", "known", "doubtful"),
    [
        ([{"id": 3}, {"id": 2, "created": 1900}], [{"id": 1, "created": 1000}], False),
        ([{"id": 3}, {"id": 1, "created": 1900}], [{"id": 2, "created": 1950}], True),
        ([{"id": 3}, {"id": 1, "created": 1900}], [{"id": 2, "created": 1950, "state": "withdrawn"}], False),
        ([{"id": 1, "pinned": True}, {"id": 2, "pinned": True}, {"id": 3}], [], True),
        ([{"id": 1, "pinned": True}], [], True),
    ],
    ids=["further back", "missing", "withdrawn", "mostly pinned", "pinned only"],
)
def test_a_page_raises_doubts_where_something_should_be_on_it(
    there: list[dict[str, Any]], known: list[dict[str, Any]], doubtful: bool
) -> None:
    page = PostList(tuple(map(post, there)), False)
    assert is_doubtful(page, map(row, known)) is doubtful
    assert not is_doubtful(PostList(page.posts, True), map(row, known))


def at(hour: int, minute: int = 0, day: int = 30) -> float:
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("hours", "moment", "are_open"),
    [
        (Hours(7, 22), at(6, 59), False),
        (Hours(7, 22), at(7), True),
        (Hours(7, 22), at(21, 59), True),
        (Hours(7, 22), at(22), False),
        (Hours(0, 24), at(3), True),
        (Hours(8, 8), at(3), True),
        (Hours(20, 4), at(23), True),
        (Hours(20, 4), at(3), True),
        (Hours(20, 4), at(12), False),
    ],
)
def test_the_hours_of_the_day_are_those_of_the_site(hours: Hours, moment: float, are_open: bool) -> None:
    assert hours.are_open(moment, BERLIN) is are_open


def test_days_and_openings_are_local_also_where_clocks_change() -> None:
    assert day_of(at(0, 30), BERLIN) == "2026-11-30"
    assert day_of(at(0, 30), UTC) == "2026-11-29"
    before = datetime(2026, 10, 24, 23, tzinfo=BERLIN).timestamp()
    opening = Hours(7, 22).next_opening(before, BERLIN)
    assert datetime.fromtimestamp(opening, BERLIN).isoformat() == "2026-10-25T07:00:00+01:00"


@given(st.integers(0, 30), st.integers(0, 12), st.integers(1, 10), st.booleans())
def test_a_day_never_has_more_messages_than_it_may(
    waiting: int, sent: int, most: int, has_list: bool
) -> None:
    alone, listed = share_out(range(waiting), sent=sent, most=most, has_list=has_list)
    assert [*alone, *listed] == list(range(waiting)), "nothing is lost, and the order stays"
    if alone:
        assert sent + len(alone) + bool(listed) <= most
        assert not has_list and (listed or sent + len(alone) < most), "there is always room for a list"


CHOSEN = {True: Choice(True, "bot", 0.0), False: Choice(False, "page", 0.0), None: None}


@pytest.mark.parametrize(
    ("rules", "choice", "on", "word"),
    [
        ({}, None, False, "relay.site"),
        ({"site": True}, None, True, "relay.site"),
        ({}, True, True, "by bot"),
        ({"site": True}, False, False, "by page"),
        ({"on_courses": {42}}, None, True, "relay.on_courses"),
        ({"on_courses": {42}}, False, False, "by page"),
        ({"on_categories": {1}}, None, True, "relay.on_categories"),
        ({"off_courses": {42}, "on_courses": {42}}, True, False, "relay.off_courses"),
        ({"off_categories": {3}}, True, False, "relay.off_categories"),
        ({"off_categories": {9}, "site": True}, None, True, "relay.site"),
    ],
)
def test_who_decides_whether_a_course_relays(
    rules: dict[str, Any], choice: bool | None, on: bool, word: str
) -> None:
    values: dict[str, Any] = {
        key: frozenset(value) if isinstance(value, set) else value for key, value in rules.items()
    }
    given = replace(RelayRules(), **values)
    found = relays(CourseId(42), (CategoryId(1), CategoryId(3)), given, CHOSEN[choice])
    assert found.on is on and word in found.reason
