"""Held plans to which a person has said no: they stay held, and are not asked about any more until they change.

A group of held plans is known by a mark of everything in it. So a no counts for what was seen; when the facts change,
the mark does, and the question comes again. Nothing is carried out by a no, and nothing is undone.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from ..domain.model import MoodleUserId
from ..errors import Refused
from ..ports import Clock, Journal, Settings

REJECTED = "rejected_holds"
"""The setting that keeps the marks."""
CHANGED = "What is held has changed since this was shown, so nothing was rejected. Look at it again."


class Rejections:
    """Books every no."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock) -> None:
        self._settings = settings
        self._journal = journal
        self._clock = clock

    async def marks(self) -> frozenset[str]:
        """The groups to which somebody has said no."""
        return frozenset(json.loads(await self._settings.get(REJECTED) or "[]"))

    async def reject(
        self, mark: str, *, waiting: Collection[str], person: MoodleUserId | None, by: str
    ) -> None:
        """Say no to one of the groups that wait now. Raises `Refused` where it has changed since it was shown."""
        if mark not in waiting:
            raise Refused(CHANGED)
        kept = (await self.marks() & set(waiting)) | {mark}
        await self._settings.set(REJECTED, json.dumps(sorted(kept)))
        await self._journal.note(
            "Rejected",
            at=self._clock.now(),
            why="An administrator has said no to what was held; it stays held.",
            person=person,
            signal=by,
        )
