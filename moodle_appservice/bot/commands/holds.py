"""`held`, `confirm`, `pause`, `resume`, and `sync all`: what waits for an administrator's word."""

from __future__ import annotations

import asyncio

from ...domain.model import CourseId
from ...engine.operations import SyncReport
from ..call import Call, Progress
from ..render import Answer, Item
from . import sync
from .pages import listed

EVERYTHING = "all"
BETWEEN_LOOKS = 1.0


async def held(call: Call) -> CourseId | None:
    """What safety holds, with what to write to confirm it."""
    _, tell = call.reader.language.gettext, call.reader.language.tell
    found = await call.desk.overview.held()
    if not found:
        await call.answer(Answer().line(_("Nothing is held.")))
        return None
    entries = [
        Item(
            f"{one.course_id} {one.shortname}".strip(),
            f"– {tell(one.reason)} " + _("Confirm: `confirm {course}`", course=one.course_id),
        )
        for one in found
    ]
    await call.answer(listed(call, Answer(), entries, per_page=6))
    return None


async def confirm(call: Call) -> CourseId | None:
    """Let pass what is held for one course: after its plan was shown, with a word."""
    _, tell = call.reader.language.gettext, call.reader.language.tell
    wanted = call.arguments["id"]
    found = [one for one in await call.desk.overview.held() if str(one.course_id) == wanted]
    if not found:
        raise await call.refuse(
            "Nothing is held under {id}. `held` lists what is. Nothing was done.", id=wanted
        )
    one = found[0]
    answer = Answer().line(tell(one.reason), strong=f"{one.course_id} {one.shortname}")
    if one.people:
        names = call.reader.language.listed(list(one.people[:10]))
        answer.line(
            call.reader.language.ngettext(
                "{number} person goes: {names}", "{number} people go: {names}", one.number, names=names
            )
            + (" …" if one.number > 10 else "")
        )
    await call.agree(answer)
    async with call.work():
        report = await call.desk.operations.sync(one.course_id, confirm=True)
        failure = next(iter(report.failures.values()), None)
        if failure is not None:
            raise failure
    await call.answer(Answer().line(_("Confirmed and done.")))
    return one.course_id


async def pause(call: Call) -> CourseId | None:
    """Write nothing for a course, or for the whole site, until somebody resumes."""
    course_id = await _scope(call)
    said = await call.desk.pauses.pause(course_id, by=str(call.sender), why=call.arguments["why"])
    await call.answer(Answer().line(call.reader.language.tell(said)))
    return course_id


async def resume(call: Call) -> CourseId | None:
    """Go on with a course, or with the whole site."""
    course_id = await _scope(call)
    said = await call.desk.pauses.resume(course_id, by=str(call.sender))
    await call.answer(Answer().line(call.reader.language.tell(said)))
    return course_id


async def sync_some(call: Call) -> CourseId | None:
    """`sync all` for administrators, else the sync of one course."""
    if call.arguments.course.lower() != EVERYTHING:
        return await sync.run(call)
    if not await call.is_admin():
        raise await call.refuse("That is for the administrators of the chat, so I did nothing.")
    _ = call.reader.language.gettext
    async with call.work() as progress:
        task = asyncio.ensure_future(call.desk.operations.sync())
        try:
            await _follow(call, progress, task)
            report = await task
        finally:
            task.cancel()
    language = call.reader.language
    answer = Answer().line(
        language.ngettext(
            "{number} course was looked at.", "{number} courses were looked at.", report.courses
        )
    )
    answer.line(language.tell(report.note))
    if report.held:
        answer.line(_("`held` tells what waits for you."))
    answer.items(
        [Item(str(key), f"– {language.tell(str(why))}") for key, why in list(report.failures.items())[:5]]
    )
    await progress.end(answer)
    return None


async def _follow(call: Call, progress: Progress, task: asyncio.Future[SyncReport]) -> None:
    """Tell how much is left, as long as it takes."""
    while not task.done():
        await asyncio.wait([task], timeout=BETWEEN_LOOKS)
        if task.done():
            return
        left = call.desk.overview.depth()
        await progress.tell(
            Answer().line(
                call.reader.language.ngettext("{number} look is left …", "{number} looks are left …", left)
            )
        )


async def _scope(call: Call) -> CourseId | None:
    """A course by its number; None for `all`: the whole site."""
    wanted = call.arguments["what"].lower()
    if wanted == EVERYTHING:
        return None
    if not wanted.isdecimal():
        raise await call.refuse(
            "Write the number of a course, or `all` for the whole site. Nothing was done."
        )
    return CourseId(int(wanted))
