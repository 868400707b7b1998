"""A whole installation for the pages: a sandbox Moodle that is an LTI platform too, a real Synapse, and the service.

`Lab.visit(page, user, course)` is a click in Moodle: the page of a course there has the link, Moodle signs the token.
"""

from __future__ import annotations

import copy
import html
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University
from moodle_appservice.demo.sandbox.records import ProfileField
from moodle_appservice.service import Service
from tests.browser.page import Page
from tests.live.homeserver import Seat
from tests.live.house import House
from tests.web.platform import CLIENT_ID, FakePlatform, recorded

ADMIN = 2
"""The Moodle user whom `permissions` and Moodle call an administrator."""
NAMES = (
    "Anna Albers",
    "Zoë O'Brien",
    "<b>Bob</b> & Co",
    "Çağla Yılmaz",
    "Dimitri Iwanowitsch von und zu Langenfeld",
)


def university() -> University:
    """`CHEM1` with a teacher, a tutor and five students with awkward names; `BIO2`; an administrator."""
    made = University()
    made.add_category("Department", id=2)
    made.profile_fields["matrixid"] = ProfileField("matrixid", "Matrix ID")
    first = made.add_course("CHEM1", "Chemie & Physik", 2)
    second = made.add_course("BIO2", "Biology", 2)
    teacher = made.add_person("tea", "Tea", "Cher").id
    tutor = made.add_person("tut", "Tu", "Tor").id
    made.enrol(teacher, first.id, "editingteacher")
    made.enrol(teacher, second.id, "editingteacher")
    made.enrol(tutor, first.id, "teacher")
    for number, name in enumerate(NAMES, start=1):
        given, _, family = name.partition(" ")
        student = made.add_person(f"stu{number}", given, family).id
        made.enrol(student, first.id, "student")
    return made


class Lab:
    """See the module. `house` has the Moodle and the homeserver, `service` runs."""

    def __init__(self, house: House, service: Service, platform: FakePlatform, url: str) -> None:
        self.house = house
        self.service = service
        self.platform = platform
        self.url = url

    def user(self, username: str) -> int:
        people = self.house.moodle.university.people.values()
        return next(person.id for person in people if person.username == username)

    def course(self, shortname: str) -> int:
        courses = self.house.moodle.university.courses.values()
        return next(course.id for course in courses if course.shortname == shortname)

    async def visit(
        self, page: Page, username: str, shortname: str, *, language: str = "en", admin: bool = False
    ) -> None:
        """Open the course in Moodle as this person and click the link to the chat."""
        user, course = self.user(username), self.course(shortname)
        path = f"/lti-course/{user}-{course}-{language}-{int(admin)}"
        self.platform.pages[path] = lambda _: self._link(user, course, language, admin)
        await page.open(f"{self.platform.url}{path}")
        await page.click("button", "Open the chat")

    def _link(self, user: int, course: int, language: str, admin: bool) -> str:
        recording = recorded("launch--admin" if admin else "launch--student", self.platform.url, self.url)
        start = copy.deepcopy(recording["login_initiation"])
        start["form"]["login_hint"] = str(user)
        start["form"]["lti_message_hint"] = f"{course}.{language}.{int(admin)}"
        return form(start["action"], start["form"], "Open the chat")

    def sign_in(self, request: web.Request) -> str:
        """Moodle's sign-in, which asks nothing and sends the browser back with its token."""
        asked = request.query
        course, language, admin = asked["lti_message_hint"].split(".")
        recording = recorded(
            "launch--admin" if admin == "1" else "launch--student", self.platform.url, self.url
        )
        person = self.house.moodle.university.people[int(asked["login_hint"])]
        now = int(time.time())
        claims = dict(recording["claims"])
        claims |= {"nonce": asked["nonce"], "iat": now, "exp": now + 60, "sub": str(person.id)}
        claims["name"] = f"{person.firstname} {person.lastname}"
        lti = "https://purl.imsglobal.org/spec/lti/claim/"
        claims[f"{lti}context"] = {**claims[f"{lti}context"], "id": course}
        claims[f"{lti}launch_presentation"] = {**claims[f"{lti}launch_presentation"], "locale": language}
        answer = {"id_token": self.platform.sign(claims), "state": asked["state"]}
        return form(asked["redirect_uri"], answer, "") + "<script>document.forms[0].submit()</script>"


def form(action: str, fields: Mapping[str, str], button: str) -> str:
    """A page with one form."""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
    return (
        f'<meta name="viewport" content="width=device-width"><form method="post" action="{html.escape(action)}">'
        f"{hidden}<button>{button}</button></form>"
    )


@asynccontextmanager
async def open_lab(
    synapse: EmbeddedSynapse, seat: Seat, folder: Path, **overrides: Mapping[str, Any]
) -> AsyncIterator[Lab]:
    """Everything started and synced once. `overrides`: further sections of the configuration."""
    moodle, platform = SandboxMoodle(university()), FakePlatform()
    moodle.app.router.add_route("*", "/mod/lti/{path:.*}", platform.answer)
    moodle.app.router.add_route("GET", "/lti-course/{path:.*}", platform.answer)
    async with moodle:
        platform.start_at(moodle.url)
        url = f"http://127.0.0.1:{seat.port}"
        pages = {"public_url": url, "lti": {"client_id": CLIENT_ID, "deployment_id": "1"}}
        house = House(synapse, seat, moodle, folder)
        house.overrides = {
            "web": pages,
            "permissions": {str(ADMIN): "admin"},
            **{k: dict(v) for k, v in overrides.items()},
        }
        service = await house.start()
        try:
            lab = Lab(house, service, platform, url)
            platform.pages["/mod/lti/auth.php"] = lab.sign_in
            report = await house.sync()
            assert report.failures == {}, report
            yield lab
        finally:
            await house.stop()
