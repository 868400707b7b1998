"""What the command line asks about operations, as names and JSON: the same through the control socket and without it.

explain   {person, course?}       → {person, name, account, courses, lines}
pause     {course?, why?, by?}    → {sentence}
resume    {course?, by?}          → {sentence}
course    {do, course, to?, by?}  → {sentence}; do: reset, archive, unarchive, release, manage or fresh
paused    {}                      → {paused: [{course, since, by, why, sentence}]}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .domain.model import CourseId, UserId
from .engine.explain import Explainer, as_json
from .engine.lifecycle import Lifecycle
from .engine.pauses import COMMAND_LINE, Pauses, sentence
from .errors import PermanentFailure
from .ports import AuditLine, Pause, Store

SWITCHES = ("explain", "pause", "resume", "paused", "survey", "audit", "backup", "course")
AUDIT_COLUMNS = ("at", "key", "course", "room", "person", "kind", "why", "signal", "result", "reference")
"""What is handed out of each line of the audit log."""
MOST_LINES = 1000


class Switches:
    """Answers one of `SWITCHES`. Raises what the operation raises."""

    def __init__(
        self,
        pauses: Pauses,
        explainer: Explainer,
        store: Store,
        survey: Callable[[], Awaitable[dict[str, Any]]],
        backup: Callable[[Path], Awaitable[str]],
        life: Lifecycle,
    ) -> None:
        self._life = life
        self._survey = survey
        self._backup = backup
        self._store = store
        self._pauses = pauses
        self._explainer = explainer

    async def do(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Do it and say what came of it. Raises `PermanentFailure` for a name that it does not know."""
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
            case "audit":
                return {"lines": [_line(line) for line in await self._lines(asked, course_id)]}
            case "backup":
                return {"sentence": await self._backup(Path(str(asked.get("file", ""))))}
            case "survey":
                return await self._survey()
            case "course" if course_id is not None:
                return {"sentence": await self._decide(asked, course_id, by)}
            case "paused":
                return {"paused": [_pause(pause) for pause in await self._pauses.all()]}
        raise PermanentFailure(f"This service knows no “{name}”. Nothing was done. Is it an older version?")

    async def _decide(self, asked: Mapping[str, Any], course_id: CourseId, by: str) -> str:
        what = str(asked.get("do"))
        match what:
            case "reset":
                return await self._life.reset(course_id, by=by)
            case "archive":
                return await self._life.archive(course_id, by=by)
            case "unarchive":
                return await self._life.unarchive(course_id, by=by)
            case "release":
                to = [UserId(str(user)) for user in asked.get("to") or ()]
                return await self._life.release(course_id, by=by, to=to)
            case "manage":
                return await self._life.manage(course_id, by=by)
            case "fresh":
                return await self._life.fresh(course_id, by=by)
        raise PermanentFailure(
            f"This service knows no “course {what}”. Nothing was done. Is it an older version?"
        )

    async def _lines(self, asked: Mapping[str, Any], course_id: CourseId | None) -> Sequence[AuditLine]:
        words = str(asked.get("person") or "")
        person = (await self._explainer.meant(words)) if words else None
        return await self._store.audit.page(
            after=int(asked.get("after", 0)),
            limit=min(int(asked.get("limit", MOST_LINES)), MOST_LINES),
            since=float(asked.get("since", 0.0)),
            course_id=course_id,
            person=person,
        )


def _line(line: AuditLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "at": datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds"),
        "key": line.key,
        "course": line.course_id,
        "room": line.room_id,
        "person": line.person,
        "kind": line.kind,
        "why": line.why,
        "signal": line.signal,
        "result": line.result,
        "reference": line.reference,
    }


def _pause(pause: Pause) -> dict[str, Any]:
    return {
        "course": pause.course_id,
        "since": pause.since,
        "by": pause.by,
        "why": pause.why,
        "sentence": sentence(pause),
    }
