"""Every recorded answer of a real Moodle that we have, each with what it must come out as.

A line of `outcomes.tsv` is a recording's name, the outcome for Moodle 4.4 and the one for 5.1, `-` where that version
has no such recording. An outcome is the name of the error, or what the facts hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moodle_appservice.domain.deadlines import ModuleId
from moodle_appservice.domain.groups import may_have_room
from moodle_appservice.domain.model import CourseId
from moodle_appservice.domain.relay import DiscussionId, ForumId
from moodle_appservice.moodle import bulk, content_shapes, errors, functions, messages, profile, shapes
from moodle_appservice.moodle.answer import Json, Reply, read_answer
from moodle_appservice.ports import Forum

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "moodle"
CUSTOM_REPORTS = "core_reportbuilder_"
RECORDED_AT = 1795199000.0


def cases() -> Iterator[tuple[str, str, str]]:
    header, *lines = (RECORDINGS / "outcomes.tsv").read_text().splitlines()
    versions = header.split("	")[1:]
    for line in lines:
        name, *outcomes = line.split("	")
        for version, outcome in zip(versions, outcomes, strict=True):
            if outcome != "-":
                yield version, name, outcome


CASES = list(cases())


def recording(version: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / version / f"{name}.json").read_text())
    return found


def answer_of(version: str, name: str) -> Json:
    response = recording(version, name)["response"]
    body = response["text"] if "text" in response else json.dumps(response["json"])
    return read_answer(name.partition("--")[0], Reply(response["status"], body), set())


def outcome_of(version: str, name: str) -> str:
    try:
        return facts_of(version, name, answer_of(version, name))
    except errors.MoodleError as error:
        return type(error).__name__


def facts_of(version: str, name: str, answer: Json) -> str:
    match name.partition("--")[0]:
        case shapes.SITE_INFO:
            info = shapes.site_info(answer, "en")
            return f"{info.name}, {info.release}, {len(info.functions)} functions"
        case shapes.COURSES:
            seen = shapes.listing(answer, "en")
            front = ", front page" if seen.front_page else ""
            return f"{len(seen.courses)} courses, {len(seen.unreadable)} unreadable{front}"
        case shapes.CATEGORIES:
            return f"{len(shapes.categories(answer, 'en'))} categories"
        case shapes.ENROLLED:
            return people_of(answer)
        case shapes.COURSE_GROUPS:
            groups = shapes.course_groups(answer, "en")
            return f"{len(groups)} groups, {sum(map(may_have_room, groups))} for rooms"
        case shapes.USERS:
            people = [account.person for account in shapes.accounts(answer, ["matrixid"])]
            unusable = sum(person is None or not person.usable for person in people)
            return f"{len(people)} accounts, {unusable} unusable"
        case functions.UPDATE_USERS:
            return f"{len(profile.not_changed(answer))} not changed"
        case functions.SEND_MESSAGES:
            return "not sent" if messages.number(answer) is None else "sent"
        case content_shapes.FORUMS:
            forums = content_shapes.forums(answer)
            return f"{len(forums)} forums of announcements, {sum(forum.posts for forum in forums)} posts"
        case content_shapes.DISCUSSIONS:
            forum = Forum(ForumId(9), CourseId(2), ModuleId(11), 0)
            posts = content_shapes.announcements(answer, forum, "en")
            return f"{len(posts)} posts, {sum(post.is_for_all(RECORDED_AT) for post in posts)} for all"
        case content_shapes.CONTENTS:
            return f"{len(content_shapes.dates(answer, 'en'))} dates"
        case bulk.BULK:
            calls = calls_of(recording(version, name)["request"]["params"])
            kinds = ", ".join(type(outcome).__name__ for outcome in bulk.decode_bulk(calls, answer))
            return f"{len(calls)} calls: {kinds}"
    assert isinstance(answer, list)
    return f"{len(answer)} rows"


def people_of(answer: Json) -> str:
    try:
        found = shapes.roster(answer, "en")
    except errors.BadAnswer:
        return f"{len(shapes.user_ids(answer))} ids only"
    nameless = f", {found.nameless} nameless" if found.nameless else ""
    return f"{len(found.enrolments)} people, {len(found.groups)} groups{nameless}"


def calls_of(params: list[list[str]]) -> list[bulk.Call]:
    return [(value, {}) for key, value in params if key.endswith("][function]")]


@pytest.mark.parametrize(("version", "name", "outcome"), CASES)
def test_a_recorded_answer_comes_out_as_what_it_is(version: str, name: str, outcome: str) -> None:
    assert outcome_of(version, name) == outcome


def test_no_recording_is_left_out_of_the_table() -> None:
    there = {
        (path.parent.name, path.stem)
        for path in RECORDINGS.glob("*/*.json")
        if not path.stem.startswith(CUSTOM_REPORTS)
    }
    assert there == {(version, name) for version, name, _ in CASES}


@pytest.mark.parametrize(("version", "name", "outcome"), CASES)
def test_no_message_shows_markup_debugging_output_or_a_trace(version: str, name: str, outcome: str) -> None:
    try:
        answer_of(version, name)
    except errors.MoodleError as error:
        text = str(error)
        assert len(text) < 900
        for leak in (
            "<p>",
            "<b>",
            "SELECT",
            "array (",
            "#0 ",
            "Stack trace",
            "Invalid service - IP",
            "external api",
        ):
            assert leak not in text
        assert name.partition("--")[0] in text
        assert "Nothing was changed." in text


def test_names_come_out_the_same_from_raw_and_from_formatted_answers() -> None:
    for version in ("4.4", "5.1"):
        raw = shapes.listing(
            answer_of(version, "core_course_get_courses_by_field--leastpriv-settingraw"), "en"
        )
        formatted = shapes.listing(answer_of(version, "core_course_get_courses_by_field--leastpriv-id"), "en")
        for seen in (raw, formatted):
            (course,) = seen.courses.values()
            assert (course.fullname, course.shortname) == ("Algorithms & Data Structures", "ALG&DS")
            assert course.custom_fields["matrix_room_name"] == 'Algo "A&D" röom 1 < 2'
            assert course.custom_fields["matrix_room_topic"] == "Topic with bold & ümläut"
            assert course.idnumber == ""
            assert course.end is not None


def test_a_checkbox_is_its_raw_value_and_a_date_of_zero_is_none() -> None:
    seen = shapes.listing(answer_of("5.1", "core_course_get_courses_by_field--leastpriv-all"), "en")
    assert {course.custom_fields["matrix_enabled"] for course in seen.courses.values()} == {"0", "1"}
    assert {course.custom_field_types["matrix_enabled"] for course in seen.courses.values()} == {"checkbox"}
    database = next(course for course in seen.courses.values() if course.shortname == "DB1")
    assert database.fullname == "Datenbanken Übung 日本語"
    assert database.end is None
    assert database.group_mode == 2


def test_the_room_that_moodle_made_itself_is_seen() -> None:
    answer = answer_of("5.1", "core_course_get_courses_by_field--communication-customlink")
    (course,) = shapes.listing(answer, "en").courses.values()
    assert course.own_room_url.startswith("https://")


def test_groups_and_roles_of_a_roster_are_read() -> None:
    found = shapes.roster(answer_of("4.4", "core_enrol_get_enrolled_users--leastpriv-userfields"), "en")
    assert "Tutorial A & B" in {group.name for group in found.groups}
    assert {"editingteacher", "student"} <= {
        role for enrolment in found.enrolments for role in enrolment.roles
    }
    assert any(not enrolment.roles for enrolment in found.enrolments)
    assert any(len(enrolment.roles) == 2 for enrolment in found.enrolments)


def test_the_raw_value_of_a_profile_field_is_taken_and_only_where_asked_for() -> None:
    answer = answer_of("4.4", "core_user_get_users_by_field--leastpriv-id")
    by_id = {account.id: account.person for account in shapes.accounts(answer, ["matrixid"])}
    person = by_id[min(by_id)]
    assert person is not None
    assert dict(person.profile_fields) == {"matrixid": "@student01:lab.example"}
    assert all(
        account.person and not account.person.profile_fields for account in shapes.accounts(answer, [])
    )


def test_a_category_knows_its_way_down_from_the_top() -> None:
    found = shapes.categories(answer_of("4.4", "core_course_get_categories--leastpriv"), "en")
    deepest = max(found.values(), key=lambda category: len(category.path))
    assert deepest.path[-1] == deepest.id
    assert deepest.parent == deepest.path[-2]
    assert found[deepest.path[0]].name == "Faculty of Science & Engineering"


def test_announcements_come_out_as_their_authors_wrote_them() -> None:
    forum = Forum(ForumId(9), CourseId(2), ModuleId(11), 4)
    answer = answer_of("5.1", "mod_forum_get_forum_discussions--reader-without-accessallgroups")
    posts = {post.discussion_id: post for post in content_shapes.announcements(answer, forum, "en")}
    exam = posts[DiscussionId(13)]
    assert (exam.id, exam.subject, exam.author) == (14, "Exam date & room fixed", "Teach1 Prof1")
    assert (exam.mailed, exam.pinned, exam.starts, exam.ends, exam.group_id) == (True, False, None, None, -1)
    files = [(one.name, one.content_type, one.size) for one in posts[DiscussionId(20)].files]
    assert files == [("pic.png", "image/png", 70), ("Aufgabe 1  2.txt", "text/plain", 5)]


def test_a_post_that_does_not_say_for_whom_it_is_breaks_the_answer() -> None:
    forum = Forum(ForumId(9), CourseId(2), ModuleId(11), 4)
    answer: Any = answer_of("5.1", "mod_forum_get_forum_discussions--news-db")
    del answer["discussions"][0]["groupid"]
    with pytest.raises(errors.BadAnswer):
        content_shapes.announcements(answer, forum, "en")


def test_only_dates_of_activities_that_may_be_opened_are_read() -> None:
    answer = answer_of("5.1", "core_course_get_contents--reader-restricted-shown")
    found = {(date.module_id, date.name_of_date): date for date in content_shapes.dates(answer, "en")}
    assert sorted(found) == [(16, "allowsubmissionsfromdate"), (16, "duedate"), (20, "duedate")]
    assert found[ModuleId(16), "duedate"].name == "Sheet 1 & more"
    assert found[ModuleId(16), "duedate"].url.endswith("/mod/assign/view.php?id=16")


def test_what_a_reader_sees_too_much_is_told_by_recorded_answers() -> None:
    everything = answer_of("5.1", "core_course_get_contents--reader-without-accessallgroups")
    assert content_shapes.hidden_but_open(everything) == []
    assert content_shapes.with_separate_groups(everything) == [11]
    hidden: Any = everything
    hidden[0]["modules"][2]["visible"] = 0
    assert "Sheet 1 & more" in content_shapes.hidden_but_open(hidden)[0]
