"""What a teacher does with care: begin anew, archive, open again."""

from __future__ import annotations

import pytest

from moodle_appservice.domain.life import ARCHIVED, GENERATION
from moodle_appservice.domain.model import MoodleUserId
from moodle_appservice.domain.rooms import main_room
from moodle_appservice.ports import AuditFilter
from moodle_appservice.web.refusals import Why
from moodle_appservice.web.steps import STEPS
from tests.web.test_attacks import form_token, is_refused
from tests.web.test_page_attacks import HERE, TEACHER, school, signed_in, token
from tests.web.world import Browser, Reply, World

__all__ = ["school"]


async def take(browser: Browser, step: str, confirm: str) -> Reply:
    page = await browser.get(f"/c/2/manage/{step}")
    assert page.status == 200
    return await browser.post(f"/c/2/manage/{step}", {"form_token": form_token(page), "confirm": confirm})


@pytest.mark.parametrize("step", sorted(STEPS))
async def test_a_step_needs_the_short_name_of_the_course(school: World, step: str) -> None:
    browser = await signed_in(school, "editingteacher")
    for wrong in ("", "c2", "C5", "yes"):
        page = await take(browser, step, wrong)
        assert page.status == 400
        assert "That is not the short name" in page.text
    assert await school.books.choices.of(HERE) == {}


@pytest.mark.parametrize("step", sorted(STEPS))
async def test_a_step_is_for_those_who_edit_the_course(school: World, step: str) -> None:
    browser = await signed_in(school, "nonediting-teacher")
    await is_refused(school, await browser.get(f"/c/2/manage/{step}"), Why.NO_RIGHT)
    sent = {"form_token": await token(browser), "confirm": "C2"}
    await is_refused(school, await browser.post(f"/c/2/manage/{step}", sent), Why.NO_RIGHT)
    assert await school.books.choices.of(HERE) == {}


async def test_a_reset_makes_new_rooms_once_it_is_confirmed(school: World) -> None:
    old = (await school.books.ledger.rooms_of(HERE))[main_room(HERE)]
    browser = await signed_in(school, "editingteacher")
    reply = await take(browser, "reset", " C2 ")
    assert reply.location == "/c/2/manage?done=reset"
    assert (await school.books.choices.of(HERE))[GENERATION].value == 2
    new = (await school.books.ledger.rooms_of(HERE))[main_room(HERE)]
    assert new.room_id != old.room_id
    assert "begun anew" in (await browser.get("/c/2/manage?done=reset")).text


async def test_a_course_is_archived_and_opened_again(school: World) -> None:
    browser = await signed_in(school, "editingteacher")
    assert (await take(browser, "archive", "C2")).location == "/c/2/manage?done=archive"
    assert (await school.books.choices.of(HERE))[ARCHIVED].value is True
    again = await take(browser, "archive", "C2")
    assert again.status == 409
    assert "archived already" in again.text
    assert (await take(browser, "unarchive", "C2")).location == "/c/2/manage?done=unarchive"
    assert (await school.books.choices.of(HERE))[ARCHIVED].value is False
    wanted = AuditFilter(
        course_id=HERE, person=MoodleUserId(TEACHER), words="A person has decided it (page)."
    )
    lines, _ = await school.books.search.audit(wanted, limit=50, offset=0)
    assert [line.kind for line in lines] == ["Unarchived", "Archived"]
