"""Which course a command means: that of the room, the one that is named, or the person's only one."""

from __future__ import annotations

from ...domain.model import CourseId
from ..call import Call
from ..render import Answer

MOST = 20


async def course_meant(call: Call) -> CourseId | None:
    """The course, where the person is staff in it; else None, and the person has been told why."""
    if call.course_id is not None:
        return call.course_id if await _may(call, call.course_id) else None
    courses = await call.staffed_courses()
    if not courses:
        await call.answer(
            Answer().line("This is for teachers, and you are a teacher in none of the courses I know.")
        )
        return None
    rows = await call.desk.store.courses.all()
    known = {course: rows[course].shortname for course in courses if course in rows}
    if call.words:
        return await _named(call, " ".join(call.words), known)
    switched_on = [course for course in known if rows[course].on]
    if len(switched_on) == 1:
        return switched_on[0]
    if len(known) == 1:
        return next(iter(known))
    await call.answer(
        Answer()
        .line("Which course? Write its short name or number behind the command:")
        .items([(shortname, f"({course})") for course, shortname in list(known.items())[:MOST]])
    )
    return None


async def _may(call: Call, course_id: CourseId) -> bool:
    if await call.is_staff(course_id):
        return True
    await call.answer_privately(Answer().line("That is for the teachers of this course, so I did nothing."))
    return False


async def _named(call: Call, name: str, known: dict[CourseId, str]) -> CourseId | None:
    for course, shortname in known.items():
        if name == str(course) or name.casefold() == shortname.casefold():
            return course
    await call.answer(Answer().line(f"You are a teacher in no course called “{name}” that I know."))
    return None
