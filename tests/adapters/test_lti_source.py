"""The source `lti`: the recorded lists of a real Moodle, its tokens and pages, and what a hostile one could say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

from moodle_appservice.domain.model import CourseId, MoodleUserId, Role, SiteInfo
from moodle_appservice.domain.shrink import ShrinkRules
from moodle_appservice.errors import CourseGone
from moodle_appservice.moodle import errors
from moodle_appservice.moodle.lti_facts import LtiFacts, facts_of
from moodle_appservice.moodle.names_and_roles import ListOfPeople, NamesAndRoles
from moodle_appservice.ports import Platform
from tests.fakes import FakeClock
from tests.web.platform import RECORDED_SITE, recorded

KEY = RSAKey.generate_key(2048, {"kid": "tool"})
COURSE, OTHER = CourseId(2), CourseId(3)
EDITING, TUTOR = MoodleUserId(27), MoodleUserId(31)
"""By the recorded launches; both are Instructors there."""


class RecordedMoodle:
    """Answers as the recorded one did. `cut`: members of the recorded list that are left out."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens: list[str] = []
        self.asked: list[str] = []
        self.refuse_next = False
        self.step: int | None = None
        """Members on a page; None: all."""
        self.cut = 0
        self.instead: dict[str, web.Response] = {}

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/mod/lti/token.php", self._token)
        app.router.add_get(
            "/mod/lti/services.php/CourseSection/{course}/bindings/{tool}/memberships", self._list
        )
        return app

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        claims = jwt.decode(str(form["client_assertion"]), KEY, algorithms=["RS256"]).claims
        assert claims["aud"] == f"{self.url}/mod/lti/token.php"
        assert claims["iss"] == claims["sub"] == "client"
        assert form["grant_type"] == "client_credentials"
        self.tokens.append(f"token-{len(self.tokens)}")
        said = {**recorded("token")["json"], "access_token": self.tokens[-1]}
        # Moodle calls it a page.
        return web.Response(text=json.dumps(said), content_type="text/html")

    async def _list(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        if request.headers["Authorization"] != f"Bearer {self.tokens[-1]}" or self.refuse_next:
            self.refuse_next = False
            return web.json_response(recorded("nrps--error-bad-token")["response"]["json"], status=401)
        course = request.match_info["course"]
        if course in self.instead:
            return self.instead[course]
        if course not in ("2", "3"):
            told = recorded("nrps--othercourse-9999")["response"]
            return web.json_response(told["json"], status=told["status"])
        name = "nrps--all" if course == "2" else "nrps--othercourse-3"
        said = dict(recorded(name, self.url)["response"]["json"])
        members = said["members"][self.cut :]
        start = int(request.query.get("from", "0"))
        end = len(members) if self.step is None else start + self.step
        said["members"] = members[start:end]
        headers = {"Content-Type": "application/vnd.ims.lti-nrps.v2.membershipcontainer+json; charset=utf-8"}
        if end < len(members):
            headers["Link"] = f'<{self.url}{request.path}?limit={self.step}&from={end}>; rel="next"'
        return web.Response(body=json.dumps(said).encode(), headers=headers)


class Tool:
    """The registration, and the key that Moodle checks."""

    def __init__(self, moodle: RecordedMoodle) -> None:
        self._moodle = moodle
        self.is_registered = True

    async def platform(self) -> Platform | None:
        url = self._moodle.url
        addresses = (f"{url}/mod/lti/{name}.php" for name in ("auth", "token", "certs"))
        return Platform(url, "client", "1", *addresses) if self.is_registered else None

    async def assertion(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "tool"}, dict(claims), KEY)


class Courses:
    def __init__(self) -> None:
        self.ids = {COURSE, OTHER, CourseId(1)}

    async def all(self) -> Collection[CourseId]:
        return self.ids


class WebService:
    """All that is asked of it."""

    async def site_info(self) -> SiteInfo:
        return SiteInfo(RECORDED_SITE, "Lab", "5.1", MoodleUserId(9), frozenset())

    def expect(self, url: str) -> None:
        del url


class Lists:
    def __init__(self, session: aiohttp.ClientSession, moodle: RecordedMoodle) -> None:
        self.moodle, self.clock, self.courses, self.tool = moodle, FakeClock(), Courses(), Tool(moodle)
        self.service = NamesAndRoles(session, self.tool, self.clock, timeout=5, max_bytes=10**6)
        self.facts = LtiFacts(
            self.service,
            self.courses,
            WebService(),  # type: ignore[arg-type]
            clock=self.clock,
            language="en",
            rules=ShrinkRules(max_share=0.2, max_lost=3),
        )


@pytest.fixture
async def lists() -> AsyncIterator[Lists]:
    moodle = RecordedMoodle()
    async with TestServer(moodle.application()) as server, aiohttp.ClientSession() as session:
        moodle.url = str(server.make_url("")).rstrip("/")
        made = Lists(session, moodle)
        yield made
        await made.facts.close()


async def test_the_recorded_list_becomes_people_with_roles(lists: Lists) -> None:
    facts = await lists.facts.course_facts(COURSE, not_older_than=0)
    assert (facts.course.shortname, facts.course.fullname) == ("ALG&DS", "Algorithms & Data STRUCTURES")
    assert len(facts.enrolments) == len(facts.people) == 19
    person = facts.people[MoodleUserId(3)]
    assert (person.username, person.full_name, person.idnumber) == (
        "student01",
        "Student1 Learner1",
        "M100001",
    )
    assert facts.groups == ()


async def test_roles_are_not_those_of_a_launch(lists: Lists) -> None:
    """Who is an Instructor in the launch and may not manage activities is a Learner in the list."""
    facts = await lists.facts.course_facts(COURSE, not_older_than=0)
    roles = {one.user_id: one.roles for one in facts.enrolments}
    assert roles[EDITING] == {Role("editingteacher")}
    assert roles[TUTOR] == {Role("student")}
    for name, user in (("editingteacher", EDITING), ("nonediting-teacher", TUTOR)):
        claims = recorded(f"launch--{name}")["claims"]
        assert claims["sub"] == str(user)
        assert any("Instructor" in role for role in claims["https://purl.imsglobal.org/spec/lti/claim/roles"])


async def test_pages_are_followed_and_no_role_is_ever_asked_for(lists: Lists) -> None:
    lists.moodle.step = 5
    facts = await lists.facts.course_facts(COURSE, not_older_than=0)
    assert len(facts.enrolments) == 19
    assert len(lists.moodle.asked) == 4
    assert not any("role=" in address for address in lists.moodle.asked)


async def test_the_front_page_is_never_asked_for_and_unknown_courses_are_not_listed(lists: Lists) -> None:
    lists.courses.ids.add(CourseId(9999))
    site = await lists.facts.site(not_older_than=0)
    assert set(site.courses) == {COURSE, OTHER}
    assert not any("CourseSection/1/" in address for address in lists.moodle.asked)
    with pytest.raises(ValueError, match="front page"):
        await lists.facts.course_facts(CourseId(1), not_older_than=0)
    with pytest.raises(CourseGone):
        await lists.facts.course_facts(CourseId(9999), not_older_than=lists.clock.now())


async def test_a_listing_and_its_courses_cost_one_request_each(lists: Lists) -> None:
    now = lists.clock.now()
    await lists.facts.site(not_older_than=now)
    await lists.facts.prefetch([COURSE, OTHER], not_older_than=now)
    assert len(lists.moodle.asked) == 2
    assert lists.moodle.tokens == ["token-0"]
    assert await lists.facts.person(MoodleUserId(3), not_older_than=now) is not None
    assert await lists.facts.person(MoodleUserId(4711), not_older_than=now) is None


async def test_a_token_is_kept_for_an_hour_and_renewed_once_where_moodle_refuses_it(lists: Lists) -> None:
    for _ in range(2):
        await lists.service.read(COURSE)
    assert len(lists.moodle.tokens) == 1
    lists.clock.advance(3600)
    await lists.service.read(COURSE)
    assert len(lists.moodle.tokens) == 2
    lists.moodle.refuse_next = True
    await lists.service.read(COURSE)
    assert len(lists.moodle.tokens) == 3


async def test_a_course_that_can_not_be_read_is_not_gone(lists: Lists) -> None:
    lists.moodle.instead["3"] = web.json_response({}, status=500)
    site = await lists.facts.site(not_older_than=0)
    assert set(site.courses) == {COURSE}
    assert site.unreadable == {OTHER}


async def test_a_list_that_suddenly_is_short_is_held_until_somebody_confirms(lists: Lists) -> None:
    await lists.facts.course_facts(COURSE, not_older_than=lists.clock.now())
    lists.moodle.cut = 12
    for _ in range(3):
        lists.clock.advance(200)
        facts = await lists.facts.course_facts(COURSE, not_older_than=lists.clock.now())
    assert len(facts.enrolments) == 19
    assert COURSE in lists.facts.held
    await lists.facts.confirm([COURSE])
    lists.clock.advance(200)
    facts = await lists.facts.course_facts(COURSE, not_older_than=lists.clock.now())
    assert (len(facts.enrolments), dict(lists.facts.held)) == (7, {})


ODD: Mapping[str, Any] = {
    "no object": [],
    "no members": {"context": {}},
    "members that are words": {"members": ["x"]},
    "a member without a number": {"members": [{"name": "x"}]},
    "a number that is none": {"members": [{"user_id": "0"}]},
    "a number in other digits": {"members": [{"user_id": "٣"}]},
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_no_list_is_an_error_and_never_an_empty_course(lists: Lists, name: str) -> None:
    lists.moodle.instead["2"] = web.json_response(ODD[name])
    with pytest.raises(errors.MoodleError):
        await lists.facts.course_facts(COURSE, not_older_than=0)


async def test_a_next_page_elsewhere_is_not_followed(lists: Lists) -> None:
    link = '<https://evil.example/mod/lti/services.php/x>; rel="next"'
    lists.moodle.instead["2"] = web.json_response({"members": []}, headers={"Link": link})
    with pytest.raises(errors.BadAnswer):
        await lists.facts.course_facts(COURSE, not_older_than=0)


async def test_without_a_registration_it_says_what_is_missing(lists: Lists) -> None:
    lists.tool.is_registered = False
    with pytest.raises(errors.RightMissing, match="registration"):
        await lists.facts.course_facts(COURSE, not_older_than=0)


def test_names_are_plain_and_the_inactive_are_left_out() -> None:
    members = (
        {"user_id": "5", "name": "A &amp; <b>B</b>", "roles": ["http://x#Instructor", "http://x#Learner"]},
        {"user_id": "6", "name": "C", "roles": [], "status": "Inactive"},
        {"user_id": "7", "roles": "Learner"},
    )
    facts = facts_of(COURSE, ListOfPeople("", "", members), 1.0, "en")
    assert facts.course.shortname == "2"
    assert {one.user_id: one.roles for one in facts.enrolments} == {
        MoodleUserId(5): {Role("editingteacher"), Role("student")},
        MoodleUserId(7): frozenset(),
    }
    assert facts.people[MoodleUserId(5)].full_name == "A & B"


def test_the_recordings_name_nobody_real() -> None:
    for path in Path(__file__).parent.parent.joinpath("fixtures", "lti").glob("nrps*.json"):
        assert "example" in path.read_text(encoding="utf-8")
