"""`sync`: look at one course now, then say how it stands."""

from __future__ import annotations

import asyncio

from ...errors import AppError
from ..call import Call
from ..render import Answer
from . import status
from .which import course_meant

PATIENCE = 300.0


async def run(call: Call) -> None:
    """Look at the course that is meant; a reaction says at once that it is being done."""
    course_id = await course_meant(call)
    if course_id is None:
        return
    row = await call.desk.store.courses.get(course_id)
    if row is None or not row.on:
        await status.tell(call, course_id)
        return
    await call.react("👀")
    failure: AppError | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            failure = await call.desk.operations.sync_course(course_id)
    except TimeoutError:
        await call.answer(
            Answer().line("This takes longer than usual; I go on with it. Ask for the status later.")
        )
        return
    if failure is not None:
        await call.react("❌")
        await call.answer_privately(Answer().line(str(failure), strong="Not done"))
        return
    await call.react("✅")
    await status.tell(call, course_id)
