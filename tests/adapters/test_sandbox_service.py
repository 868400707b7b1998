"""How the sandbox reads requests, checks the token, counts, keeps the time, and has accidents on demand."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from moodle_appservice.demo.sandbox import Fault, SandboxMoodle, Token
from moodle_appservice.demo.sandbox.seed import account
from moodle_appservice.demo.sandbox.wire import parse_form, php_json
from tests.adapters.sandbox_client import REST_PATH, ask, options, participants, post, usernames

INFO = "core_webservice_get_site_info"
USERS = "core_enrol_get_enrolled_users"


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ([("a", "1"), ("a", "2")], {"a": "2"}),
        ([("o[0][name]", "x"), ("o[0][value]", "y")], {"o": {"0": {"name": "x", "value": "y"}}}),
        ([("v[]", "x"), ("v[7]", "y"), ("v[]", "z")], {"v": {"0": "x", "7": "y", "8": "z"}}),
        ([("a.b c", "1")], {"a_b_c": "1"}),
        ([("a[b", "1")], {"a_b": "1"}),
        ([("a", "1"), ("a[b]", "2")], {"a": {"b": "2"}}),
    ],
)
def test_form_fields_are_read_as_php_reads_them(fields: list[tuple[str, str]], form: dict[str, Any]) -> None:
    assert parse_form(fields, 1000) == form


def test_json_is_written_as_php_writes_it() -> None:
    assert php_json({"a": ["é/", None, True, 1]}) == '{"a":["\\u00e9\\/",null,true,1]}'


async def test_fields_beyond_the_limit_are_lost_without_a_word() -> None:
    async with SandboxMoodle() as moodle:
        moodle.site.max_input_vars = 10
        wanted = sorted(moodle.university.people)[:20]
        fields = [(f"values[{place}]", user) for place, user in enumerate(wanted)]
        answer = await ask(moodle, "core_user_get_users_by_field", ("field", "id"), *fields)
    assert [row["id"] for row in answer.json] == wanted[:6]


async def test_a_json_body_is_not_read_and_multipart_is() -> None:
    async with SandboxMoodle() as moodle, aiohttp.ClientSession() as session:
        fields = {"wstoken": moodle.token, "wsfunction": INFO, "moodlewsrestformat": "json"}
        async with session.post(moodle.url + REST_PATH, json=fields) as response:
            assert "<ERRORCODE>invalidtoken</ERRORCODE>" in await response.text()
        with aiohttp.MultipartWriter("form-data") as body:
            for name, value in fields.items():
                body.append(value).set_content_disposition("form-data", name=name)
            async with session.post(moodle.url + REST_PATH, data=body) as response:
                assert (await response.json())["username"] == "matrixsync"


async def test_without_the_json_format_errors_are_xml_too() -> None:
    async with SandboxMoodle(version="5.1") as moodle:
        answer = await post(moodle, [("wstoken", "no"), ("wsfunction", INFO)])
    assert answer.content_type == "application/xml; charset=utf-8"
    assert '<EXCEPTION class="core\\exception\\moodle_exception">' in answer.text


@pytest.mark.parametrize(
    ("change", "errorcode"),
    [
        (lambda moodle: setattr(moodle.site, "token", None), "invalidtoken"),
        (
            lambda moodle: setattr(moodle.site, "token", Token(moodle.token, address="10.0.0.1")),
            "accessexception",
        ),
        (lambda moodle: setattr(moodle.site.service, "enabled", False), "accessexception"),
        (lambda moodle: setattr(moodle.site.service, "user_listed", False), "accessexception"),
        (lambda moodle: moodle.site.service.functions.remove(INFO), "accessexception"),
        (lambda moodle: setattr(_caller(moodle), "suspended", True), "wsaccessusersuspended"),
        (lambda moodle: setattr(_caller(moodle), "confirmed", False), "wsaccessuserunconfirmed"),
        (lambda moodle: setattr(_caller(moodle), "auth", "nologin"), "wsaccessusernologin"),
        (lambda moodle: moodle.university.delete_person(moodle.site.service_user), "wsaccessuserdeleted"),
    ],
)
async def test_the_door_is_shut_to(change: Any, errorcode: str) -> None:
    async with SandboxMoodle() as moodle:
        assert (await ask(moodle, INFO)).errorcode is None
        change(moodle)
        assert (await ask(moodle, INFO)).errorcode == errorcode


def _caller(moodle: SandboxMoodle) -> Any:
    return moodle.university.people[moodle.site.service_user]


async def test_a_call_without_function_or_with_wrong_lists_is_an_invalid_parameter() -> None:
    async with SandboxMoodle() as moodle:
        assert (await ask(moodle, "")).errorcode == "invalidparameter"
        assert (await ask(moodle, USERS, ("courseid", 2), ("options", "x"))).errorcode == "invalidparameter"
        assert (await ask(moodle, USERS, ("courseid[a]", 2))).errorcode == "invalidparameter"
        assert (await ask(moodle, USERS, ("courseid", " 2"))).errorcode == "invalidparameter"


async def test_requests_and_calls_are_counted() -> None:
    async with SandboxMoodle() as moodle:
        await ask(moodle, INFO)
        call = [("requests[{}][function]", INFO), ("requests[{}][arguments]", "{}")]
        fields = [(name.format(place), value) for place in range(3) for name, value in call]
        await ask(moodle, "tool_mobile_call_external_functions", *fields)
    assert moodle.counts == {INFO: 1, "tool_mobile_call_external_functions": 1}
    assert moodle.calls[INFO] == 4


async def test_a_bulk_call_stops_at_the_first_error_and_raw_is_set_per_call() -> None:
    calls = (
        ("core_course_get_courses_by_field", '{"field":"id","value":2}', "1"),
        ("core_course_get_courses_by_field", "not json", "0"),
        (USERS, '{"courseid":2,"options":[{"name":"sortby","value":"email"}]}', "0"),
        (INFO, "{}", "0"),
    )
    names = ("function", "arguments", "settingraw")
    fields = [
        (f"requests[{place}][{name}]", value)
        for place, call in enumerate(calls)
        for name, value in zip(names, call, strict=True)
    ]
    async with SandboxMoodle() as moodle:
        answer = await ask(moodle, "tool_mobile_call_external_functions", *fields)
    responses = answer.json["responses"]
    assert [response["error"] for response in responses] == [False, False, True]
    assert "Data <b>Structures" in responses[0]["data"].replace("\\/", "/")
    assert "Algorithms &amp; Data Structures" in responses[1]["data"]
    assert '"errorcode":"invalidparameter"' in responses[2]["exception"]


async def test_a_start_is_seen_when_the_rounded_time_has_passed_it() -> None:
    clock = Clock(1_800_000_040)
    async with SandboxMoodle(clock=clock) as moodle:
        user = account(moodle.university, "student099")
        moodle.university.enrol(user, 2, timestart=1_800_000_040)
        seen = []
        for clock.now in (1_800_000_043, 1_800_000_049, 1_800_000_050, 1_800_000_149):
            seen.append("student099" in await usernames(moodle, 2, onlyactive=1))
    assert seen == [False, False, True, True]


async def test_active_and_suspended_share_the_participants() -> None:
    async with SandboxMoodle() as moodle:
        everybody = await usernames(moodle, 2)
        active, rest = await usernames(moodle, 2, onlyactive=1), await usernames(moodle, 2, onlysuspended=1)
        disabled = await usernames(moodle, 3, onlysuspended=1)
    assert active | rest == everybody
    assert not active & rest
    assert rest == {"student021", "student022", "student023"}
    assert disabled == {"student051"}
    assert {"suspended1", "unconfirmed1", "nologin1"} <= active


async def test_the_order_and_the_page_of_participants_can_be_chosen() -> None:
    async with SandboxMoodle() as moodle:
        wish = {"sortby": "lastname", "sortdirection": "desc", "userfields": "lastname", "limitnumber": 5}
        rows = await participants(moodle, 2, **wish)
        bad = await ask(moodle, USERS, ("courseid", 2), *options(sortdirection="sideways"))
    names = [row["lastname"].casefold() for row in rows]
    assert (names, len(names)) == (sorted(names, reverse=True), 5)
    assert bad.errorcode == "invalidparameter"


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "start"),
    [
        (Fault.PHP_NOTICE, 200, "application/json", "<br />\n<b>Warning</b>"),
        (Fault.BAD_GATEWAY, 502, "text/html", "<html>"),
        (Fault.UNAVAILABLE, 503, "text/html", "<html>"),
        (Fault.EMPTY, 200, "application/json", ""),
        (Fault.FORBIDDEN, 403, "text/html; charset=utf-8", ""),
        (Fault.PHP_FATAL, 500, "text/html; charset=utf-8", ""),
        (Fault.CUT, 200, "application/json", '{"sitename":'),
        (Fault.DATABASE_DOWN, 200, "application/json", '{"exception":"dml_connection_exception"'),
        (Fault.MAINTENANCE, 200, "application/json", '{"exception":"core\\\\exception\\\\moodle_exception"'),
    ],
)
async def test_an_accident_happens_once_and_to_the_named_function_only(
    fault: Fault, status: int, content_type: str, start: str
) -> None:
    async with SandboxMoodle() as moodle:
        moodle.faults.fail(fault, function=INFO)
        other = await ask(moodle, "core_course_get_categories")
        struck, healed = await ask(moodle, INFO), await ask(moodle, INFO)
    assert other.errorcode is None
    assert (struck.status, struck.content_type) == (status, content_type)
    assert struck.text.startswith(start)
    assert bool(struck.text) == bool(start)
    assert healed.errorcode is None
    assert moodle.faults.waiting == 0


async def test_the_connection_can_end_in_the_middle() -> None:
    async with SandboxMoodle() as moodle:
        moodle.faults.fail(Fault.HANG_UP)
        with pytest.raises(aiohttp.ClientError):
            await ask(moodle, INFO)
        assert (await ask(moodle, INFO)).errorcode is None


async def test_an_answer_can_come_late() -> None:
    async with SandboxMoodle() as moodle:
        moodle.faults.fail(Fault.SLOW, seconds=60, times=None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(moodle, INFO), 0.1)
        moodle.faults.clear()
        assert (await ask(moodle, INFO)).errorcode is None


async def test_a_list_can_be_shortened_without_a_sign_also_inside_a_bulk_call() -> None:
    async with SandboxMoodle() as moodle:
        moodle.faults.fail(Fault.TRUNCATED, function=USERS, rows=3, times=2)
        assert len(await participants(moodle, 2)) == 3
        fields = (("requests[0][function]", USERS), ("requests[0][arguments]", '{"courseid":2}'))
        answer = await ask(moodle, "tool_mobile_call_external_functions", *fields)
        assert answer.json["responses"][0]["data"].count('"fullname"') < 60
        assert len(await participants(moodle, 2)) > 30


async def test_the_site_knows_another_address_when_told() -> None:
    async with SandboxMoodle(site_url="https://moodle.example.org") as moodle:
        assert (await ask(moodle, INFO)).json["siteurl"] == "https://moodle.example.org"


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    async with SandboxMoodle() as first:
        port = int(first.url.rpartition(":")[2])
        second = SandboxMoodle()
        with pytest.raises(OSError, match="address already in use"):
            await second.start(port=port)
        assert second.url == ""
