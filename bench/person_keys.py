"""The service itself, with a way to have person keys looked at: it is what `accounts.py` measures.

It is the whole service as `service.py` builds it, with its queue, workers, database and adapters, in a process of its
own. Only its timer is off, and instead of waiting for a course to ask for its people, the benchmark does:

    python bench/person_keys.py CONFIG       then, at run.sock beside CONFIG: POST /run {"course": 2, "people": [3, …]}

reads the course as a pass would, puts everybody's key into the queue as the course would, and answers `{"wall_s":
seconds, "missing": [[id, reason], …]}` when all of them have been looked at.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from aiohttp import web

from moodle_appservice import logs
from moodle_appservice.demo import house
from moodle_appservice.domain.model import CourseId, MoodleUserId
from moodle_appservice.engine.people import for_course
from moodle_appservice.ports import Priority, person_key
from moodle_appservice.service import Service


class Run:
    """One job after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, request: web.Request) -> web.Response:
        """Look at these people."""
        job = await request.json()
        course, people = CourseId(job["course"]), [MoodleUserId(number) for number in job["people"]]
        await self._service.facts.course_facts(course, not_older_than=0)
        began = time.perf_counter()
        keys = [person_key(user_id) for user_id in people]
        signal = for_course(course, Priority.PASS)
        await asyncio.gather(*(self._service.workers.ask(key, signal=signal) for key in keys))
        wall = time.perf_counter() - began
        found = await self._service.store.people.look_up(people)
        wanting = [
            (user_id, found[user_id].resolution.reason if user_id in found else "never looked at")
            for user_id in people
            if user_id not in found or found[user_id].resolution.reason
        ]
        return web.json_response({"wall_s": wall, "missing": wanting})


async def serve(config: Path) -> None:
    """Listen until somebody ends us."""
    settings, registration = house.read(config)
    logs.set_up("WARNING", "text", settings.secrets())
    service = Service(settings, registration)
    await service.start(timer=False)
    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/run", Run(service).answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(config.with_name("run.sock"))).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
