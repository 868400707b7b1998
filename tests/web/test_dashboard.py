"""What the dashboard does beside showing: codes, undone links, searches, the audit log as a file."""

from __future__ import annotations

import re

import pytest

from moodle_appservice.domain.model import CourseId, MoodleUserId, UserId
from moodle_appservice.web.admin_inside import Finding
from tests.web.campus import Campus
from tests.web.test_attacks import form_token
from tests.web.test_page_attacks import BOSS, STUDENT, boss, school, signed_in
from tests.web.world import World

__all__ = ["school"]
ANNA = MoodleUserId(STUDENT)


async def prove(campus: Campus, world: World, account: UserId) -> None:
    """The student has proven an account of her own."""
    linking = world.browsers._inside.linking
    code = await linking.give_code(ANNA, signal="page")
    await linking.link(account, code.text, direct=True, reference="$1")
    assert (await linking.answer(account, yes=True, reference="$2") or "").startswith("Done")


async def test_an_administrator_hands_out_a_code_that_works(school: World, campus: Campus) -> None:
    browser = await boss(school)
    token = form_token(await browser.get(f"/admin/people/{STUDENT}"))
    page = await browser.post(f"/admin/people/{STUDENT}/code", {"form_token": token})
    assert page.status == 200
    found = re.search(r"link ([A-Z0-9]{4}-[A-Z0-9]{4})", page.text)
    assert found, page.text
    linking = school.browsers._inside.linking
    said = await linking.link(UserId("@own:uni.test"), found[1], direct=True, reference="$1")
    assert said is not None and "Link this account" in said


async def test_an_administrator_undoes_a_link(school: World, campus: Campus) -> None:
    browser = await boss(school)
    for number in (1, 2):
        await prove(campus, school, UserId(f"@own{number}:uni.test"))
        page = await browser.get(f"/admin/people/{STUDENT}")
        assert f"@own{number}:uni.test" in page.text
        reply = await browser.post(f"/admin/people/{STUDENT}/unlink", {"form_token": form_token(page)})
        assert reply.location == f"/admin/people/{STUDENT}?done=linked"
        assert await school.books.links.of([ANNA]) == {}
    assert "Undo the link" not in (await browser.get(f"/admin/people/{STUDENT}")).text


async def test_the_audit_log_names_the_administrator_who_undid_a_link(school: World, campus: Campus) -> None:
    known = await signed_in(school, "admin")
    for browser, who in ((await boss(school), str(BOSS)), (known, "Moodle user 2")):
        await prove(campus, school, UserId("@own:uni.test"))
        page = await browser.get(f"/admin/people/{STUDENT}")
        await browser.post(f"/admin/people/{STUDENT}/unlink", {"form_token": form_token(page)})
        lines = await school.books.journal.audit()
        (undone, ordered) = [line for line in lines if line.kind in ("Unlink", "UnlinkOrdered")][:2]
        assert undone.reference == ordered.reference != ""
        assert (undone.person, ordered.person) == (ANNA, None)
        assert ordered.why == f"An administrator ({who}) undid the link of another person."
        assert ordered.signal == "dashboard"
    await school.books.personal.erase(MoodleUserId(2))
    assert "Moodle user 2)" not in str(await school.books.journal.audit())


async def test_a_person_reads_the_pages_in_the_language_chosen_in_the_chat(
    school: World, campus: Campus
) -> None:
    student = await signed_in(school, "student")
    assert (await student.get("/me")).headers["Content-Language"] == "en"
    await school.books.readers.choose(ANNA, "fr")
    assert (await student.get("/me")).headers["Content-Language"] == "fr"
    await school.books.readers.choose(ANNA, "")
    assert (await student.get("/me")).headers["Content-Language"] == "en"


async def test_the_overview_says_how_long_what_is_left_takes(school: World, campus: Campus) -> None:
    browser = await boss(school)
    assert "still to be given" not in (await browser.get("/admin")).text
    campus.figures.counted(CourseId(2), 1000)
    text = (await browser.get("/admin")).text
    assert "how long that takes is not known yet" in text
    for _ in range(10):
        campus.figures.acted("Invite", "done")
        campus.clock.advance(1.0)
    text = (await browser.get("/admin")).text
    assert "still to be given, which takes about" in text
    assert "in the queue." in text


async def test_courses_are_filtered_and_those_with_an_error_come_first(school: World) -> None:
    await school.books.courses.synced(CourseId(5), at=1.0, error="It did not work.")
    browser = await boss(school)
    text = (await browser.get("/admin/courses")).text
    assert text.index("C5") < text.index("C2")
    assert "It did not work." in text
    assert "C2<" not in (await browser.get("/admin/courses?show=error")).text
    assert "C5<" not in (await browser.get("/admin/courses?q=c2")).text


async def test_each_page_says_how_long_ago_the_error_of_a_course_was(school: World, campus: Campus) -> None:
    at = campus.clock.now() - 300.0
    await school.books.courses.synced(CourseId(2), at=at, error="It did not work.")
    browser = await boss(school)
    for path in ("/admin/courses", "/admin/courses/2", "/c/2/manage"):
        text = (await browser.get(path)).text
        assert "It did not work." in text, path
        assert "5 minutes ago" in text, path


async def test_the_page_of_a_course_has_its_raw_plan(school: World) -> None:
    text = (await (await boss(school)).get("/admin/courses/2")).text
    assert "&#34;shortname&#34;: &#34;C2&#34;" in text
    assert "/c/2/manage" in text


async def test_the_pages_of_a_course_say_of_each_room_who_is_not_there(school: World, campus: Campus) -> None:
    campus.facts.add_person(51, full_name="No Account", username="")
    campus.facts.enrol(CourseId(2), 51)
    await campus.operations.sync()
    for path in ("/admin/courses/2", "/c/2/manage"):
        assert " · 1 without an account" in (await (await boss(school)).get(path)).text


async def test_the_audit_log_comes_as_a_file(school: World) -> None:
    await school.books.journal.note("Odd", at=0.0, why='A "quoted", thing', course_id=CourseId(2))
    reply = await (await boss(school)).get("/admin/audit.csv?kind=Odd")
    assert reply.headers["Content-Type"].startswith("text/csv")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    head, line = reply.text.splitlines()
    assert head == "time,course,room,person,kind,why,signal,result,reference"
    assert line == '1970-01-01T00:00:00Z,2,,,Odd,"A ""quoted"", thing",,done,'


async def test_doctor_is_asked_when_the_page_is_opened(school: World, campus: Campus) -> None:
    browser = await boss(school)
    campus.findings = [
        Finding("Moodle", "ok", "It answers.", ""),
        Finding("Clock", "failed", "Wrong.", "Set it."),
    ]
    text = (await browser.get("/admin/doctor")).text
    for part in ("Moodle", "It answers.", "Clock", "Wrong.", "Set it."):
        assert part in text


@pytest.mark.parametrize(
    ("language", "title"), [("de", "Überblick"), ("fr", "Vue d’ensemble"), ("es", "Resumen")]
)
async def test_the_dashboard_speaks_the_language_of_the_browser(
    school: World, language: str, title: str
) -> None:
    browser = await boss(school)
    page = await browser.get("/admin", headers={"Accept-Language": f"{language}-XX, en;q=0.5"})
    assert page.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in page.text
    assert title in page.text
