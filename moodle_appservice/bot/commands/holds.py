"""`held`, `confirm`, `pause`, `resume`, and `sync all`: what waits for an administrator's word.

What is held is decided in `domain.safety`. Holds of one cause are a group, whose id changes with everything in it
(`domain.holds`); so `confirm` covers what was shown, and where the facts have changed since, it confirms nothing.
Pauses are kept by `engine.pauses`. `sync` is a teachers' word, `sync all` one for administrators: while it runs,
one message is edited to tell how many looks are left.
"""

from __future__ import annotations

import asyncio

from ...domain.model import CourseId
from ...engine.held import HeldGroup
from ...engine.operations import SyncReport
from ...errors import Refused
from ...languages import N_
from ..call import Call, Progress
from ..render import Answer, Item
from . import sync
from .pages import listed

EVERYTHING = "all"
BETWEEN_LOOKS = 1.0
MOST_COURSES = 5
MOST_NAMES = 10
MOST_FAILURES = 5
CHANGED = N_("What is held has changed since this was shown, so nothing was confirmed. `held` lists what is.")


async def held(call: Call) -> CourseId | None:
    """What safety holds, in groups by cause, with what to write to confirm each as it is shown."""
    _ = call.reader.language.gettext
    groups = await call.desk.held_plans.groups()
    if not groups:
        await call.answer(Answer().line(_("Nothing is held.")))
        return None
    entries = []
    for group in groups:
        entries.append(Item(call.reader.tell(group.cause), f"– {_since(call, group)}"))
        entries += _courses_of(call, group)
    await call.answer(listed(call, Answer(), entries, per_page=8))
    return None


async def confirm(call: Call) -> CourseId | None:
    """Let pass one group of what is held, as it was shown: after its plan was shown, with a word.

    Raises `Told` until then, and where the group has changed or is there no more; and what stopped the look.
    """
    _, language = call.reader.language.gettext, call.reader.language
    wanted = call.arguments["id"]
    group = next((one for one in await call.desk.held_plans.groups() if one.mark == wanted), None)
    if group is None:
        raise await call.refuse(
            CHANGED
            if call.agreed
            else N_("Nothing is held under {id}. `held` lists what is. Nothing was done."),
            id=wanted,
        )
    answer = Answer().line(call.reader.tell(group.cause), strong=group.mark).items(_courses_of(call, group))
    names = [name for course in group.courses for name in course.people]
    if names:
        listed_names = language.listed(names[:MOST_NAMES])
        answer.line(
            language.ngettext(
                "It is about {number} person: {names}",
                "It is about {number} people: {names}",
                len(names),
                names=listed_names,
            )
            + (" …" if len(names) > MOST_NAMES else "")
        )
    await call.agree(answer)
    async with call.work():
        try:
            report = await call.desk.operations.sync_confirmed(group.mark, by=str(call.sender))
        except Refused:
            raise await call.refuse(CHANGED) from None
        failure = next(iter(report.failures.values()), None)
        if failure is not None:
            raise failure
    await call.answer(Answer().line(_("Confirmed and done.")))
    return None


def _since(call: Call, group: HeldGroup) -> str:
    _, language = call.reader.language.gettext, call.reader.language
    ago = language.ago(call.desk.clock.now() - group.since)
    return _("held since {when}. Confirm: `confirm {id}`", when=ago, id=group.mark)


def _courses_of(call: Call, group: HeldGroup) -> list[Item]:
    """The first courses of a group, with their reasons; spaces above courses have no number."""
    found = [
        Item(
            f"{one.course_id} {one.shortname}".strip() if one.course_id else "",
            f"– {call.reader.tell(one.reason)}",
        )
        for one in group.courses[:MOST_COURSES]
    ]
    if len(group.courses) > MOST_COURSES:
        more = call.reader.language.ngettext(
            "{number} more course", "{number} more courses", len(group.courses) - MOST_COURSES
        )
        found.append(Item("", f"… {more}"))
    return found


async def pause(call: Call) -> CourseId | None:
    """Write nothing for a course, or for the whole site, until somebody resumes."""
    course_id = await _scope(call)
    said = await call.desk.pauses.pause(course_id, by=str(call.sender), why=call.arguments["why"])
    await call.answer(Answer().line(call.reader.tell(said)))
    return course_id


async def resume(call: Call) -> CourseId | None:
    """Go on with a course, or with the whole site."""
    course_id = await _scope(call)
    said = await call.desk.pauses.resume(course_id, by=str(call.sender))
    await call.answer(Answer().line(call.reader.tell(said)))
    return course_id


async def sync_some(call: Call) -> CourseId | None:
    """`sync all` for administrators, else the sync of one course. Raises `Told` where others ask for all."""
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
    answer.line(call.reader.tell(report.note))
    if report.held:
        answer.line(_("`held` tells what waits for you."))
    if call.may_name:
        shown = list(report.failures.items())[:MOST_FAILURES]
        answer.items([Item(str(key), f"– {call.reader.tell(str(why))}") for key, why in shown])
    elif report.failures:
        failed = language.ngettext(
            "{number} look did not work; in our direct chat I say which.",
            "{number} looks did not work; in our direct chat I say which.",
            len(report.failures),
        )
        answer.line(failed)
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
