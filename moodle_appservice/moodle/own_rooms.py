"""Which courses have a room that Moodle made itself, and a picture, for a source whose reports do not show it.

The listing of courses tells (`communicationroomurl`, `overviewfiles`), where our account may read courses. It is long
and changes rarely, so it is read seldom; without the right or the function nothing is known, and the pass goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ..domain.model import Course, CourseId
from ..domain.snapshot import SiteSnapshot
from . import errors, shapes
from .client import MoodleClient

logger = logging.getLogger(__name__)


class OwnRooms:
    """Reads them every `every` seconds, and remembers them in between."""

    def __init__(self, client: MoodleClient, *, every: float) -> None:
        self._client = client
        self._every = every
        self._read_at = float("-inf")
        self._known: Mapping[CourseId, Course] = MappingProxyType({})
        self.is_known = False
        """Whether the listing could be read."""

    async def put_into(self, snapshot: SiteSnapshot, functions: frozenset[str]) -> SiteSnapshot:
        """The snapshot with those rooms. Raises nothing: a pass goes on without knowing."""
        if shapes.COURSES in functions and snapshot.read_at - self._read_at >= self._every:
            await self._read(snapshot.read_at)
        found = {
            course_id: replace(
                snapshot.courses[course_id], own_room_url=listed.own_room_url, image=listed.image
            )
            for course_id, listed in self._known.items()
            if course_id in snapshot.courses
        }
        return replace(snapshot, courses={**snapshot.courses, **found}) if found else snapshot

    async def _read(self, at: float) -> None:
        try:
            listed = shapes.listing(await self._client.call(shapes.COURSES), "en")
        except errors.MoodleError as error:
            logger.info("Whether Moodle has made rooms itself is not known: %s", error)
            listed = None
        self._read_at = at
        self.is_known = listed is not None and bool(listed.courses)
        if listed is not None:
            self._known = {one.id: one for one in listed.courses.values() if one.own_room_url or one.image}
