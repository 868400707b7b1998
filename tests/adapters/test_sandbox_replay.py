"""The sandbox answers exactly as the recorded Moodle does.

Every recorded answer of the functions that the sandbox has is asked for again and compared to the letter: status,
headers, keys in their order, values. The rebuilt site and each recording's setting are in `sandbox_recorded` and
`sandbox_settings`. Custom reports come in the order of a database; `sandbox_reports` says how they are compared.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.adapters import sandbox_content, sandbox_reports
from tests.adapters.sandbox_recorded import FIXTURES, Recorded, load
from tests.adapters.sandbox_settings import NOT_REBUILT, ORDINARY, SETTINGS

FUNCTIONS = (
    "core_webservice_get_site_info",
    "core_course_get_courses_by_field",
    "core_course_get_categories",
    "core_course_get_courses",
    "core_enrol_get_enrolled_users",
    "core_group_get_course_groups",
    "core_user_get_users_by_field",
    "core_user_update_users",
    "core_message_send_instant_messages",
    "tool_mobile_call_external_functions",
    "core_get_nonexistent",
    "core_role_unassign_roles",
    "core_reportbuilder_list_reports",
    "core_reportbuilder_retrieve_report",
    "core_reportbuilder_set_filters",
    "mod_forum_get_forums_by_courses",
    "mod_forum_get_forum_discussions",
    "core_course_get_contents",
)
CONTENT = sandbox_content.ORDINARY
RECORDED = [
    (version, path.stem)
    for version in ("4.4", "5.1")
    for path in sorted((FIXTURES / version).glob("*.json"))
    if path.stem.split("--")[0] in FUNCTIONS
]


def test_there_are_recordings_to_compare_with() -> None:
    assert len(RECORDED) > 235


def test_every_recording_has_a_setting_or_a_reason() -> None:
    known = SETTINGS.keys() | ORDINARY | NOT_REBUILT.keys() | sandbox_content.SETTINGS.keys() | CONTENT
    names = {name for _, name in RECORDED}
    assert names - known == set(), "recordings that nobody decided about"
    assert known - names == set(), "settings without a recording"
    assert not SETTINGS.keys() & ORDINARY
    assert len(NOT_REBUILT) <= 3


async def _ask(recorded: Recorded, request: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """Send the recorded request to the running sandbox, with its token."""
    token = recorded.sandbox.token if recorded.sent_token is None else recorded.sent_token
    params = [(name, token if name == "wstoken" else value) for name, value in request["params"]]
    address = recorded.sandbox.url + "/webservice/rest/server.php"
    method, data = request["method"], None
    if method == "POST":
        data = urlencode(params)
    else:
        address += f"?{urlencode(params)}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if data is not None else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, address, data=data, headers=headers) as response,
    ):
        return response.status, dict(response.headers), await response.text()


REBUILT = [case for case in RECORDED if case[1] not in NOT_REBUILT]


@pytest.mark.parametrize(("version", "name"), REBUILT, ids=str)
async def test_the_sandbox_answers_exactly_as_the_recorded_moodle_does(version: str, name: str) -> None:
    recording = load(version, name)
    recorded = Recorded(version)
    if name in SETTINGS:
        SETTINGS[name](recorded)
    if name in sandbox_content.SETTINGS or name in CONTENT:
        sandbox_content.with_content(recorded)
        sandbox_content.SETTINGS.get(name, sandbox_content.as_made)(recorded)
    async with recorded.sandbox:
        params = sandbox_reports.asking_for_all(name, recording["request"]["params"])
        status, headers, text = await _ask(recorded, {**recording["request"], "params": params})
    expected = recording["response"]
    assert status == expected["status"]
    assert {key: headers.get(key) for key in expected["headers"]} == expected["headers"]
    if name in sandbox_reports.COMPARED_BY_ROWS:
        sandbox_reports.compare(name, json.loads(text), expected["json"])
    elif "json" in expected:
        # The recorder's address is told in one message; ours is another.
        wanted = json.dumps(expected["json"]).replace("192.0.2.10", "127.0.0.1")
        assert json.loads(text) == json.loads(wanted)
        assert json.dumps(json.loads(text)) == wanted, "the keys come in another order"
    else:
        assert text == expected["text"]


async def test_an_expired_token_fails_otherwise_at_its_second_use() -> None:
    recorded = Recorded("5.1")
    SETTINGS["core_webservice_get_site_info--error-expired-token"](recorded)
    request = load("5.1", "core_webservice_get_site_info--error-expired-token")["request"]
    async with recorded.sandbox:
        codes = [json.loads((await _ask(recorded, request))[2])["errorcode"] for _ in range(2)]
    assert codes == ["accessexception", "invalidtoken"]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        (
            "core_reportbuilder_retrieve_report--forum-posts",
            f"core_reportbuilder_retrieve_report of {sandbox_reports.FORUMS}",
        ),
    ],
)
async def test_what_the_sandbox_cannot_answer_it_does_not_invent(name: str, missing: str) -> None:
    assert name in NOT_REBUILT
    recorded = Recorded("5.1")
    sandbox_reports.with_reports(recorded)
    async with recorded.sandbox:
        status, _, text = await _ask(recorded, load("5.1", name)["request"])
    assert (status, text) == (501, f"The sandbox does not answer the function {missing}.\n")
