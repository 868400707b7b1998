"""`help`: what the person who asks may use, and nothing else."""

from __future__ import annotations

from ..call import Call
from ..render import Answer


async def run(call: Call) -> None:
    """List the commands that this person may use here."""
    from . import COMMANDS

    if call.course_id is None:
        staff = bool(await call.staffed_courses())
    else:
        staff = await call.is_staff(call.course_id)
    prefix = "" if call.is_direct else call.desk.prefix
    entries = [
        (f"{prefix}{command.name}", command.summary)
        for command in COMMANDS.values()
        if staff or not command.staff
    ]
    answer = Answer().line("I keep the chat rooms of your Moodle courses. You can ask me:").items(entries)
    if staff and call.is_direct:
        answer.line("Add a course's short name or number where you have several.")
    await call.answer(answer)
