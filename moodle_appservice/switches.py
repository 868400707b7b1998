"""What the command line asks about operations, as names and JSON: the same through the control socket and without it.

explain   {person, course?}       → {person, name, account, courses, lines}
pause     {course?, why?, by?}    → {sentence}
resume    {course?, by?}          → {sentence}
paused    {}                      → {paused: [{course, since, by, why, sentence}]}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .domain.model import CourseId
from .engine.explain import Explainer, as_json
from .engine.pauses import COMMAND_LINE, Pauses, sentence
from .errors import PermanentFailure
from .ports import Pause

SWITCHES = ("explain", "pause", "resume", "paused", "survey")


class Switches:
    """Answers one of `SWITCHES`. Raises what the operation raises."""

    def __init__(
        self, pauses: Pauses, explainer: Explainer, survey: Callable[[], Awaitable[dict[str, Any]]]
    ) -> None:
        self._survey = survey
        self._pauses = pauses
        self._explainer = explainer

    async def do(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do it and say what came of it."""
        course = asked.get("course")
        course_id = CourseId(course) if isinstance(course, int) else None
        by = str(asked.get("by") or COMMAND_LINE)
        match name:
            case "explain":
                found = await self._explainer.explain(str(asked.get("person", "")), course_id)
                return {**as_json(found), "lines": list(found.lines)}
            case "pause":
                said = await self._pauses.pause(course_id, by=by, why=str(asked.get("why") or ""))
                return {"sentence": said}
            case "resume":
                return {"sentence": await self._pauses.resume(course_id, by=by)}
            case "survey":
                return await self._survey()
            case "paused":
                return {"paused": [_pause(pause) for pause in await self._pauses.all()]}
        raise PermanentFailure(f"This service knows no “{name}”. Nothing was done. Is it an older version?")


def _pause(pause: Pause) -> dict[str, Any]:
    return {
        "course": pause.course_id,
        "since": pause.since,
        "by": pause.by,
        "why": pause.why,
        "sentence": sentence(pause),
    }
