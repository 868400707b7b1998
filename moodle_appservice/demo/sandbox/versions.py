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
)

VERSIONS = {version.name: version for version in (MOODLE_4_4, MOODLE_5_1)}
