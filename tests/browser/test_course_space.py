"""A course with its rooms, as a student sees them in Hydrogen; the picture of the README is taken here."""

from __future__ import annotations

from pathlib import Path

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.sandbox import SandboxMoodle, University
from tests.browser.chromium import Chromium
from tests.browser.hydrogen_site import served_hydrogen
from tests.browser.hydrogen_user import HydrogenUser
from tests.browser.page import DESKTOP
from tests.live.homeserver import write_registration
from tests.live.house import House

PASSWORD = "correct horse"
NAME = "LIN101: Linear Algebra"
PEOPLE = {
    "weber": ("Maria Weber", "editingteacher"),
    "anna": ("Anna Albers", "student"),
    "yilmaz": ("Çağla Yılmaz", "student"),
    "obrien": ("Zoë O'Brien", "student"),
}


def university() -> University:
    """One course with a teacher and three students."""
    made = University()
    made.add_category("Mathematics", id=2)
    course = made.add_course("LIN101", "Linear Algebra", 2)
    for username, (name, role) in PEOPLE.items():
        given, _, family = name.partition(" ")
        made.enrol(made.add_person(username, given, family).id, course.id, role)
    return made


async def test_a_student_finds_the_rooms_of_the_course_and_talks_with_the_teacher(
    browser: Chromium, tmp_path: Path
) -> None:
    seat = write_registration(tmp_path, "uni")
    async with (
        EmbeddedSynapse(registrations=[seat.path]) as synapse,
        SandboxMoodle(university()) as moodle,
        served_hydrogen(synapse.url) as site,
    ):
        tokens = {
            username: await synapse.register(username, PASSWORD, name)
            for username, (name, _) in PEOPLE.items()
        }
        house = House(synapse, seat, moodle, tmp_path)
        house.overrides = {
            "rooms": {
                "existing_courses": True,
                "layout": "space",
                "announcements": True,
                "invite": "all",
                # Hydrogen lists the space like a room: another name tells them apart.
                "kinds": {"space": {"name": "{fullname}"}},
            },
        }
        await house.start()
        try:
            report = await house.sync()
            assert report.failures == {}, report
            course = next(one.id for one in moodle.university.courses.values() if one.shortname == "LIN101")
            for username in ("weber", "yilmaz"):
                await house.ask(
                    "POST",
                    f"/_matrix/client/v3/join/{await house.room_of(course)}",
                    token=tokens[username],
                    body={},
                )
            await say(house, tokens["weber"], course, "Welcome! The slides of the first week are in Moodle.")
            await say(house, tokens["yilmaz"], course, "Thank you! Is the tutorial on Monday already?")

            student = HydrogenUser(await browser.page(DESKTOP), site)
            await student.log_in("anna", PASSWORD)
            await student.see_invite("LIN101 · Announcements")
            await student.open_room(NAME)
            await student.accept_invite()
            await student.see_message("Is the tutorial on Monday already?")
            await student.send_message("Yes, at ten.")
            await student.screenshot("course-space")
        finally:
            await house.stop()


async def say(house: House, token: str, course: int, text: str) -> None:
    """Write into the main room of the course."""
    room_id = await house.room_of(course)
    path = f"/_matrix/client/v3/rooms/{room_id}/send/m.room.message/{len(text)}"
    sent = await house.ask("PUT", path, token=token, body={"msgtype": "m.text", "body": text})
    assert "event_id" in sent, sent
