"""The demo's student finds the invite to the course in Hydrogen, accepts it, reads the bot's welcome and asks for the
courses; the teacher asks for the status.
"""

from __future__ import annotations

from moodle_appservice.demo.cast import PASSWORD, cast_of, people_with_ids
from moodle_appservice.demo.stage import Stage
from moodle_appservice.demo.witness import Witness
from tests.browser.chromium import Chromium
from tests.browser.hydrogen_site import served_hydrogen
from tests.browser.hydrogen_user import HydrogenUser
from tests.browser.page import PHONE

BOT = "Moodle"


async def test_the_demos_student_accepts_the_invite_and_the_teacher_reads_the_status(
    browser: Chromium,
) -> None:
    async with Stage() as stage, Witness(stage.synapse) as witness:
        people = people_with_ids(stage.sandbox.university, stage.service.rules)
        cast = cast_of(stage.sandbox.university, people)
        for part in (cast.student, cast.teacher):
            await witness.make_accounts([(part.matrix_id, part.name)], PASSWORD)
        report = await stage.service.operations.sync()
        assert report.failures == {}
        name = f"LIN: {cast.course_name}"
        async with served_hydrogen(stage.synapse.url) as site:
            student = HydrogenUser(await browser.page(PHONE), site)
            await student.log_in(cast.student.username, PASSWORD)
            await student.see_invite(name)
            await student.screenshot("demo-student-invited")
            await student.open_room(name)
            await student.accept_invite()
            await student.screenshot("demo-student-joined")
            status = await stage.service.operations.status(cast.course_id)
            assert status is not None
            assert status.room_id is not None
            assert (await witness.memberships(status.room_id))[cast.student.matrix_id] == "join"
            await student.send_message("!courses")
            await student.go_back()
            await student.see_invite(BOT)
            await student.screenshot("demo-student-asked")
            await student.open_room(BOT)
            await student.accept_invite()
            await student.see_message("I am the bot that keeps the chat rooms of your Moodle courses")
            await student.see_message("LIN – you are in the room")
            await student.screenshot("demo-student-courses")

            teacher = HydrogenUser(await browser.page(PHONE), site)
            await teacher.log_in(cast.teacher.username, PASSWORD)
            await teacher.open_room(name)
            await teacher.accept_invite()
            await teacher.send_message("!status")
            await teacher.see_message("The room is ready.")
            await teacher.see_message("expected 21")
            await teacher.screenshot("demo-teacher-status")
