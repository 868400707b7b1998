"""The source `lti` put together: which courses it asks for, with which key, and what it must not forget.

A course is known as soon as its link was clicked once in Moodle, or where `rooms.allow_courses` names it. The key is
the web part's, which is built later; until a tool is connected nothing can be read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import aiohttp

from .config import Settings
from .domain.model import CourseId
from .domain.shrink import Marks, ShrinkRules
from .moodle.lti_facts import LtiFacts
from .moodle.names_and_roles import NamesAndRoles
from .moodle.read import MoodleFacts
from .ports import SITE, Clock, Platform, Priority, Queue, Store
from .ports.lists import ToolAccess

COURSES = "lti_courses"
"""The setting that keeps the courses whose link was clicked."""
LIST_MARKS = "lti_marks"


class ListSource:
    """`facts` is what the engine reads; `learn` is told of every course from which somebody came."""

    def __init__(
        self,
        settings: Settings,
        web_service: MoodleFacts,
        store: Store,
        queue: Queue,
        clock: Clock,
        session: aiohttp.ClientSession,
        rules: ShrinkRules,
    ) -> None:
        self._store = store
        self._queue = queue
        self._allowed = frozenset(CourseId(number) for number in settings.rooms.allow_courses)
        self._tool: ToolAccess | None = None
        moodle = settings.moodle
        service = NamesAndRoles(session, self, clock, timeout=moodle.timeout, max_bytes=moodle.max_bytes)
        self.facts = LtiFacts(service, self, web_service, clock=clock, language=moodle.language, rules=rules)

    def connect(self, tool: ToolAccess) -> None:
        """From now on requests are signed by this tool."""
        self._tool = tool

    async def platform(self) -> Platform | None:
        """Where the tool is registered."""
        return None if self._tool is None else await self._tool.platform()

    async def assertion(self, claims: Mapping[str, Any]) -> str:
        """Claims signed by the tool."""
        assert self._tool is not None, "without a tool there is no platform to ask"
        return await self._tool.assertion(claims)

    async def all(self) -> Collection[CourseId]:
        """Every course that is asked for."""
        return self._allowed | await self._clicked()

    async def learn(self, course_id: CourseId) -> None:
        """Somebody came from this course: it is asked for from now on."""
        known = await self._clicked()
        if course_id in known:
            return
        await self._store.settings.set(COURSES, json.dumps(sorted(known | {course_id})))
        await self._queue.add(SITE, priority=Priority.WAITING_PERSON, signal="hook")

    async def recall(self) -> None:
        """Take back what the last run has stored."""
        found = await self._store.settings.get(LIST_MARKS)
        if found:
            self.facts.recall(Marks.from_data(json.loads(found)))

    async def _clicked(self) -> frozenset[CourseId]:
        return frozenset(map(CourseId, json.loads(await self._store.settings.get(COURSES) or "[]")))
