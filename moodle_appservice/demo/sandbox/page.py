"""The page on which a visitor changes the university: plain forms that post and then redirect.

`/` lists the courses, `/course/view.php?id=N` (Moodle's own address, so that links to a course lead here) shows one,
and every button posts to `/course/N/<action>`. There is no login: whoever reaches the sandbox may change it. What
keeps other web sites from pressing the buttons is the check of `Origin` and `Sec-Fetch-Site`; what keeps names with
markup harmless is escaping and a content security policy that allows nothing but the page's own style.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from aiohttp import web

from . import page_html
from .page_html import ASSIGNABLE, STYLE_HASH, course_address
from .people_answers import clean_username
from .records import SITE_COURSE_ID, Course, CourseField, FieldKind
from .university import University

_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_Form = dict[str, list[str]]


class Page:
    """The page's routes over one university; see the module's docstring."""

    def __init__(self, university: University) -> None:
        """Show and change `university`."""
        self.university = university
        self._actions: dict[str, Callable[[Course, _Form], str]] = {
            "settings": self._settings,
            "enrol": self._enrol,
            "unenrol": self._unenrol,
            "suspend": self._suspend,
            "resume": self._resume,
            "role": self._role,
            "groups": self._groups,
            "account": self._account,
        }

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        app.router.add_get("/", self.start)
        app.router.add_get("/course/view.php", self.course)
        app.router.add_post(r"/course/{course:\d+}/{action}", self.act)

    async def start(self, _request: web.Request) -> web.Response:
        """Show the list of courses."""
        return _page(page_html.course_list(self.university))

    async def course(self, request: web.Request) -> web.Response:
        """Show one course."""
        course = self._find(request.query.get("id", ""))
        if course is None:
            return _page(page_html.missing(), 404)
        done, changed = request.query.get("done", ""), request.query.get("user", "")
        return _page(page_html.course_page(self.university, course, done, changed))

    async def act(self, request: web.Request) -> web.Response:
        """Do what a form asks for, then show the course again."""
        if not _from_own_page(request):
            return _page(
                page_html.document("Refused", "<main><h1>Only this page may do that</h1></main>"), 403
            )
        course = self._find(request.match_info["course"])
        action = self._actions.get(request.match_info["action"])
        if course is None or action is None:
            return _page(page_html.missing(), 404)
        form: _Form = {}
        for name, value in (await request.post()).items():
            if isinstance(value, str):
                form.setdefault(name, []).append(value)
        try:
            done = action(course, form)
        except (KeyError, ValueError):
            return _page(
                page_html.document("Not possible", "<main><h1>That is not possible</h1></main>"), 400
            )
        user = _number(_get(form, "user"))
        there = course_address(course.id, done=done)
        if self.university.enrolments(course.id, user):
            there = f"{course_address(course.id, done=done, user=str(user))}#p{user}"
        return web.Response(status=303, headers={"Location": there, **_HEADERS})

    def _find(self, number: str) -> Course | None:
        found = self.university.courses.get(_number(number))
        return found if found is not None and found.id != SITE_COURSE_ID else None

    def _participant(self, course: Course, form: _Form) -> int:
        user = _number(_get(form, "user"))
        if not self.university.enrolments(course.id, user):
            raise KeyError(user)
        return user

    def _settings(self, course: Course, form: _Form) -> str:
        fullname, shortname = _get(form, "fullname").strip(), _get(form, "shortname").strip()
        if not fullname or not shortname:
            raise ValueError("a course needs its names")
        start, end = (_day(_get(form, name), getattr(course, name)) for name in ("startdate", "enddate"))
        values = {
            name: _stored(definition, _get(form, f"field_{name}"))
            for name, definition in self.university.course_fields.items()
        }
        course.fullname, course.shortname, course.startdate, course.enddate = fullname, shortname, start, end
        if (_get(form, "visible") == "1") != course.visible:
            (self.university.hide_course if course.visible else self.university.show_course)(course.id)
        course.fields = {name: value for name, value in values.items() if value is not None}
        course.timemodified = course.cacherev = self.university.now()
        return "settings"

    def _enrol(self, course: Course, form: _Form) -> str:
        username = clean_username(_get(form, "username"), extended=True)
        if username:
            users = [one.id for one in self.university.people.values() if one.username == username]
            user = users[0] if users else 0
        else:
            user = _number(_get(form, "user"))
        person = self.university.people[user]
        role = _get(form, "role")
        if person.deleted or role not in ASSIGNABLE:
            raise ValueError("nobody to enrol")
        self.university.enrol(user, course.id, role)
        return "enrolled"

    def _unenrol(self, course: Course, form: _Form) -> str:
        self.university.unenrol(self._participant(course, form), course.id)
        return "unenrolled"

    def _suspend(self, course: Course, form: _Form) -> str:
        return self._set_suspended(course, form, True)

    def _resume(self, course: Course, form: _Form) -> str:
        return self._set_suspended(course, form, False)

    def _set_suspended(self, course: Course, form: _Form, suspended: bool) -> str:
        for enrolment in self.university.enrolments(course.id, self._participant(course, form)):
            enrolment.suspended = suspended
        return "suspended" if suspended else "resumed"

    def _role(self, course: Course, form: _Form) -> str:
        user = self._participant(course, form)
        wanted = set(form.get("role", []))
        for name in ASSIGNABLE:
            change = self.university.assign_role if name in wanted else self.university.unassign_role
            change(user, course.id, name)
        return "role"

    def _groups(self, course: Course, form: _Form) -> str:
        user = self._participant(course, form)
        wanted = set(form.get("group", []))
        for group in self.university.groups_in(course.id):
            (group.members.add if str(group.id) in wanted else group.members.discard)(user)
        return "groups"

    def _account(self, course: Course, form: _Form) -> str:
        person = self.university.people[self._participant(course, form)]
        person.suspended = not person.suspended
        return "account-suspended" if person.suspended else "account-restored"


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)


def _from_own_page(request: web.Request) -> bool:
    """Whether the browser says that one of our own pages sends this; programs say nothing and are let in."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _get(form: _Form, name: str) -> str:
    return form.get(name, [""])[-1]


def _number(text: str) -> int:
    """An id from a form or an address, 0 when it cannot be one."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _day(text: str, before: int) -> int:
    """The start of a day in UTC, 0 for none; an unchanged day keeps its hour."""
    if not text:
        return 0
    day = date.fromisoformat(text)
    if before and datetime.fromtimestamp(before, UTC).date() == day:
        return before
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _stored(definition: CourseField, text: str) -> int | str | None:
    """The value to store, None for "not set"."""
    if not text:
        return None
    return int(text) if definition.kind in (FieldKind.SELECT, FieldKind.CHECKBOX) else text
