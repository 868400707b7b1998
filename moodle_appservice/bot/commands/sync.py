"""`sync` and `plan`: look at one course now and say how it stands; say what a sync would do."""

from __future__ import annotations

import asyncio

from ...domain.model import CourseId
from ..call import Call
from ..render import Answer
from . import status
from .plans import rendered
from .which import staffed_course

PATIENCE = 300.0


async def run(call: Call) -> CourseId | None:
    """Look at the course that is meant; a reaction says at once that it is being done.

    Raises `Told` where it takes longer than we wait, and what stopped the look.
    """
    course_id = await staffed_course(call)
    row = await call.desk.store.courses.get(course_id)
    if row is None or not row.on:
        await status.tell(call, course_id)
        return None
    async with call.work():
        try:
            async with asyncio.timeout(PATIENCE):
                failure = await call.desk.operations.sync_course(course_id)
        except TimeoutError:
            raise await call.refuse(
                "This takes longer than usual; I go on with it. Ask for the status later."
            ) from None
        if failure is not None:
            raise failure
    await status.tell(call, course_id)
    return course_id


async def plan(call: Call) -> CourseId | None:
    """What a sync would do now; nothing is changed."""
    course_id = await staffed_course(call)
    views = await call.desk.operations.plans(course_id)
    answer = Answer()
    for view in views:
        await rendered(call, answer, view)
    await call.answer(answer)
    return None
