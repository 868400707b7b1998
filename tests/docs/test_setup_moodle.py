"""What the page on setting up Moodle says that `doctor` shows is what it shows of a Moodle in that state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from moodle_appservice.demo.sandbox import SandboxMoodle
from moodle_appservice.demo.sandbox.records import CourseField, FieldKind
from moodle_appservice.moodle.bulk import BULK
from tests.docs.moodle_steps import State, doctor
from tests.docs.test_docs import DOCS

TEXT = (DOCS / "setup-moodle.md").read_text(encoding="utf-8")
WITH_IDS = {"identity": {"profile_field": "matrixid", "profile_field_locked": True}}
WRITING = "core_user_update_users"


def _report_functions(moodle: SandboxMoodle) -> None:
    moodle.site.service.functions += [
        "core_reportbuilder_list_reports",
        "core_reportbuilder_retrieve_report",
    ]


def _without_reports(moodle: SandboxMoodle) -> None:
    _report_functions(moodle)
    moodle.reports.clear()


def _may_write(moodle: SandboxMoodle) -> None:
    moodle.site.service.functions.append(WRITING)
    moodle.rights.grant("moodle/user:update")


def _with_a_checkbox(moodle: SandboxMoodle) -> None:
    fields = moodle.university.course_fields
    fields["matrix_enabled"] = CourseField("matrix_enabled", "Matrix room", FieldKind.CHECKBOX)
    for course in moodle.university.courses.values():
        course.fields.pop("matrix_enabled", None)


def _with_an_own_room(moodle: SandboxMoodle) -> None:
    moodle.site.communication_enabled = True
    moodle.university.courses[4].communication = ("A room", "https://matrix.to/#/!a:example.org")


ALL_DONE = State()
NO_TOKEN = State(lambda moodle: setattr(moodle.site, "token", None))
BY_REPORTS = {"moodle": {"source": "reports"}}
STEPS: dict[str, Sequence[State]] = {
    "1. Switch web services on": [NO_TOKEN],
    "2. Make a role with the least rights": [
        ALL_DONE,
        State(lambda moodle: moodle.rights.revoke("moodle/user:viewdetails")),
    ],
    "3. Make the user": [State(lambda moodle: moodle.rights.only())],
    "4. Make the service and the token": [ALL_DONE],
    "5. Let teachers decide: course fields": [ALL_DONE],
    "6. Matrix ids that don't follow from the user name (optional)": [
        State(settings=WITH_IDS),
        State(lambda moodle: moodle.university.profile_fields.clear(), WITH_IDS),
    ],
    "Pictures as avatars (optional)": [
        State(
            lambda moodle: setattr(moodle.site.service, "downloadfiles", 1),
            {"accounts": {"follow_avatar": True}},
        )
    ],
    "On a large site: reports": [State(_report_functions, BY_REPORTS), State(_without_reports, BY_REPORTS)],
    "Groups and roles above the courses": [ALL_DONE],
    "Messages in Moodle": [
        State(lambda moodle: moodle.site.service.functions.append("core_message_send_instant_messages"))
    ],
    "Matrix ids in people's profiles": [
        State(_may_write, {"moodle": {"write_matrix_id": True}, "identity": {"profile_field": "matrixid"}}),
        State(_may_write),
    ],
    "What `doctor` shows": [ALL_DONE],
}
"""By heading: the state of which each block of the section, one after the other, tells."""
MISSING: dict[str, State] = {
    "web services or REST": State(lambda moodle: setattr(moodle.site, "rest_enabled", False)),
    "the token": NO_TOKEN,
    "`webservice/rest:use`, the authorised user, or a wrong IP restriction": State(
        lambda moodle: setattr(moodle.site.service, "user_listed", False)
    ),
    "a function": State(lambda moodle: moodle.site.service.functions.remove("core_user_get_users_by_field")),
    "`tool_mobile_call_external_functions`": State(lambda moodle: moodle.site.service.functions.remove(BULK)),
    "`moodle/course:view`": State(lambda moodle: moodle.rights.revoke("moodle/course:view")),
    "a right whose loss Moodle does not show": State(
        lambda moodle: moodle.rights.revoke("moodle/user:viewdetails")
    ),
    "any other right": State(lambda moodle: moodle.rights.revoke("moodle/course:enrolreview")),
    "nothing, but a right to change courses is there": State(
        lambda moodle: moodle.rights.grant("moodle/course:update")
    ),
    "nothing, but Moodle has rooms of its own": State(_with_an_own_room),
    "`matrix_enabled`, or it is not visible to everyone": State(
        lambda moodle: moodle.university.course_fields.clear()
    ),
    "the drop-down is a checkbox": State(_with_a_checkbox),
}


def sections() -> dict[str, str]:
    parts = re.split(r"(?m)^## (.*)$", TEXT)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def shown(section: str) -> list[list[str]]:
    """The lines of each block of a section."""
    return [block.splitlines() for block in re.findall(r"(?ms)^```text\n(.*?)^```$", sections()[section])]


def table() -> dict[str, str]:
    rows = re.findall(r"(?m)^\| (.*?) \| ([✗!] .*) \|$", sections()["What `doctor` shows"])
    return dict(rows)


def unseen(lines: Sequence[str], seen: Sequence[str]) -> list[str]:
    """Those of `lines`, in which `…` stands for anything, that are not among those seen."""
    patterns = {
        line: re.compile(".*".join(re.escape(part.strip()) for part in line.split("…"))) for line in lines
    }
    return [line for line, pattern in patterns.items() if not any(map(pattern.fullmatch, seen))]


def test_every_step_says_what_doctor_shows_after_it() -> None:
    assert {heading: len(shown(heading)) for heading in sections()} == {
        heading: len(states) for heading, states in STEPS.items()
    }
    assert table().keys() == MISSING.keys()


@pytest.mark.parametrize(
    ("heading", "number"),
    [(heading, number) for heading, states in STEPS.items() for number in range(len(states))],
)
async def test_doctor_shows_what_stands_after_a_step(heading: str, number: int, tmp_path: Path) -> None:
    seen = await doctor(STEPS[heading][number], tmp_path)
    assert unseen(shown(heading)[number], seen) == [], "\n".join(seen)


@pytest.mark.parametrize("missing", MISSING)
async def test_doctor_shows_what_the_page_says_when_something_is_missing(
    missing: str, tmp_path: Path
) -> None:
    seen = await doctor(MISSING[missing], tmp_path)
    assert unseen([table()[missing]], seen) == [], "\n".join(seen)
