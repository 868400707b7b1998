"""Answers as PHP, proxies and other versions of Moodle bend them: the same facts or an error, never fewer people."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from moodle_appservice.moodle import bulk, errors, shapes
from moodle_appservice.moodle.answer import Json, named_error
from tests.adapters.test_moodle_client import moodle, says

SITE = shapes.SITE_INFO
INFO: dict[str, Json] = {
    "siteurl": "https://m.example", "sitename": "M", "release": "5.1", "userid": 9, "functions": [{"name": "f"}],
}  # fmt: skip
COURSE: dict[str, Json] = {
    "id": 7, "fullname": "F", "shortname": "S", "categoryid": 3, "format": "topics", "visible": 1, "startdate": 5,
    "enddate": 0, "groupmode": 1, "sortorder": 4,
    "customfields": [{"shortname": "f", "type": "text", "valueraw": "x", "value": "x"}],
}  # fmt: skip
CATEGORY: dict[str, Json] = {"id": 3, "name": "C", "parent": 0, "path": "/3", "sortorder": 1}
PLACE: dict[str, Json] = {
    "id": 5, "username": "u", "roles": [{"roleid": 5, "shortname": "student"}], "groups": [{"id": 8, "name": "G"}],
}  # fmt: skip
ACCOUNT: dict[str, Json] = {
    "id": 5, "username": "u", "fullname": "U", "suspended": False, "confirmed": True, "auth": "manual",
    "customfields": [{"shortname": "mx", "value": "@u:m"}],
}  # fmt: skip
GZIP = {"Content-Encoding": "gzip"}


def read(what: str, answer: Json) -> object:
    """What one of our functions makes of an answer."""
    match what:
        case "site":
            return shapes.site_info(answer, "en")
        case "courses":
            return shapes.listing(answer, "en")
        case "categories":
            return dict(shapes.categories(answer, "en"))
        case "places":
            return shapes.roster(answer, "en")
        case "ids":
            return shapes.user_ids(answer)
        case "accounts":
            return shapes.accounts(answer, ["mx"])
    raise AssertionError(what)


WHOLE: dict[str, Json] = {
    "site": INFO,
    "courses": {"courses": [COURSE], "warnings": []},
    "categories": [CATEGORY],
    "places": [PLACE],
    "ids": [PLACE],
    "accounts": [ACCOUNT],
}


def bent(answer: Json, numbers: bool) -> Json:
    """The same with numbers and truths as strings and digits, or with fields that nobody knows in every object."""
    if isinstance(answer, list):
        return [bent(one, numbers) for one in answer]
    if isinstance(answer, dict):
        more: dict[str, Json] = {} if numbers else {"new": {"deep": [1, None]}, "": False}
        return {**more, **{key: bent(value, numbers) for key, value in answer.items()}}
    if numbers and isinstance(answer, bool):
        return int(answer)
    return str(answer) if numbers and isinstance(answer, int) else answer


@pytest.mark.parametrize("what", WHOLE)
@pytest.mark.parametrize("numbers", [True, False], ids=["ids as strings", "new fields"])
def test_numbers_as_strings_and_unknown_fields_change_nothing(what: str, numbers: bool) -> None:
    assert read(what, bent(WHOLE[what], numbers)) == read(what, WHOLE[what])


@pytest.mark.parametrize("instead", [False, True, None, "", 0, {}], ids=repr)
@pytest.mark.parametrize("what", WHOLE)
def test_what_is_no_list_is_never_an_empty_one(what: str, instead: Json) -> None:
    if instead is None or instead is False or what not in ("site", "courses"):
        with pytest.raises(errors.BadAnswer, match=r"does not have the shape.*Nothing was changed"):
            read(what, instead)
    whole = WHOLE[what]
    inner = {"site": "functions", "courses": "courses"}.get(what)
    if inner is not None and isinstance(whole, dict):
        with pytest.raises(errors.BadAnswer, match=f"{inner}, which is no list"):
            read(what, {**whole, inner: instead})


@pytest.mark.parametrize("instead", [False, True, "", 0, {}], ids=repr)
@pytest.mark.parametrize(
    ("what", "row", "key"),
    [("places", PLACE, "roles"), ("places", PLACE, "groups"), ("courses", COURSE, "customfields")],
)
def test_what_is_no_list_inside_a_row_is_an_error_of_its_own(
    what: str, row: dict[str, Json], key: str, instead: Json
) -> None:
    broken: Json = {**row, key: instead}
    with pytest.raises(errors.BadAnswer, match=f"{key}, which is no list"):
        read(what, {"courses": [broken]} if what == "courses" else [broken])


@pytest.mark.parametrize(
    "name",
    [
        "moodle_exception", "core\\exception\\moodle_exception", "dml_missing_record_exception", "Error", "",
        "core_reportbuilder\\exception\\report_access_exception", None,
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("invalidrecord", errors.RecordMissing),
        ("invalidrecordunknown", errors.RecordMissing),
        ("nopermissions", errors.MissingCapability),
        ("errorreportview", errors.ReportNotShared),
        ("invalidtoken", errors.InvalidToken),
        ("something new", errors.OtherException),
        ("", errors.PhpException),
    ],
)
def test_only_the_error_code_says_what_it_is(
    name: str | None, code: str, error: type[errors.MoodleError]
) -> None:
    answer: dict[str, Json] = {"exception": name, "errorcode": code, "message": "m"}
    assert type(named_error(SITE, answer)) is error
    inside: Json = {"responses": [{"error": True, "exception": f'{{"errorcode":"{code}","message":"m"}}'}]}
    (outcome,) = bulk.decode_bulk([(SITE, {})], inside)
    assert type(outcome) is error


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (gzip.compress(str(list(range(50_000))).encode())[:-3000], GZIP, errors.AnswerCutShort),
        (b"no gzip at all", GZIP, errors.ConnectionLost),
        ('{"a":"Müller"}'.encode("utf-16"), {}, errors.WrongCharset),
        (b'{"a":"\xff\xfe"}', {}, errors.WrongCharset),
        (b"<!DOCTYPE html><html lang='de'><title>Wartung</title></html>", {}, errors.HtmlInsteadOfJson),
        (b"", {"Content-Type": "text/html"}, errors.EmptyAnswer),
    ],
)
async def test_a_body_that_went_wrong_on_its_way_is_named(
    body: bytes, headers: dict[str, str], error: type[errors.MoodleError]
) -> None:
    async with moodle(says(body, headers=headers), attempts=1) as client:
        with pytest.raises(errors.MoodleError, match="Nothing was changed") as caught:
            await client.call(SITE)
    assert type(caught.value) is error


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "nonsense"])
async def test_whatever_charset_the_header_claims_json_is_utf_8(charset: str) -> None:
    answer = says('{"sitename":"Größe データ"}'.encode(), content_type=f"application/json; charset={charset}")
    async with moodle(answer) as client:
        assert await client.call(SITE) == {"sitename": "Größe データ"}


LANGUAGES = '<span lang="de" class="multilang">R&amp;D-Labor</span><span lang="en" class="multilang">R&amp;D lab</span>'


@pytest.mark.parametrize(
    ("language", "plain"), [("de", "R&D-Labor <b>"), ("en", "R&D lab <b>"), ("pt_br", "R&D-Labor <b>")]
)
def test_every_name_is_in_the_language_of_the_configuration(language: str, plain: str) -> None:
    name: Any = f" {LANGUAGES}  &lt;b&gt;<i></i> "
    assert shapes.site_info({**INFO, "sitename": name}, language).name == plain
    (course,) = shapes.listing(
        {"courses": [{**COURSE, "fullname": name, "shortname": name}]}, language
    ).courses.values()
    assert (course.fullname, course.shortname) == (plain, plain)
    (category,) = shapes.categories([{**CATEGORY, "name": name}], language).values()
    assert category.name == plain
    (group,) = shapes.roster([{**PLACE, "groups": [{"id": 8, "name": name}]}], language).groups
    assert group.name == plain
