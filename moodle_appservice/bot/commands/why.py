"""`why`: which enrolment, role, group or date decides about somebody, and what was done last."""

from __future__ import annotations

from ...domain.model import CourseId, MoodleUserId
from ...engine.explain import Explanation
from ..call import Call
from ..reading import quoted
from ..render import Answer, Item
from .pages import listed
from .which import staffed_course


async def why(call: Call) -> CourseId | None:
    """Explain one person of a course to its teachers."""
    course_id = await staffed_course(call)
    person = await _meant(call, course_id, call.arguments["person"])
    await _tell(call, await call.desk.explainer.why(person, course_id))
    return None


async def explain(call: Call) -> CourseId | None:
    """Explain anybody to administrators, in one course or in all. Raises `Told` where the course is no number."""
    course = call.arguments.course
    if course and not course.isdecimal():
        raise await call.refuse("Write the course's number behind -c.")
    course_id = CourseId(int(course)) if course else None
    await _tell(call, await call.desk.explainer.explain(call.arguments["person"], course_id))
    return None


async def _meant(call: Call, course_id: CourseId, words: str) -> MoodleUserId:
    """Somebody of this course by name, user name, number or Matrix id; else the teacher is told."""
    words = words.strip().removeprefix("@") if ":" not in words else words.strip()
    people = await call.desk.operations.people_of(course_id)
    found = set(await call.desk.store.personal.find(words)) & people.keys()
    if not found:
        wanted = words.casefold()
        found = {person for person, name in people.items() if name.casefold() == wanted}
        found = found or {person for person, name in people.items() if wanted and wanted in name.casefold()}
    if len(found) == 1:
        return found.pop()
    if not found:
        raise await call.refuse("I know nobody called “{name}” in this course.", name=quoted(words))
    names = ", ".join(sorted(f"{people[person]} ({person})" for person in found)[:10])
    raise await call.refuse(
        "“{name}” can be several people: {names}. Write the number.", name=words, names=names
    )


async def _tell(call: Call, found: Explanation) -> None:
    tell = call.reader.tell
    entries = [Item("", tell(sentence)) for sentence in found.account]
    for course in found.courses:
        entries += [Item(course.shortname, tell(sentence)) for sentence in course.sentences]
    answer = Answer().line("", strong=found.name or f"Moodle {found.person}")
    await call.answer(listed(call, answer, entries, per_page=10))
