"""`announce` and `remind`: words for the whole course, and another invite for who has not come."""

from __future__ import annotations

from ...domain.model import CourseId
from ..call import Call
from ..render import Answer
from .which import staffed_course


async def announce(call: Call) -> CourseId | None:
    """Say something in the announcements room, in the teacher's name. Raises `Told` where there is no such room."""
    _ = call.reader.language.gettext
    course_id = await staffed_course(call)
    text = call.arguments["text"]
    room_id = await call.desk.operations.announcements_of(course_id)
    if room_id is None:
        raise await call.refuse(
            "This course has no announcements room. `rooms announcements on` makes one. Nothing was sent."
        )
    name = ""
    if call.person is not None:
        name = (await call.desk.store.people.names([call.person])).get(call.person, "")
    said = Answer().line(text, strong=name)
    await call.desk.messenger.notice(room_id, said.text, said.html, key=f"{call.event_id}:announcement")
    await call.answer(Answer().line(_("Said in the announcements room.")))
    return course_id


async def remind(call: Call) -> CourseId | None:
    """Invite all again who have not joined, at most once a day. Raises `Told` within a day of the last time."""
    _ = call.reader.language.gettext
    course_id = await staffed_course(call)
    async with call.work():
        report = await call.desk.reminders.remind(course_id)
    if report.again_at is not None:
        when = call.reader.moment(report.again_at) if call.may_name else _("tomorrow")
        raise await call.refuse(
            "They were reminded within the last day. Again from {when}. Nothing was sent.", when=when
        )
    answer = Answer().line(
        call.reader.language.ngettext(
            "{number} person was invited again.", "{number} people were invited again.", report.invited
        )
    )
    if report.failed:
        answer.line(
            call.reader.language.ngettext(
                "{number} invite failed.", "{number} invites failed.", report.failed
            )
        )
    if report.left_alone:
        answer.line(
            call.reader.language.ngettext(
                "{number} person has left or declined, and is left alone.",
                "{number} people have left or declined, and are left alone.",
                report.left_alone,
            )
        )
    await call.answer(answer)
    return course_id
