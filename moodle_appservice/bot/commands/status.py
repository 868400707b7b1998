"""`status`: how the room of a course stands. In a room that students read: numbers only."""

from __future__ import annotations

from ...domain.model import CourseId
from ...engine.status import CourseStatus
from ..call import Call
from ..render import Answer, ago
from .which import course_meant

MOST_NAMES = 15


async def run(call: Call) -> None:
    """Answer with the status of the course that is meant."""
    course_id = await course_meant(call)
    if course_id is not None:
        await tell(call, course_id)


async def tell(call: Call, course_id: CourseId) -> None:
    """Tell the status of a course where it was asked for."""
    status = await call.desk.operations.status(course_id)
    if status is None:
        await call.answer(Answer().line("I do not know this course yet; the next pass will find it."))
        return
    now = call.desk.clock.now()
    await call.answer(render(status, now=now, names=call.is_direct), part="status")


def render(status: CourseStatus, *, now: float, names: bool) -> Answer:
    """The status in words. `names` False where students read along."""
    answer = Answer()
    if status.paused:
        answer.line(
            status.paused if names else "An administrator has paused it.",
            strong="Nothing is changed at the moment",
        )
    if not status.on:
        return answer.line(
            f"There is no room. {status.reason if names else ''}".strip(), strong=status.shortname
        )
    if status.room_id is None:
        answer.line("The room is being made.", strong=status.shortname)
    else:
        answer.line("The room is ready.", strong=status.shortname)
    answer.items(
        [
            ("expected", str(status.expected)),
            ("joined", str(status.joined)),
            ("invited", str(status.invited)),
            ("missing", _missing(status)),
            *(
                [("without the level of their role", str(len(status.without_level)))]
                if status.without_level
                else []
            ),
            *([("guests", str(status.guests))] if status.guests else []),
            ("last sync", "never" if status.last_sync is None else ago(now - status.last_sync)),
            ("errors", _errors(status, names=names)),
        ]
    )
    if status.own_room:
        answer.line("Moodle itself has made a room for this course too.", strong="There are two rooms")
    if status.held:
        answer.line(
            status.held if names else "An administrator must confirm it.", strong="Some removals are held"
        )
    if names:
        _add_names(answer, status)
    return answer


def _missing(status: CourseStatus) -> str:
    held = f" (virtual users hold the places of {status.virtual})" if status.virtual else ""
    return f"{len(status.missing)}{held}"


def _errors(status: CourseStatus, *, names: bool) -> str:
    if not status.last_error:
        return "none"
    return status.last_error if names else "1 (ask me in a direct chat)"


def _add_names(answer: Answer, status: CourseStatus) -> None:
    for title, people in (
        ("Not there yet:", status.missing),
        ("Without the level of their role:", status.without_level),
    ):
        shown = [(one.name, f"– {one.reason}") for one in people[:MOST_NAMES]]
        if shown:
            answer.line(title).items(shown)
        if len(people) > MOST_NAMES:
            answer.line(f"and {len(people) - MOST_NAMES} more.")
