"""A small Moodle for tests: it answers our five functions over HTTP, and shortens its answers as the real one does.

What it does with rights, paging, groups and bulk requests was measured on Moodle 4.4, 4.5 and 5.1: pages are cut before
hidden rows are left out, a group that does not exist asks for moodle/site:accessallgroups, a bulk request stops at its
first error. `rights` is what the token holds; take one away and see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "0123456789abcdef0123456789abcdef"
FUNCTIONS = (
    "core_webservice_get_site_info",
    "core_course_get_courses_by_field",
    "core_course_get_categories",
    "core_enrol_get_enrolled_users",
    "core_user_get_users_by_field",
    "tool_mobile_call_external_functions",
)
RIGHTS = (
    "moodle/course:view",
    "moodle/course:viewhiddencourses",
    "moodle/course:enrolreview",
    "moodle/user:viewdetails",
    "moodle/user:viewalldetails",
    "moodle/user:viewhiddendetails",
    "moodle/site:accessallgroups",
)


class Says(Exception):
    """A web service exception, as Moodle writes it."""

    def __init__(
        self, errorcode: str, message: str = "", exception: str = "core\\exception\\moodle_exception"
    ) -> None:
        super().__init__(errorcode)
        self.body = {"exception": exception, "errorcode": errorcode, "message": message or errorcode}


@dataclass
class Place:
    """One person's place in one course."""

    roles: tuple[str, ...] = ("student",)
    groups: tuple[int, ...] = ()
    active: bool = True


@dataclass
class Moodle:
    """The site's data, and what was asked of it. A `hook` may answer a request in Moodle's place."""

    rights: set[str] = field(default_factory=lambda: set(RIGHTS))
    functions: tuple[str, ...] = FUNCTIONS
    url: str = "https://moodle.example.org"
    release: str = "5.1.3 (Build: 20260216)"
    courses: dict[int, dict[str, Any]] = field(default_factory=dict)
    places: dict[int, dict[int, Place]] = field(default_factory=dict)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    hidden_users: set[int] = field(default_factory=set)
    teachers: set[int] = field(default_factory=set)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    hook: Callable[[dict[str, str]], Awaitable[web.StreamResponse | None]] | None = None

    def add_course(self, course_id: int, *user_ids: int, **more: Any) -> None:
        """A course with these students."""
        self.courses[course_id] = {
            "id": course_id, "fullname": f"Course {course_id}", "shortname": f"C{course_id}", "categoryid": 1,
            "sortorder": course_id, "customfields": [], "format": "topics", "visible": 1, "startdate": 0,
            "enddate": 0, "groupmode": 0,
        } | more  # fmt: skip
        self.places[course_id] = {}
        for user_id in user_ids:
            self.enrol(course_id, user_id)

    def enrol(self, course_id: int, user_id: int, **place: Any) -> None:
        """Put a person into a course, and onto the site."""
        self.places[course_id][user_id] = Place(**place)
        self.users.setdefault(
            user_id,
            {
                "id": user_id, "username": f"user{user_id}", "fullname": f"User {user_id}", "auth": "manual",
                "suspended": False, "confirmed": True, "lang": "en",
            },
        )  # fmt: skip

    def application(self) -> web.Application:
        """The web application, with the REST entry point."""
        application = web.Application(client_max_size=2**26)
        application.router.add_post("/webservice/rest/server.php", self._handle)
        return application

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.requests.append(form)
        assert not request.query_string
        if self.hook:
            answer = await self.hook(form)
            if answer is not None:
                return answer
        try:
            if form.get("wstoken") != TOKEN:
                raise Says("invalidtoken", "Invalid token - token not found")
            params = unflatten(
                {key: value for key, value in form.items() if not re.match("ws|moodlews", key)}
            )
            return web.json_response(self._run(form["wsfunction"], params))
        except Says as said:
            return web.json_response(said.body)

    def _run(self, function: str, params: dict[str, Any]) -> Any:
        if function not in self.functions:
            raise Says("accessexception", "Access control exception", "webservice_access_exception")
        self.asked.append((function, params))
        return getattr(self, f"_{function}")(params)

    def count(self, function: str) -> int:
        """How often a function was called, alone or in bulk."""
        return sum(name == function for name, _ in self.asked)

    def _tool_mobile_call_external_functions(self, params: dict[str, Any]) -> Any:
        responses = []
        for request in params["requests"]:
            try:
                data = self._run(request["function"], json.loads(request["arguments"]))
            except Says as said:
                said.body.pop("exception")
                responses.append({"error": True, "exception": json.dumps(said.body)})
                break
            responses.append({"error": False, "data": json.dumps(data)})
        return {"responses": responses}

    def _core_webservice_get_site_info(self, params: dict[str, Any]) -> Any:
        return {
            "sitename": "Uni &amp; more", "siteurl": self.url, "userid": 99,
            "release": self.release, "functions": [{"name": name} for name in self.functions],
            "userprivateaccesskey": "verysecret",
        }  # fmt: skip

    def _core_course_get_categories(self, params: dict[str, Any]) -> Any:
        return [{"id": 1, "name": "Faculty", "parent": 0, "path": "/1", "sortorder": 10000}]

    def _core_course_get_courses_by_field(self, params: dict[str, Any]) -> Any:
        front = {
            "id": 1,
            "fullname": "Front",
            "shortname": "F",
            "format": "site",
            "visible": 1,
            "startdate": 0,
        }
        rows = [front, *self.courses.values()]
        if params.get("field") == "id":
            rows = [row for row in rows if row["id"] == int(params["value"])]
        if "moodle/course:viewhiddencourses" not in self.rights:
            rows = [row for row in rows if row["visible"]]
        if "moodle/course:view" not in self.rights:
            public = ("id", "fullname", "shortname", "categoryid", "customfields")
            rows = [row if row["id"] == 1 else {key: row[key] for key in public} for row in rows]
        return {"courses": rows, "warnings": []}

    def _core_enrol_get_enrolled_users(self, params: dict[str, Any]) -> Any:
        course_id = int(params["courseid"])
        options = {option["name"]: str(option["value"]) for option in params["options"]}
        course = self.courses.get(course_id)
        if course is None:
            raise Says("invalidrecordunknown", "Can't find data record in database.")
        if not course["visible"] and "moodle/course:viewhiddencourses" not in self.rights:
            raise Says("errorcoursecontextnotvalid")
        if "moodle/course:view" not in self.rights:
            raise Says("errorcoursecontextnotvalid")
        if "moodle/course:enrolreview" not in self.rights:
            raise Says("nopermissions", "Sorry (View participants).")
        all_groups = "moodle/site:accessallgroups" in self.rights
        if "groupid" in options:
            if not all_groups:
                raise Says("nopermissions", "Sorry (Access all groups).")
            return []
        if course["groupmode"] == 1 and not all_groups:
            return []
        wanted = {True, False} if options.get("onlyactive") != "1" else {True}
        if options.get("onlysuspended") == "1":
            wanted = {False}
        chosen = [user for user, place in self.places[course_id].items() if place.active in wanted]
        user_ids = sorted(chosen, reverse=options.get("sortdirection") == "DESC")
        start = int(options.get("limitfrom", 0))
        user_ids = user_ids[start : start + int(options.get("limitnumber", 0) or 10**6)]
        fields = options["userfields"].split(",")
        return [self._place(course_id, user_id, fields) for user_id in user_ids if self._sees(user_id)]

    def _place(self, course_id: int, user_id: int, fields: list[str]) -> dict[str, Any]:
        place = self.places[course_id][user_id]
        row: dict[str, Any] = {"id": user_id, "fullname": f"User {user_id}"}
        if "username" in fields and "moodle/user:viewalldetails" in self.rights:
            row["username"] = self.users[user_id]["username"]
        if "roles" in fields:
            row["roles"] = [
                {"roleid": 5, "name": "", "shortname": role, "sortorder": 0} for role in place.roles
            ]
        if "groups" in fields and place.groups:
            row["groups"] = [{"id": group, "name": f"Group {group} &amp; more"} for group in place.groups]
        return row

    def _sees(self, user_id: int) -> bool:
        if user_id in self.hidden_users:
            return False
        return "moodle/user:viewdetails" in self.rights or user_id in self.teachers

    def _core_user_get_users_by_field(self, params: dict[str, Any]) -> Any:
        rows = []
        for user_id in map(int, params["values"]):
            if user_id not in self.users or not self._sees(user_id):
                continue
            row = dict(self.users[user_id])
            if row.get("odd"):
                raise Says("invalidresponse", "Invalid response value detected")
            if "moodle/user:viewalldetails" not in self.rights:
                row = {key: row[key] for key in ("id", "fullname", "suspended")}
            if "moodle/user:viewhiddendetails" not in self.rights:
                row.pop("suspended")
            rows.append(row)
        return rows


def unflatten(form: dict[str, str]) -> dict[str, Any]:
    """PHP's `a[0][name]=x` as nested dictionaries and lists."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        path = re.findall(r"[^\[\]]+", name)
        at = tree
        for step in path[:-1]:
            at = at.setdefault(step, {})
        at[path[-1]] = value
    return {key: _lists(value) for key, value in tree.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(entry) for key, entry in value.items()}
    return list(inner.values()) if inner and all(key.isdigit() for key in inner) else inner
