"""Which course a command means: that of the room, the one that is named, or the person's only one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from ...domain.model import CourseId
from ...ports import CourseRow
from ..call import Call, Told
from ..reading import quoted
from ..render import Answer, Item

MOST = 15


async def staffed_course(call: Call) -> CourseId:
    """A course in which the person is staff; else `Told`, and the person has been told why."""
    if call.place.course_id is not None and not call.arguments.course:
        return call.place.course_id
    return await _chosen(call, await call.staffed_courses())


async def own_course(call: Call) -> CourseId:
    """A course in which the person is; else `Told`, and the person has been told why."""
    courses = await call.courses()
    here = call.place.course_id
    if here is not None and here in courses and not call.arguments.course:
        return here
    return await _chosen(call, courses)


async def _chosen(call: Call, courses: list[CourseId]) -> CourseId:
    rows = await call.desk.store.courses.all()
    known = {course: rows[course] for course in courses if course in rows}
    if not known:
        raise await call.refuse("You are in no course that I know.")
    if call.arguments.course:
        return await _named(call, call.arguments.course, known)
    on = [course for course, row in known.items() if row.on and not row.gone]
    for few in (on, list(known)):
        if len(few) == 1:
            return few[0]
    raise await _ask(call, [known[course] for course in (on or known)])


async def _named(call: Call, name: str, known: Mapping[CourseId, CourseRow]) -> CourseId:
    wanted = name.strip().casefold()
    names = {row.shortname.casefold(): course for course, row in known.items()}
    if wanted in names:
        return names[wanted]
    if wanted.isdecimal() and CourseId(int(wanted)) in known:
        return CourseId(int(wanted))
    near = [row for row in known.values() if wanted in row.shortname.casefold()]
    if len(near) == 1:
        return near[0].id
    if near:
        raise await _ask(call, near)
    close = get_close_matches(wanted, names, n=1, cutoff=0.6)
    if close:
        raise await call.refuse(
            "I know no course “{name}” of yours. Did you mean `{near}`? Nothing was done.",
            name=quoted(name),
            near=known[names[close[0]]].shortname,
        )
    raise await call.refuse("I know no course “{name}” of yours. Nothing was done.", name=quoted(name))


async def _ask(call: Call, rows: Iterable[CourseRow]) -> Told:
    _ = call.reader.language.gettext
    entries = [Item(row.shortname, f"({row.id})") for row in rows]
    answer = Answer().line(_("Which course? Write its short name or number behind the command:"))
    answer.items(entries[:MOST])
    if len(entries) > MOST:
        left = len(entries) - MOST
        answer.line(call.reader.language.ngettext("and {number} more", "and {number} more", left))
    await call.answer_privately(answer, part="which")
    return Told()
