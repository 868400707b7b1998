"""The functions that the sandbox answers: name → what they accept and what they do.

`run` is the one way to call a function, from a request or from inside the bulk function: it counts the call, checks
the parameters as Moodle does, calls, and lets a scheduled fault shorten the list that comes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .category_answers import get_categories
from .contents_answers import get_config, get_contents
from .course_answers import get_courses, get_courses_by_field
from .errors import MissingRecord, NotAnswered
from .faults import Faults
from .forum_answers import get_forum_discussions, get_forums_by_courses
from .group_answers import get_course_groups
from .parameters import OPTIONAL, Many, Struct, Value, check
from .people_answers import get_enrolled_users, get_users_by_field
from .report_answers import list_reports, retrieve_report, set_filters
from .session import Session
from .site import UNANSWERED_FUNCTIONS
from .site_answers import call_external_functions, get_site_info
from .write_answers import send_instant_messages, update_users

BULK = "tool_mobile_call_external_functions"

_OPTION = Struct({"name": Value("alphanumext"), "value": Value("raw")})
_CRITERION = Struct({"key": Value("alpha"), "value": Value("raw")})
_PROFILE_FIELD = Struct({"type": Value("alphanumext"), "value": Value("raw")})
_CHANGED_USER = Struct({"id": Value("int"), "customfields": Many(_PROFILE_FIELD, OPTIONAL)})
_MESSAGE = Struct({"touserid": Value("int"), "text": Value("raw"), "textformat": Value("int", 0)})
_REQUEST = Struct(
    {
        "function": Value("alphanumext"),
        "arguments": Value("raw", "{}"),
        "settingraw": Value("bool", False),
        "settingfilter": Value("bool", False),
        "settingfileurl": Value("bool", True),
        "settinglang": Value("raw", ""),
    }
)


@dataclass(frozen=True)
class Function:
    """One web service function."""

    parameters: Struct
    call: Callable[..., Any]


FUNCTIONS = {
    "core_webservice_get_site_info": Function(
        Struct({"serviceshortnames": Many(Value("alphanumext"), [])}), get_site_info
    ),
    "core_course_get_courses": Function(
        Struct({"options": Struct({"ids": Many(Value("int"), OPTIONAL)}, {})}), get_courses
    ),
    "core_course_get_courses_by_field": Function(
        Struct({"field": Value("alpha", ""), "value": Value("raw", "")}), get_courses_by_field
    ),
    "core_course_get_categories": Function(
        Struct({"criteria": Many(_CRITERION, []), "addsubcategories": Value("bool", True)}), get_categories
    ),
    "core_group_get_course_groups": Function(Struct({"courseid": Value("int")}), get_course_groups),
    "core_enrol_get_enrolled_users": Function(
        Struct({"courseid": Value("int"), "options": Many(_OPTION, [])}), get_enrolled_users
    ),
    "core_user_get_users_by_field": Function(
        Struct({"field": Value("alpha"), "values": Many(Value("raw"))}), get_users_by_field
    ),
    "mod_forum_get_forums_by_courses": Function(
        Struct({"courseids": Many(Value("int"), [])}), get_forums_by_courses
    ),
    "mod_forum_get_forum_discussions": Function(
        Struct(
            {
                "forumid": Value("int"),
                "sortorder": Value("int", -1),
                "page": Value("int", -1),
                "perpage": Value("int", 0),
                "groupid": Value("int", 0),
            }
        ),
        get_forum_discussions,
    ),
    "core_course_get_contents": Function(
        Struct({"courseid": Value("int"), "options": Many(_OPTION, [])}), get_contents
    ),
    "tool_mobile_get_config": Function(Struct({"section": Value("alphanumext", "")}), get_config),
    "core_user_update_users": Function(Struct({"users": Many(_CHANGED_USER)}), update_users),
    "core_message_send_instant_messages": Function(
        Struct({"messages": Many(_MESSAGE)}), send_instant_messages
    ),
    "core_reportbuilder_list_reports": Function(
        Struct({"page": Value("int", 0), "perpage": Value("int", 10)}), list_reports
    ),
    "core_reportbuilder_retrieve_report": Function(
        Struct({"reportid": Value("int"), "page": Value("int", 0), "perpage": Value("int", 10)}),
        retrieve_report,
    ),
    "core_reportbuilder_set_filters": Function(
        Struct({"reportid": Value("int"), "parameters": Value("raw", ""), "values": Value("raw")}),
        set_filters,
    ),
}

_BULK_PARAMETERS = Struct({"requests": Many(_REQUEST)})


@dataclass
class Runner:
    """Calls functions and counts the calls; see the module's docstring."""

    faults: Faults
    calls: Counter[str] = field(default_factory=Counter)

    def run(self, session: Session, name: str, arguments: object) -> Any:
        """Call one function with unchecked arguments."""
        require_known(session, name)
        self.calls[name] += 1
        if name == BULK:
            checked = check(_BULK_PARAMETERS, arguments)
            return call_external_functions(session, checked["requests"], self.run)
        function = FUNCTIONS.get(name)
        if function is None:
            raise NotAnswered(name)
        answer = function.call(session, **check(function.parameters, arguments))
        rows = self.faults.rows_for(name)
        return answer if rows is None else _shortened(answer, rows)


def require_known(session: Session, name: str) -> None:
    """Fail as Moodle does for a function that does not exist at all."""
    if (
        name in FUNCTIONS
        or name == BULK
        or name in UNANSWERED_FUNCTIONS
        or name in session.site.service.functions
    ):
        return
    raise MissingRecord(
        "external_functions", f"SELECT * FROM {{external_functions}} WHERE name = ?\n[{name}]"
    )


def _shortened(answer: Any, rows: int) -> Any:
    """The answer with only its first rows, as if it were whole."""
    if isinstance(answer, list):
        return answer[:rows]
    if isinstance(answer, dict) and isinstance(answer.get("courses"), list):
        return {**answer, "courses": answer["courses"][:rows]}
    if isinstance(answer, dict) and "data" in answer:
        kept = answer["data"]["rows"][:rows]
        return {**answer, "data": {**answer["data"], "rows": kept, "totalrowcount": len(kept)}}
    return answer
