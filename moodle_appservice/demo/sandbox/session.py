"""One request's view of the site: who asks, with which rights and settings, and at what time.

Functions ask the session instead of the rights or the clock, so that a request sees one moment. The questions have
Moodle's names: `allows` is `has_capability`, `require` is `require_capability`, `enter` is `validate_context` of a
course, `name` and `description` are the external formatting that honours `moodlewssettingraw`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import rights
from .activities import Activities
from .errors import MissingRecord, MoodleError, course_not_valid, login_required, no_permission
from .records import SITE_COURSE_ID, Course, GroupMode
from .site import Site
from .text import format_string, format_text
from .university import University
from .versions import Version

FORMAT_HTML = 1


@dataclass(frozen=True)
class Session:
    """The caller's view; see the module's docstring."""

    site: Site
    now: int
    raw: bool = False
    timezone: str = ""

    @property
    def university(self) -> University:
        """The model behind the site."""
        return self.site.university

    @property
    def activities(self) -> Activities:
        """Forums and dates in the courses."""
        return self.site.activities

    @property
    def version(self) -> Version:
        """The Moodle version that the site plays."""
        return self.site.version

    @property
    def user(self) -> int:
        """The id of the calling account."""
        return self.site.service_user

    @property
    def now_for_lists(self) -> int:
        """The time that `onlyactive` counts with: rounded to 100 s, half up, to help the database's cache."""
        return (self.now + 50) // 100 * 100

    def with_raw(self, raw: bool) -> Session:
        """The same view with another setting for raw texts (the bulk function sets it per call)."""
        return replace(self, raw=raw)

    def allows(self, capability: str, course: Course | None = None) -> bool:
        """Whether the caller holds the capability in the course, or at the system."""
        return self.site.rights.allows(capability, self.university.path_of(course) if course else ())

    def allows_in_category(self, capability: str, category: int) -> bool:
        """Whether the caller holds the capability in the category."""
        return self.site.rights.allows(capability, self.university.categories[category].path)

    def require(self, capability: str, course: Course | None = None) -> None:
        """Fail with `nopermissions` without the capability."""
        if not self.allows(capability, course):
            raise no_permission(capability)

    def course(self, courseid: int) -> Course:
        """The course with that id, entered; fails as functions about one course do."""
        course = self.university.courses.get(courseid)
        if course is None:
            raise MissingRecord(
                "course", f"SELECT * FROM {{course}} WHERE id = ?\n[array (\n  0 => {courseid},\n)]"
            )
        try:
            self.enter(course)
        except MoodleError as failure:
            raise course_not_valid(courseid, failure.message) from None
        return course

    def enter(self, course: Course) -> None:
        """Fail unless the caller may be in the course (Moodle: `require_login` with `preventredirect`)."""
        if course.id == SITE_COURSE_ID:
            return
        if not course.visible and not self.allows(rights.VIEW_HIDDEN_COURSES, course):
            raise login_required("Course is hidden")
        if not self.allows(rights.COURSE_VIEW, course) and not self.university.active(
            course.id, self.user, self.now
        ):
            raise login_required("Not enrolled")

    def shares_group(self, course: Course, user: int) -> bool:
        """Whether separate groups let the caller see the person (Moodle: `groups_user_groups_visible`)."""
        if course.groupmode != GroupMode.SEPARATE or self.allows(rights.ACCESS_ALL_GROUPS, course):
            return True
        return any(self.user in group.members for group in self.university.groups_in(course.id, user))

    def name(self, text: str) -> str:
        """A name as this caller wants it (Moodle: `external_format_string`)."""
        return text if self.raw else format_string(text)

    def description(self, text: str, form: int) -> tuple[str, int]:
        """A description and its format as this caller wants it (Moodle: `external_format_text`)."""
        if not text or self.raw:
            return text, form
        return format_text(text), FORMAT_HTML
