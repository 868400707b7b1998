"""What somebody who is signed in can try with the pages: more than they may, or in somebody else's name."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, RoomId, UserId
from moodle_appservice.errors import Refused
from moodle_appservice.web.admin_door import LINK_LASTS
from moodle_appservice.web.refusals import Why
from tests.web.campus import Campus
from tests.web.test_attacks import form_token, is_refused
from tests.web.world import SESSION_COOKIE, Browser, Reply, World, open_world

STUDENT, TEACHER, TUTOR, ADMIN = 3, 27, 31, 2
"""Whom the recorded launches are about."""
HERE, ELSEWHERE = CourseId(2), CourseId(5)
BOSS, STRANGER = UserId("@boss:uni.test"), UserId("@stranger:uni.test")
TEACHERS = ("manage", "manage/plan", "manage/settings")
EDITORS = ("manage/settings",)
DASHBOARD = (
    *("/admin", "/admin/courses", "/admin/courses/2", "/admin/people", "/admin/people/3", "/admin/held"),
    *("/admin/audit", "/admin/audit.csv", "/admin/doctor", "/admin/configuration"),
)
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def school(campus: Campus) -> AsyncIterator[World]:
    """Two courses with rooms, in one of which the recorded people are; an administrator with an account."""
    facts = campus.facts
    for course, name in ((HERE, SCRIPT), (ELSEWHERE, "Elsewhere")):
        facts.add_course(course, shortname=f"C{course}", fullname=name)
    for number, name in (
        (STUDENT, f"Stu {SCRIPT}"),
        (TEACHER, "Tea"),
        (TUTOR, "Tu"),
        (ADMIN, "Admin"),
        (50, "Other"),
    ):
        facts.add_person(number, full_name=name)
    facts.enrol(HERE, STUDENT)
    facts.enrol(HERE, TEACHER, role="editingteacher")
    facts.enrol(HERE, TUTOR, role="teacher")
    facts.enrol(ELSEWHERE, 50, role="editingteacher")
    permissions = {str(ADMIN): "admin", BOSS: "admin"}
    async with open_world(campus, permissions=permissions) as world:
        await world.register()
        await campus.operations.sync()
        yield world


async def signed_in(school: World, who: str = "student") -> Browser:
    browser = school.browser()
    assert (await browser.click(who)).status == 303
    return browser


async def token(browser: Browser) -> str:
    return form_token(await browser.get("/me"))


async def asked_for_link(school: World, account: UserId = BOSS) -> str:
    """The path of a fresh link to the dashboard."""
    url = await school.browsers.dashboard.invite(account, None)
    return url.removeprefix(school.tool)


async def boss(school: World) -> Browser:
    browser = school.browser()
    reply = await browser.post(await asked_for_link(school), {})
    assert (reply.status, reply.location) == (303, "/admin")
    return browser


def forms(school: World) -> list[str]:
    """Every address of a page to which something can be sent, with ids filled in."""
    routes = school.client.app.router.routes() if school.client.app is not None else []
    paths = {
        re.sub(
            r"\{person[^}]*\}(?:\})?",
            "3",
            re.sub(r"\{course[^}]*\}(?:\})?", "2", str(route.resource.canonical)),
        )
        for route in routes
        if route.method == "POST" and route.resource is not None
    }
    return sorted(path for path in paths if not path.startswith(("/lti/", "/admin/enter/")))


async def test_every_form_is_refused_without_the_token_of_its_session(school: World) -> None:
    found = forms(school)
    assert len(found) >= 7, found
    teacher, other, admin = (
        await signed_in(school, "editingteacher"),
        await signed_in(school, "student"),
        await boss(school),
    )
    foreign = await token(other)
    before = len(school.campus.engine.matrix.requests)
    for path in found:
        browser = admin if path.startswith("/admin") else teacher
        for sent in ({}, {"form_token": ""}, {"form_token": foreign}, {"form_token": foreign[:-1] + "0"}):
            await is_refused(
                school, await browser.post(path, {**sent, "on": "off", "confirm": "C2"}), Why.FORM
            )
    assert len(school.campus.engine.matrix.requests) == before
    assert await school.books.choices.of(HERE) == {}


async def test_no_form_works_without_a_session(school: World) -> None:
    for path in forms(school):
        assert (await school.browser().post(path, {"form_token": "x"})).status == 401


@pytest.mark.parametrize("page", TEACHERS)
async def test_a_student_on_the_page_of_the_teachers_is_refused(school: World, page: str) -> None:
    browser = await signed_in(school)
    await is_refused(school, await browser.get(f"/c/2/{page}"), Why.NO_RIGHT)


async def test_a_student_has_nothing_done_in_the_course(school: World) -> None:
    browser = await signed_in(school)
    sent = {"form_token": await token(browser), "on": "off", "name": "Mine", "confirm": "C2"}
    for path in forms(school):
        if "/manage" in path:
            await is_refused(school, await browser.post(path, sent), Why.NO_RIGHT)
    row = await school.books.courses.get(HERE)
    assert row is not None and row.on
    assert await school.books.choices.of(HERE) == {}


async def test_a_tutor_may_look_but_not_change(school: World) -> None:
    browser = await signed_in(school, "nonediting-teacher")
    assert (await browser.get("/c/2/manage")).status == 200
    assert (await browser.get("/c/2/manage/plan")).status == 200
    await is_refused(school, await browser.get("/c/2/manage/settings"), Why.NO_RIGHT)
    sent = {"form_token": await token(browser), "name": "Mine"}
    await is_refused(school, await browser.post("/c/2/manage/settings", sent), Why.NO_RIGHT)


@pytest.mark.parametrize("page", TEACHERS)
async def test_the_cookie_of_one_course_opens_no_other(school: World, page: str) -> None:
    browser = await signed_in(school, "editingteacher")
    assert (await browser.get(f"/c/2/{page}")).status == 200
    await is_refused(school, await browser.get(f"/c/5/{page}"), Why.NO_RIGHT)
    await is_refused(school, await browser.get(f"/c/999/{page}"), Why.NO_RIGHT)
    sent = {"form_token": await token(browser), "on": "off"}
    await is_refused(school, await browser.post("/c/5/manage/settings", sent), Why.NO_RIGHT)
    row = await school.books.courses.get(ELSEWHERE)
    assert row is not None and row.on


async def test_what_lti_says_of_roles_gives_no_rights(school: World) -> None:
    instructor = ["http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"]
    browser = school.browser()
    await browser.click("student", roles=instructor)
    await is_refused(school, await browser.get("/c/2/manage"), Why.NO_RIGHT)


async def test_a_role_that_is_taken_away_counts_no_more_in_the_same_session(school: World) -> None:
    browser = await signed_in(school, "editingteacher")
    sent = {"form_token": await token(browser), "name": "Mine"}
    school.facts.enrol(HERE, TEACHER, role="student")
    await school.campus.operations.sync_course(HERE)
    await is_refused(school, await browser.get("/c/2/manage"), Why.NO_RIGHT)
    await is_refused(school, await browser.post("/c/2/manage/settings", sent), Why.NO_RIGHT)


async def test_a_suspended_account_has_no_rights_in_the_same_session(school: World) -> None:
    browser = await signed_in(school, "editingteacher")
    await school.books.people.unusable({MoodleUserId(TEACHER): 1.0})
    await is_refused(school, await browser.get("/c/2/manage"), Why.NO_RIGHT)


@pytest.mark.parametrize("page", DASHBOARD)
async def test_nobody_but_an_administrator_sees_the_dashboard(school: World, page: str) -> None:
    assert (await school.browser().get(page)).status == 401
    for who in ("student", "editingteacher"):
        await is_refused(school, await (await signed_in(school, who)).get(page), Why.NO_RIGHT)


async def test_the_dashboard_takes_moodles_word_and_ours(school: World) -> None:
    """Neither the claim without an entry in `permissions`, nor the entry without the claim, is enough."""
    system = ["http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator"]
    claims_only, entry_only = school.browser(), school.browser()
    await claims_only.click("student", roles=system)
    await entry_only.click("admin", roles=["http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"])
    for browser in (claims_only, entry_only):
        await is_refused(school, await browser.get("/admin"), Why.NO_RIGHT)
    institution = school.browser()
    await institution.click(
        "admin", roles=["http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"]
    )
    await is_refused(school, await institution.get("/admin"), Why.NO_RIGHT)
    both = await signed_in(school, "admin")
    assert (await both.get("/admin")).status == 200


async def test_a_link_to_the_dashboard_is_good_once_and_for_five_minutes(school: World) -> None:
    link = await asked_for_link(school)
    assert (await school.browser().post(link, {})).status == 303
    await is_refused(school, await school.browser().post(link, {}), Why.ENTRY)
    late = await asked_for_link(school)
    school.clock.advance(LINK_LASTS)
    await is_refused(school, await school.browser().post(late, {}), Why.ENTRY)


async def test_a_link_that_is_only_looked_at_is_not_used_up(school: World) -> None:
    link = await asked_for_link(school)
    for _ in range(3):
        seen = await school.browser().get(link)
        assert (seen.status, SESSION_COOKIE in seen.cookies) == (200, False)
    assert (await school.browser().post(link, {})).status == 303


@pytest.mark.parametrize("secret", ["x", "A" * 43, "%2e%2e", "A" * 5000])
async def test_a_link_that_the_bot_has_not_made_opens_nothing(school: World, secret: str) -> None:
    reply = await school.browser().post(f"/admin/enter/{secret}", {})
    assert reply.status in (403, 404)
    assert SESSION_COOKIE not in reply.cookies


async def test_the_bot_makes_links_for_administrators_alone(school: World) -> None:
    with pytest.raises(Refused, match="administrators"):
        await asked_for_link(school, STRANGER)


async def test_who_is_no_administrator_any_more_has_no_way_in_with_an_earlier_link_or_session(
    school: World, campus: Campus
) -> None:
    link, browser = await asked_for_link(school), await boss(school)
    link = await asked_for_link(school)
    async with open_world(campus, permissions={str(ADMIN): "admin"}) as later:
        other = later.browser()
        await is_refused(later, await other.post(link, {}), Why.NO_RIGHT)
        kept = later.browser()
        kept.cookies = dict(browser.cookies)
        await is_refused(later, await kept.get("/admin"), Why.NO_RIGHT)


async def shown(browser: Browser, *paths: str) -> str:
    replies = [await browser.get(path) for path in paths]
    assert [reply.status for reply in replies] == [200] * len(paths), [
        reply.text for reply in replies if reply.status != 200
    ]
    return "".join(reply.text for reply in replies)


async def test_names_with_markup_are_shown_as_they_are_written_on_every_page(school: World) -> None:
    student, admin = await signed_in(school), await boss(school)
    await signed_in(school, "editingteacher")
    await school.books.journal.note("Odd", at=1.0, why=f"Because {SCRIPT}", person=MoodleUserId(STUDENT))
    text = await shown(student, "/me", "/c/2")
    text += await shown(
        admin, *(page for page in DASHBOARD if not page.endswith(".csv")), "/c/2/manage", "/c/2/manage/plan"
    )
    assert "<script" not in text
    assert html.escape(SCRIPT) in text


async def test_a_spreadsheet_takes_no_cell_of_the_audit_log_for_a_formula(school: World) -> None:
    for why in ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)"):
        await school.books.journal.note("Odd", at=1.0, why=why)
    reply = await (await boss(school)).get("/admin/audit.csv?kind=Odd")
    assert reply.status == 200
    cells = [line.split(",")[5] for line in reply.text.splitlines()[1:]]
    assert sorted(cells) == sorted(["'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(1)"])


async def test_the_configuration_shows_no_secret(school: World) -> None:
    text = (await (await boss(school)).get("/admin/configuration")).text
    assert "0123456789abcdef0123456789abcdef" not in text
    assert "***" in html.unescape(text)


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=1&page=2",
        "page=99999999999999999",
        "q=" + "x" * 101,
        "q=%00",
        "q=a%0ab",
    ],
)
async def test_odd_questions_are_refused_or_answered_never_a_bug(school: World, query: str) -> None:
    teacher, admin = await signed_in(school, "editingteacher"), await boss(school)
    for browser, path in (
        (teacher, "/c/2/manage"),
        (admin, "/admin/people"),
        (admin, "/admin/courses"),
        (admin, "/admin/audit"),
    ):
        reply = await browser.get(f"{path}?{query}")
        assert reply.status in (200, 403), (path, reply.status)


async def test_a_form_that_says_something_twice_or_too_much_is_refused(school: World) -> None:
    browser = await signed_in(school, "editingteacher")
    good = await token(browser)
    twice = [("form_token", good), ("on", "off"), ("on", "on")]
    await is_refused(school, await browser.post("/c/2/manage/settings", twice), Why.MALFORMED)
    long = {"form_token": good, "name": "x" * 300}
    await is_refused(school, await browser.post("/c/2/manage/settings", long), Why.MALFORMED)
    huge = {"form_token": good, "topic": "x" * 100_000}
    await is_refused(school, await browser.post("/c/2/manage/settings", huge), Why.MALFORMED)


@pytest.mark.parametrize(
    ("field", "value"),
    [("calls", "never"), ("layout", "castle"), ("groups", "some")],
    ids=lambda one: str(one),
)
async def test_a_value_that_no_form_of_ours_offers_is_refused_with_the_reason(
    school: World, field: str, value: str
) -> None:
    browser = await signed_in(school, "editingteacher")
    reply = await browser.post("/c/2/manage/settings", {"form_token": await token(browser), field: value})
    assert reply.status == 400
    assert "was not changed" in reply.text
    assert await school.books.choices.of(HERE) == {}


async def test_who_moderates_is_not_chosen_against_the_administrator(
    school: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await signed_in(school, "editingteacher")
    assert 'name="moderators"' in (await browser.get("/c/2/manage/settings")).text
    said = {"form_token": await token(browser), "moderators": "teachers"}
    assert (await browser.post("/c/2/manage/settings", said)).status == 303
    assert (await school.books.choices.of(HERE))["moderators"].value == "teachers"
    choosing = school.browsers._inside.choosing
    monkeypatch.setattr(choosing, "_rules", replace(choosing._rules, moderators="teachers"))
    assert 'name="moderators"' not in (await browser.get("/c/2/manage/settings")).text
    reply = await browser.post("/c/2/manage/settings", {**said, "moderators": "staff"})
    assert reply.status == 400
    assert "administrators" in reply.text
    assert (await school.books.choices.of(HERE))["moderators"].value == "teachers"


async def test_an_approval_of_something_else_than_was_shown_confirms_nothing(school: World) -> None:
    room = RoomId("!held")
    await school.books.journal.hold(
        HERE, room, frozenset({UserId("@a:uni.test")}), "1 of 2 would go.", at=1.0
    )
    browser = await boss(school)
    page = await browser.get("/admin/held")
    mark = _mark(page)
    await school.books.journal.hold(
        HERE, room, frozenset({UserId("@a:uni.test"), UserId("@b:uni.test")}), "2 of 2 would go.", at=2.0
    )
    sent = {"form_token": form_token(page), "group": mark, "answer": "approve"}
    reply = await browser.post("/admin/held", sent)
    assert reply.location == "/admin/held?done=failed"
    assert [row.confirmed for row in await school.books.journal.held()] == [False]


def _mark(page: Reply) -> str:
    found = re.search(r'name="group" value="([0-9a-z-]{10,64})"', page.text)
    assert found, page.text
    return found[1]


async def test_a_no_is_booked_for_what_was_shown_and_ends_when_that_changes(school: World) -> None:
    room, browser = RoomId("!held"), await boss(school)
    await school.books.journal.hold(
        HERE, room, frozenset({UserId("@a:uni.test")}), "1 of 2 would go.", at=1.0
    )
    page = await browser.get("/admin/held")
    sent = {"form_token": form_token(page), "group": _mark(page), "answer": "reject"}
    assert (await browser.post("/admin/held", sent)).location == "/admin/held?done=rejected"
    assert "You said no" in (await browser.get("/admin/held")).text
    assert [row.confirmed for row in await school.books.journal.held()] == [False]
    assert (await school.audit())[0].kind == "Rejected"
    await school.books.journal.hold(
        HERE, room, frozenset({UserId("@a:uni.test"), UserId("@b:uni.test")}), "2 of 2 would go.", at=2.0
    )
    assert "You said no" not in (await browser.get("/admin/held")).text
    assert (await browser.post("/admin/held", sent)).location == "/admin/held?done=failed"


async def test_an_answer_to_a_question_of_another_kind_of_page_is_refused(school: World) -> None:
    browser = await boss(school)
    token = form_token(await browser.get("/admin/held"))
    for sent in ({"group": ""}, {"group": "x"}, {"group": "x", "answer": "maybe"}):
        await is_refused(
            school, await browser.post("/admin/held", {"form_token": token, **sent}), Why.MALFORMED
        )


async def test_pages_with_forms_are_never_framed_and_send_them_to_us_alone(school: World) -> None:
    for browser, path in ((await signed_in(school), "/c/2"), (await boss(school), "/admin/held")):
        policy = (await browser.get(path)).headers["Content-Security-Policy"]
        for rule in (
            "default-src 'none'",
            "script-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ):
            assert rule in policy


async def test_a_course_that_is_off_is_its_teachers_to_switch_on(school: World) -> None:
    row = await school.books.courses.get(HERE)
    assert row is not None
    await school.books.courses.save([replace(row, on=False)])
    browser = await signed_in(school, "editingteacher")
    assert (await browser.get("/c/2/manage/settings")).status == 200
    await is_refused(school, await (await signed_in(school)).get("/c/2/manage"), Why.NO_RIGHT)
