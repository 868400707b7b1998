"""Puts together what programs use: hints, the interface for programs, the numbers for Prometheus.

Nothing is decided here: a program gets what the command line gets, from the same operations. Each part exists
only where the configuration has a secret, a token or a port for it. `routes` are served beside everything else;
the metrics alone may have a port of their own. The keys of an answer are a promise to programs: they are
described in `web.provisioning_api`. What browsers use is in `browsers`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from . import __version__
from .config import Settings
from .domain.model import CourseId
from .engine.explain import Explainer, as_json
from .engine.figures import FigureReader
from .engine.operations import Operations
from .engine.pauses import Pauses, sentence
from .engine.space_status import SpaceStatus
from .engine.status import CourseStatus
from .errors import PermanentFailure, Unreachable
from .ports import Clock, Queue
from .show import plan_json, report_json
from .store.books import Books
from .web.hooks import Hooks
from .web.metrics import Metrics, MetricsDoor
from .web.provisioning import Provisioning

log = logging.getLogger(__name__)


class Machines:
    """Each of them exists only where the configuration has a secret, or a port, for it."""

    def __init__(
        self,
        settings: Settings,
        store: Books,
        queue: Queue,
        operations: Operations,
        explainer: Explainer,
        pauses: Pauses,
        figures: FigureReader,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._settings = settings.web
        self._site = settings.site
        self._operations = operations
        self._explainer = explainer
        self._pauses = pauses
        self._figures = figures
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self._hooks = Hooks(
            *(settings.web.hooks.secret.get_secret_value(), queue, store.courses, store.lti, clock),
            counted=metrics.hinted,
        )
        self._provisioning = Provisioning(
            settings.web.provisioning.secret.get_secret_value(),
            clock,
            status=self._status,
            plan=self._plan,
            sync=self._sync,
            explain=self._explain,
        )

    def routes(self) -> list[web.RouteDef]:
        """What is served beside everything else."""
        found: list[web.RouteDef] = []
        if self._settings.hooks.secret.get_secret_value():
            found += self._hooks.routes()
        if self._settings.provisioning.secret.get_secret_value():
            found += self._provisioning.routes()
        if token := self._settings.metrics.token.get_secret_value():
            found += MetricsDoor(self._metrics, token=token).routes()
        return found

    async def start(self) -> None:
        """Open the port of the metrics, where there is one. Raises `Unreachable` where it can't be listened on."""
        port = self._settings.metrics.port
        if not port:
            return
        app = web.Application()
        app.add_routes(MetricsDoor(self._metrics).routes())
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        where = (self._settings.metrics.hostname, port)
        try:
            await web.TCPSite(self._runner, *where).start()
        except OSError as error:
            raise Unreachable(
                f"The address {where[0]}:{where[1]} can't be listened on ({error.strerror}). Nothing was started. "
                "Change `web.metrics.port`."
            ) from None

    async def stop(self) -> None:
        """Close that port, and wait for no sync any more."""
        await self._provisioning.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _status(self, course_id: CourseId | None) -> Mapping[str, Any]:
        if course_id is not None:
            status = await self._operations.status(course_id)
            if status is None:
                raise PermanentFailure(f"Course {course_id} was never seen.")
            return _course(status)
        figures = await self._figures.read()
        return {
            "site": self._site,
            "version": __version__,
            "courses": figures.counts.courses,
            "rooms": figures.counts.rooms,
            "people": figures.counts.people,
            "expected": figures.expected,
            "joined": figures.counts.joined,
            "invited": figures.counts.invited,
            "held_plans": figures.counts.held_plans,
            "stuck_keys": figures.stuck_keys,
            "quarantined_people": figures.counts.quarantined,
            "queue_depth": figures.queue_depth,
            "queue_oldest_seconds": figures.queue_oldest,
            "last_pass": figures.last_pass,
            "paused": [sentence(pause) for pause in await self._pauses.all()],
            "spaces": [_space(status) for status in await self._operations.spaces()],
        }

    async def _plan(self, course_id: CourseId | None) -> Mapping[str, Any]:
        spaces = await self._operations.space_plans() if course_id is None else ()
        return plan_json(await self._operations.plans(course_id), spaces)

    async def _sync(self, course_id: CourseId | None) -> Mapping[str, Any]:
        return report_json(await self._operations.sync(course_id))

    async def _explain(self, person: str, course_id: CourseId | None) -> Mapping[str, Any]:
        return as_json(await self._explainer.explain(person, course_id))


def _space(status: SpaceStatus) -> Mapping[str, Any]:
    return {
        "space": str(status.key),
        "name": status.name,
        "room_id": status.room_id,
        "above": None if status.above is None else str(status.above),
        "rooms": [str(key) for key in status.below],
        "joined": status.joined,
        "invited": status.invited,
        "to_do": status.to_do,
        "held": status.held,
        "trouble": status.trouble,
    }


def _course(status: CourseStatus) -> Mapping[str, Any]:
    return {
        "course": status.course_id,
        "shortname": status.shortname,
        "on": status.on,
        "reason": status.reason,
        "paused": status.paused,
        "rooms": [
            {
                "room": str(room.key),
                "name": room.name,
                "room_id": room.room_id,
                "expected": room.expected,
                "joined": room.joined,
                "invited": room.invited,
                "declined": room.declined,
                "left": room.left,
                "banned": room.banned,
                "no_account": room.no_account,
                "failed": room.failed,
                "to_do": room.to_do,
                "held": room.held,
            }
            for room in status.rooms
        ],
        "missing": [{"person": one.person, "name": one.name, "reason": one.reason} for one in status.missing],
        "last_sync": status.last_sync,
        "last_error": status.last_error,
        "last_error_at": status.last_error_at,
    }
