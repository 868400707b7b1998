"""What the service user is allowed to do, and where.

A right is a Moodle capability held at the system or in one category; a capability held in a category counts in all
that lies below it. A course's context is given by the ids of the categories above it (`path`). Rights can be
changed while the sandbox runs: the next request sees the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

REST_USE = "webservice/rest:use"
COURSE_VIEW = "moodle/course:view"
COURSE_UPDATE = "moodle/course:update"
VIEW_HIDDEN_COURSES = "moodle/course:viewhiddencourses"
VIEW_PARTICIPANTS = "moodle/course:viewparticipants"
SITE_VIEW_PARTICIPANTS = "moodle/site:viewparticipants"
ENROL_REVIEW = "moodle/course:enrolreview"
USER_VIEW_DETAILS = "moodle/user:viewdetails"
USER_VIEW_ALL_DETAILS = "moodle/user:viewalldetails"
ACCESS_ALL_GROUPS = "moodle/site:accessallgroups"
VIEW_HIDDEN_GROUPS = "moodle/course:viewhiddengroups"
MANAGE_GROUPS = "moodle/course:managegroups"
VIEW_HIDDEN_CATEGORIES = "moodle/category:viewhiddencategories"
CATEGORY_MANAGE = "moodle/category:manage"
VIEW_COURSE_LIST = "moodle/category:viewcourselist"
VIEW_USER_IDENTITY = "moodle/site:viewuseridentity"
VIEW_FULL_NAMES = "moodle/site:viewfullnames"
VIEW_HIDDEN_USER_FIELDS = "moodle/course:viewhiddenuserfields"
VIEW_HIDDEN_DETAILS = "moodle/user:viewhiddendetails"
COURSE_USER_EMAIL = "moodle/course:useremail"
VIEW_DISCUSSION = "mod/forum:viewdiscussion"
VIEW_HIDDEN_TIMED_POSTS = "mod/forum:viewhiddentimedposts"
VIEW_HIDDEN_ACTIVITIES = "moodle/course:viewhiddenactivities"
ROLE_REVIEW = "moodle/role:review"
REPORT_VIEW = "moodle/reportbuilder:view"
REPORT_VIEW_ALL = "moodle/reportbuilder:viewall"
USER_UPDATE = "moodle/user:update"
SEND_MESSAGE = "moodle/site:sendmessage"
MESSAGE_ANY_USER = "moodle/site:messageanyuser"
MAINTENANCE_ACCESS = "moodle/site:maintenanceaccess"

LEAST_PRIVILEGE = frozenset(
    {
        REST_USE,
        COURSE_VIEW,
        VIEW_HIDDEN_COURSES,
        ENROL_REVIEW,
        USER_VIEW_DETAILS,
        ACCESS_ALL_GROUPS,
        USER_VIEW_ALL_DETAILS,
        VIEW_HIDDEN_CATEGORIES,
    }
)
"""The read-only capabilities that a sync user needs; the sandbox starts with them."""

CONTENT_READER = frozenset(
    {
        REST_USE,
        COURSE_VIEW,
        VIEW_DISCUSSION,
        *(f"mod/{kind}:view" for kind in ("assign", "quiz", "choice", "lesson", "workshop", "feedback")),
    }
)
"""What the weaker account holds that reads what participants read."""

_EVERY_USER = frozenset({VIEW_COURSE_LIST, REPORT_VIEW, SEND_MESSAGE})

_TITLES = {
    COURSE_VIEW: "View courses without participation",
    COURSE_UPDATE: "Update course settings",
    VIEW_HIDDEN_COURSES: "View hidden courses",
    VIEW_PARTICIPANTS: "View participants",
    SITE_VIEW_PARTICIPANTS: "View participants",
    ENROL_REVIEW: "Review course enrolments",
    ACCESS_ALL_GROUPS: "Access all groups",
    MANAGE_GROUPS: "Manage groups",
    ROLE_REVIEW: "Review permissions for others",
    USER_UPDATE: "Update user profiles",
    SEND_MESSAGE: "Send messages to any user",
}


def title_of(capability: str) -> str:
    """The English name of a capability, the only trace of it in a `nopermissions` message."""
    return _TITLES.get(capability, capability)


class Rights:
    """The service user's capabilities; see the module's docstring."""

    def __init__(self, system: Iterable[str] = LEAST_PRIVILEGE) -> None:
        """Hold `system` at the system and nothing in any category."""
        self.system: set[str] = set(system)
        self.categories: dict[int, set[str]] = {}
        self.everybody: set[str] = set(_EVERY_USER)

    def grant(self, *capabilities: str) -> None:
        """Add capabilities at the system."""
        self.system.update(capabilities)

    def revoke(self, *capabilities: str) -> None:
        """Take capabilities away, at the system and in every category, for every account."""
        for held in (self.system, self.everybody, *self.categories.values()):
            held.difference_update(capabilities)

    def only(self, *capabilities: str) -> None:
        """Hold exactly these, at the system."""
        self.system = set(capabilities)
        self.categories.clear()

    def grant_in_category(self, category: int, *capabilities: str) -> None:
        """Add capabilities in one category and all below it."""
        self.categories.setdefault(category, set()).update(capabilities)

    def allows(self, capability: str, path: Sequence[int] = ()) -> bool:
        """Whether the capability is held at the system or in a category of `path`."""
        if capability in self.system or capability in self.everybody:
            return True
        return any(capability in self.categories.get(category, ()) for category in path)
