"""What is examined: settings, registration, and a service that is put together but not started.

While the real service runs it owns the database and the port; then what only it knows is asked through its socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import Settings
from ..control import ask, is_running
from ..domain.model import MoodleUserId, Person
from ..errors import AppError
from ..registration import Registration
from ..service import Service

FEW_COURSES = 5
"""Courses whose people are looked at."""


@dataclass(slots=True)
class Examined:
    """One installation. `no_database`: what keeps us from the database; `running`: a service runs on it."""

    settings: Settings
    found: Registration
    service: Service
    no_database: AppError | None = None
    running: bool = False
    config: Path | None = None
    _survey: Mapping[str, Any] | None = field(default=None, init=False)

    async def survey(self) -> Mapping[str, Any]:
        """What the books tell (see `survey`), from the running service or from the database; read once.

        Raises what keeps us from it.
        """
        if self._survey is None:
            if self.running:
                self._survey = await ask(self.settings.control_socket, "survey")
            if self._survey is None:
                if self.no_database is not None:
                    raise self.no_database
                self._survey = await self.service.switches.do("survey", {})
        return self._survey

    async def some_people(self) -> dict[MoodleUserId, Person]:
        """The people of a few courses. Raises what the reading raises."""
        site = await self.service.facts.site(not_older_than=0.0)
        people: dict[MoodleUserId, Person] = {}
        for course_id in sorted(site.courses)[:FEW_COURSES]:
            facts = await self.service.facts.course_facts(course_id, not_older_than=0.0)
            people.update(facts.people)
        return people


async def prepared(settings: Settings, found: Registration, config: Path | None = None) -> Examined:
    """A service that can be examined; stop it afterwards (`service.stop`)."""
    service = Service(settings, found)
    if await is_running(settings.control_socket):
        service.build()
        return Examined(settings, found, service, running=True, config=config)
    try:
        await service.prepare()
    except AppError as failure:
        service.build()
        return Examined(settings, found, service, failure, config=config)
    return Examined(settings, found, service, config=config)
