"""What differs between the Moodle versions that the sandbox can be.

One frozen record per version; code asks the record for a behaviour and never compares version numbers. The
behaviours were measured on Moodle 4.4dev (20231124) and 5.1.3, of which the recorded answers in the tests speak.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Version:
    """The behaviour of one Moodle version."""

    name: str
    release: str
    number: str
    plugin_number: str
    docs_branch: str
    namespaced_exceptions: bool
    """`core\\exception\\moodle_exception` instead of `moodle_exception` (since 4.5)."""
    hides_missing_table: bool
    """A missing record is `invalidrecordunknown` and its table is not named while debugging is off (5.1)."""
    debug_in_message: bool
    """With debugging on, the message ends with the debug info in brackets (before 4.5)."""
    names_without_viewfullnames: bool
    """`firstname` and `lastname` come without moodle/site:viewfullnames (since 4.5)."""
    rounds_own_courses: bool
    """`enrolledcourses` is reckoned with a time rounded to 100 s, as `onlyactive` is in every version."""
    empty_textarea: str | None
    """`value` of a course custom field of type textarea that is not set."""
    has_trackforums: bool
    has_sectionid: bool
    has_communication: bool
    has_policyagreed: bool
    features: tuple[str, ...]
    reports_lack: frozenset[str]
    """Sources, columns and conditions of reports that the version does not have (yet, or any longer)."""
    report_details: tuple[str, ...]
    """Which of `tags` and `customfields` the details of a report hold."""
    counts_past_end: bool
    """Past the end of a report `totalrowcount` is its number of rows, not 0 (before 5.0)."""
    group_visible_to_all: str
    """How a report words that anybody may see a group."""
    names_who_refuses_messages: bool
    """A message that a person's settings refuse is refused with the person's name (4.4)."""
    report_errors: str
    """The namespace of the exceptions of the report builder."""


_FEATURES = (
    "usecomments",
    "usetags",
    "enablenotes",
    "messaging",
    "enableblogs",
    "enablecompletion",
    "enablebadges",
    "messagingallusers",
    "enablecustomreports",
    "enableglobalsearch",
    "mnet_dispatcher_mode",
)

_SINCE_5_1 = frozenset({"course:url", "user:firstaccess"})
_SINCE_4_5 = frozenset(
    {
        "core_role\\reportbuilder\\datasource\\roles",
        "course:timecreated",
        "course:timemodified",
        "user:lang",
        "user:auth",
        "user:timemodified",
        "role:originalname",
        "role:archetype",
    }
)

FEATURES_OFF = frozenset({"messagingallusers", "enableglobalsearch", "mnet_dispatcher_mode"})

MOODLE_4_4 = Version(
    name="4.4",
    release="4.4dev (Build: 20231124)",
    number="2023112400",
    plugin_number="2023100900",
    docs_branch="404",
    namespaced_exceptions=False,
    hides_missing_table=False,
    debug_in_message=True,
    names_without_viewfullnames=False,
    rounds_own_courses=True,
    empty_textarea="",
    has_trackforums=False,
    has_sectionid=False,
    has_communication=False,
    has_policyagreed=False,
    features=_FEATURES,
    reports_lack=_SINCE_4_5 | _SINCE_5_1,
    report_details=(),
    counts_past_end=True,
    group_visible_to_all="Visible to everyone",
    names_who_refuses_messages=True,
    report_errors="core_reportbuilder",
)

MOODLE_5_1 = Version(
    name="5.1",
    release="5.1.3 (Build: 20260216)",
    number="2025100603",
    plugin_number="2025100601",
    docs_branch="501",
    namespaced_exceptions=True,
    hides_missing_table=True,
    debug_in_message=False,
    names_without_viewfullnames=True,
    rounds_own_courses=False,
    empty_textarea=None,
    has_trackforums=True,
    has_sectionid=True,
    has_communication=True,
    has_policyagreed=True,
    features=(*_FEATURES, "enablecompetencies"),
    reports_lack=frozenset({"enrolment:method", "enrolment:role"}),
    report_details=("tags", "customfields"),
    counts_past_end=False,
    group_visible_to_all="Visible",
    names_who_refuses_messages=False,
    report_errors="core_reportbuilder\\exception",
)

VERSIONS = {version.name: version for version in (MOODLE_4_4, MOODLE_5_1)}
