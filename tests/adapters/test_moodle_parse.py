"""Moodle's text and Moodle's JSON: what becomes of names, and that nothing whatever crashes the reading."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moodle_appservice.domain.model import CourseId, GroupId, MoodleUserId, Role
from moodle_appservice.moodle import bulk, errors, shapes
from moodle_appservice.moodle.answer import Json, Reply, read_answer, text_decoder
from moodle_appservice.moodle.parse import collapse, plain_text

TWO = '<span lang="de" class="multilang">Einführung</span> <span class="multilang" lang="en">Introduction</span>'
BLOCKS = "{mlang de}Einführung{mlang}{mlang en}Introduction{mlang}{mlang other}Intro{mlang} 101"


@pytest.mark.parametrize(
    ("moodle", "plain"),
    [
        ("Algorithms & Data <b>Structures</b>", "Algorithms & Data Structures"),
        ("Algorithms &amp; Data Structures", "Algorithms & Data Structures"),
        ("&amp;amp; stays &amp;", "&amp; stays &"),
        ("A &lt;b&gt; C", "A <b> C"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("R&D and A&copy and &#39;x&#039;", "R&D and A&copy and 'x'"),
        ("  two\t\nlines\u00a0here  ", "two lines here"),
        ("<p>One</p><p>Two<br/>Three</p>", "One Two Three"),
        ("a<script>alert(1)</script>b<!-- c -->d", "a b d"),
        ("データ構造-Ω 🎓 Структуры עברית", "データ構造-Ω 🎓 Структуры עברית"),
        ("nul\x00bell\x07half\ud800end", "nul bell half end"),
        ("", ""),
    ],
)
def test_a_name_is_unescaped_once_without_tags_on_one_line(moodle: str, plain: str) -> None:
    assert plain_text(moodle) == plain


@pytest.mark.parametrize(
    ("moodle", "language", "plain"),
    [
        (TWO, "de", "Einführung"),
        (TWO, "de_ch", "Einführung"),
        (TWO, "DE-at", "Einführung"),
        (TWO, "en", "Introduction"),
        (TWO, "fr", "Einführung"),
        (f"{TWO} to {TWO}", "en", "Introduction to Introduction"),
        ('<span lang="de" class="multilang">Nur</span> eine', "en", "Nur eine"),
        ('<span class="x">kept</span>', "en", "kept"),
        (BLOCKS, "de", "Einführung 101"),
        (BLOCKS, "fr", "Intro 101"),
        ("{mlang de}A{mlang} x {mlang en}B{mlang}", "en", "x B"),
        ("{mlang de, at}A{mlang}{mlang es}B{mlang}", "fr", "A"),
        ("{MLANG en}A{MLANG}", "en", "A"),
        ("{mlang de}never closed", "en", "{mlang de}never closed"),
        ("about multilang spans", "en", "about multilang spans"),
    ],
)
def test_a_name_in_several_languages_is_taken_in_ours(moodle: str, language: str, plain: str) -> None:
    assert plain_text(moodle, language) == plain


def test_a_very_long_text_is_cut_before_it_is_looked_at() -> None:
    assert len(plain_text("<span " * 100_000)) <= 10_000


@given(st.text())
def test_any_text_becomes_one_clean_line(text: str) -> None:
    plain = plain_text(text)
    plain.encode()
    assert plain == collapse(plain)


def course_row(**more: Any) -> dict[str, Any]:
    row = {
        "id": "7",
        "fullname": "F",
        "shortname": "S",
        "categoryid": "3",
        "format": "topics",
        "visible": "1",
    }
    return {**row, "startdate": 0, "enddate": "0", "unknown": [1], **more}


def test_ids_may_be_digits_and_unknown_fields_are_ignored() -> None:
    seen = shapes.listing({"courses": [course_row()]}, "en")
    course = seen.courses[CourseId(7)]
    assert (course.category_id, course.visible, course.start, course.end, course.own_room_url) == (
        3,
        True,
        None,
        None,
        "",
    )


@pytest.mark.parametrize("missing", ["format", "visible", "startdate"])
def test_a_course_seen_from_the_outside_is_unreadable_and_not_empty(missing: str) -> None:
    row = course_row()
    del row[missing]
    seen = shapes.listing({"courses": [row]}, "en")
    assert (dict(seen.courses), dict(seen.unreadable)) == ({}, {7: "F"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ({"type": "select", "valueraw": 2, "value": "on &amp; off"}, "on & off"),
        ({"type": "select", "valueraw": 0, "value": None}, ""),
        ({"type": "checkbox", "valueraw": 1, "value": "Ja"}, "1"),
        ({"type": "checkbox", "valueraw": "0", "value": "Nein"}, "0"),
        ({"type": "checkbox", "valueraw": None, "value": None}, "0"),
        ({"type": "text", "valueraw": "A & B 1 < 2", "value": '<a href="x">A &amp; B</a>'}, "A & B 1 < 2"),
        ({"type": "text", "valueraw": "", "value": None}, ""),
        ({"type": "text", "value": '<a href="x">A &amp; B</a>'}, "A & B"),
        ({"type": "textarea", "valueraw": "<script>x</script>", "value": "<p>T</p><p>U</p>"}, "T U"),
        ({"type": "date", "valueraw": 1790000000, "value": "21 September 2026"}, "21 September 2026"),
        ({"type": "number", "valueraw": 3.5, "value": 3.5}, "3.5"),
        ({"type": "new", "value": [1]}, ""),
    ],
)
def test_a_custom_field_is_what_a_person_reads(field: dict[str, Any], text: str) -> None:
    row = course_row(customfields=[{"shortname": "f", "name": "F", **field}])
    (course,) = shapes.listing({"courses": [row]}, "en").courses.values()
    assert dict(course.custom_fields) == {"f": text}
    assert dict(course.custom_field_types) == {"f": field["type"]}


def test_a_person_listed_twice_has_one_place_with_all_roles_and_groups() -> None:
    rows: list[Json] = [
        {"id": 4, "username": "a", "roles": [{"shortname": "student"}], "groups": [{"id": 9, "name": "G"}]},
        {"id": 4, "username": "a", "roles": [{"shortname": "teacher"}], "groups": [{"id": 8, "name": "H"}]},
        {"id": 3, "username": "b", "roles": []},
    ]
    found = shapes.roster(rows, "en")
    assert [enrolment.user_id for enrolment in found.enrolments] == [3, 4]
    assert found.enrolments[1].roles == {Role("student"), Role("teacher")}
    assert found.enrolments[1].groups == {GroupId(8), GroupId(9)}


@pytest.mark.parametrize(
    ("missing", "usable"),
    [("suspended", False), ("confirmed", False), ("username", False), ("auth", False), ("email", True)],
)
def test_an_account_without_its_state_is_no_person(missing: str, usable: bool) -> None:
    row: dict[str, Json] = {
        "id": 5, "username": "u", "fullname": " U  V ", "suspended": 0, "confirmed": 1, "auth": "manual", "email": "e",
    }  # fmt: skip
    del row[missing]
    (account,) = shapes.accounts([row], [])
    assert (account.person is not None) is usable
    assert account.missing == (set() if usable else {missing})
    if account.person:
        assert (account.person.full_name, account.person.usable) == ("U V", True)


def test_before_moodle_4_4_a_profile_field_came_as_html() -> None:
    old = {"shortname": "mx", "value": '<a href="https://matrix.to/#/@a:b">@a:b</a>'}
    new = {"shortname": "mx", "value": "@a:b ", "displayvalue": "<a>@a:b</a>"}
    fields: list[dict[str, Json]] = [{**old}, {**new}]
    for field in fields:
        row: dict[str, Json] = {
            "id": 5, "username": "u", "suspended": False, "confirmed": True, "auth": "a", "customfields": [field],
        }  # fmt: skip
        (account,) = shapes.accounts([row], ["mx"])
        assert account.person is not None
        assert dict(account.person.profile_fields) == {"mx": "@a:b"}


@pytest.mark.parametrize(
    "answer", [None, False, True, "x", 3, {}, {"courses": None}, {"courses": False}, [None]]
)
def test_what_is_no_list_is_an_error_and_not_an_empty_site(answer: Json) -> None:
    with pytest.raises(errors.BadAnswer):
        shapes.listing(answer, "en")


def site_info(answer: Json) -> object:
    return shapes.site_info(answer, "en")


def listing(answer: Json) -> object:
    return shapes.listing(answer, "en")


def categories(answer: Json) -> object:
    return shapes.categories(answer, "en")


def roster(answer: Json) -> object:
    return shapes.roster(answer, "en")


def accounts(answer: Json) -> object:
    return shapes.accounts(answer, ["mx"])


def bulk_answer(answer: Json) -> object:
    return bulk.decode_bulk([("f", {}), ("g", {})], answer)


KEYS = st.sampled_from(
    [
        *("id", "courses", "functions", "name", "shortname", "type", "value", "valueraw", "groups", "roles"),
        *("responses", "error", "data", "exception", "errorcode", "message", "debuginfo", "customfields"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1", "-1", "/2/3", "7"])
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=12)
    ),
    max_leaves=40,
)
NEARLY = st.fixed_dictionaries(
    dict.fromkeys(("id", "fullname", "shortname", "categoryid", "format", "visible", "name"), SCALARS),
    optional={
        **dict.fromkeys(
            ("startdate", "username", "suspended", "confirmed", "auth", "path", "parent"), SCALARS
        ),
        **dict.fromkeys(("customfields", "roles", "groups"), ANY_JSON),
    },
)


@pytest.mark.parametrize("parse", [site_info, listing, categories, roster, accounts, bulk_answer])
@given(
    answer=ANY_JSON
    | st.lists(NEARLY, max_size=3)
    | st.fixed_dictionaries({"courses": st.lists(NEARLY, max_size=3)})
)
def test_any_json_is_facts_or_a_moodle_error(parse: Callable[[Json], object], answer: Json) -> None:
    try:
        parse(answer)
    except errors.MoodleError:
        pass


@given(
    status=st.sampled_from([200, 200, 200, 204, 301, 403, 404, 429, 500, 502, 503]),
    body=st.binary() | st.text().map(str.encode) | ANY_JSON.map(lambda value: json.dumps(value).encode()),
    start=st.sampled_from(
        [b"", b"\xef\xbb\xbf", b"<br />\n<b>Warning</b>:  x in <b>y</b> on line <b>3</b><br />\n"]
    ),
)
def test_any_reply_is_an_answer_or_a_moodle_error(status: int, body: bytes, start: bytes) -> None:
    try:
        read_answer("f", Reply(status, text_decoder().decode(start + body, final=True)), set())
    except errors.MoodleError as error:
        str(error).encode()


@given(text=st.text(), start=st.sampled_from([b"", b"\xef\xbb\xbf"]), size=st.integers(1, 5))
def test_text_is_the_same_in_whatever_pieces_it_comes(text: str, start: bytes, size: int) -> None:
    body, decoder = start + text.encode(), text_decoder()
    pieces = [decoder.decode(body[at : at + size]) for at in range(0, len(body), size)]
    assert "".join(pieces) + decoder.decode(b"", final=True) == text.removeprefix(
        "\ufeff" if not start else ""
    )


def test_the_people_of_a_page_keep_their_order() -> None:
    assert shapes.user_ids([{"id": 9}, {"id": "3"}]) == [MoodleUserId(9), MoodleUserId(3)]
