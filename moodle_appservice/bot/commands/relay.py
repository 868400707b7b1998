"""`relay`: whether announcements and dates of the course reach its room."""

from __future__ import annotations

from ...domain.model import CourseId
from ...engine.relay_scope import SETTING
from ..call import Call
from ..render import Answer
from .choices import BY, WORDS
from .which import staffed_course


async def relay(call: Call) -> CourseId | None:
    """Switch it on or off, or tell how it is. Raises `Told` for any other word, and for `on` where it is not set up."""
    course_id = await staffed_course(call)
    word = call.arguments["switch"].lower()
    if not word:
        await _tell(call, course_id)
        return None
    if word not in WORDS:
        raise await call.refuse("Write on, off, or site (as everywhere). Nothing was changed.")
    if WORDS[word] and call.desk.relay is None:
        raise await call.refuse(
            "Announcements and dates can't be read: an administrator has not set this up. Nothing was changed."
        )
    await call.desk.choosing.choose(
        course_id, SETTING, WORDS[word], by=BY, person=call.person, reference=call.reference
    )
    await _tell(call, course_id)
    return course_id


async def _tell(call: Call, course_id: CourseId) -> None:
    language = call.reader.language
    state = await call.desk.relay_scope.state(course_id)
    row = await call.desk.store.courses.get(course_id)
    name = row.shortname if row else str(course_id)
    told = (
        language.gettext("Announcements and dates reach the room of {course}.", course=name)
        if state.on
        else language.gettext("Announcements and dates do not reach the room of {course}.", course=name)
    )
    answer = Answer().line(told)
    answer.line(call.reader.tell(state.reason) if call.may_name else "")
    await call.answer(answer)
