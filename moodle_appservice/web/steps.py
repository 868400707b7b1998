"""The steps that can't be taken back by a click: begin anew, archive, open again.

Each is explained on a page of its own, and done only by whoever writes the course's short name below it. Rooms follow
by a look at the course, which the page waits for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ..domain.model import CourseId, MoodleUserId
from ..engine.lifecycle import Lifecycle
from ..languages import N_

BY = "page"
Decision = Callable[[Lifecycle, CourseId, MoodleUserId | None], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Step:
    """One of them, in words, and the decision that it is. `already`: why there is nothing to decide."""

    name: str
    title: str
    means: tuple[str, ...]
    button: str
    already: str
    decide: Decision


async def _reset(life: Lifecycle, course_id: CourseId, person: MoodleUserId | None) -> str:
    return await life.reset(course_id, by=BY, person=person)


async def _archive(life: Lifecycle, course_id: CourseId, person: MoodleUserId | None) -> str:
    return await life.archive(course_id, by=BY, person=person)


async def _unarchive(life: Lifecycle, course_id: CourseId, person: MoodleUserId | None) -> str:
    return await life.unarchive(course_id, by=BY, person=person)


STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step(
            "reset",
            N_("Begin anew with empty rooms"),
            (
                N_("New rooms are made, and everybody is invited there."),
                N_("The old rooms lead to the new ones. Nobody can write in them any more."),
                N_("What was written stays readable in the old rooms for those who are in them."),
                N_("This can't be taken back."),
            ),
            N_("Begin anew"),
            N_("There are no rooms yet, or new ones are being made already. Nothing was changed."),
            _reset,
        ),
        Step(
            "archive",
            N_("Archive the rooms"),
            (
                N_("Nobody can write in the rooms any more, and nobody is invited."),
                N_("Nobody is removed, and nothing is deleted."),
                N_("You can open them again on the page before this one."),
            ),
            N_("Archive"),
            N_("The rooms are archived already. Nothing was changed."),
            _archive,
        ),
        Step(
            "unarchive",
            N_("Open archived rooms again"),
            (
                N_("People can write in the rooms again, whatever the dates of the course in Moodle say."),
                N_("Who is enrolled is invited again."),
            ),
            N_("Open again"),
            N_("The rooms are kept open already. Nothing was changed."),
            _unarchive,
        ),
    )
}
