"""`reset` and `archive`: new rooms for a course, or rooms in which nobody writes any more. Both ask first."""

from __future__ import annotations

from ...domain.model import CourseId
from ..call import Call
from ..render import Answer
from .which import staffed_course

BY = "bot"


async def reset(call: Call) -> CourseId | None:
    """Give the course new rooms, after the plan was shown, with a word."""
    _ = call.reader.language.gettext
    course_id = await staffed_course(call)
    plan = Answer().line(
        _(
            "The course gets new, empty rooms, and everybody is invited there. The old ones lead to them; what was "
            "written there stays, and nobody writes there any more."
        ),
        strong=_("{course} is to be reset", course=await _name(call, course_id)),
    )
    await call.agree(plan)
    await _told(call, course_id, await call.desk.lifecycle.reset(course_id, by=BY, person=call.person))
    return course_id


async def archive(call: Call) -> CourseId | None:
    """Close the rooms of the course, after the plan was shown, with a word; `archive off` opens them again."""
    _ = call.reader.language.gettext
    word = call.arguments["off"].lower()
    if word and word != "off" and not call.arguments.course:
        # `archive MATH101` names a course.
        call, word = call.about(call.arguments["off"]), ""
    course_id = await staffed_course(call)
    if word == "off":
        said = await call.desk.lifecycle.unarchive(course_id, by=BY, person=call.person)
        await _told(call, course_id, said)
        return course_id
    plan = Answer().line(
        _(
            "Nobody writes in the rooms any more, and nobody is invited. Everybody stays and can read; nothing is "
            "deleted. `archive off` opens them again."
        ),
        strong=_("{course} is to be archived", course=await _name(call, course_id)),
    )
    await call.agree(plan)
    await _told(call, course_id, await call.desk.lifecycle.archive(course_id, by=BY, person=call.person))
    return course_id


async def _name(call: Call, course_id: CourseId) -> str:
    row = await call.desk.store.courses.get(course_id)
    return str(course_id) if row is None else row.shortname


async def _told(call: Call, course_id: CourseId, said: str) -> None:
    """Wait until the rooms have followed, then say what was decided; raises what stopped them."""
    async with call.work():
        failure = await call.desk.operations.sync_course(course_id)
        if failure is not None:
            raise failure
    await call.answer(Answer().line(call.reader.tell(said)))
