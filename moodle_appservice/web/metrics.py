"""The numbers for Prometheus: what they are called, what counts them, and where they are read.

`METRICS` is the list of them, and the documentation is made from it. Counters and times are told by those who work
(`ports.observer`); what is a state (the queue, places, held plans) is read when Prometheus asks. `/metrics` is on a
port of its own, or beside everything else with a bearer token.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from .. import __version__
from ..domain.model import CourseId
from ..engine.figures import FigureReader, Figures
from ..ports import SITE, Key

PREFIX = "moodle_appservice_"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` without the prefix; a counter is read with `_total` behind it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """As Prometheus shows it."""
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")


METRICS = (
    Metric("passes", "counter", "Looks at the whole site, by how they ended.", ("outcome",)),
    Metric("pass_seconds", "histogram", "How long such a look took."),
    Metric("last_pass_timestamp_seconds", "gauge", "When the last one ended well, Unix time; 0: not yet."),
    Metric("looks", "counter", "Looks at keys of every kind, by how they ended.", ("kind", "outcome")),
    Metric(
        "actions", "counter", "Changes to rooms, by what was done and whether it worked.", ("kind", "result")
    ),
    Metric("queue_depth", "gauge", "Keys that are due, are tried again later, or are worked on."),
    Metric("queue_oldest_seconds", "gauge", "For how long the oldest of them has been due."),
    Metric(
        "moodle_calls",
        "counter",
        "Calls of Moodle; outcome: ok, or the error.",
        ("function", "outcome"),
    ),
    Metric("moodle_call_seconds", "histogram", "How long Moodle took to answer."),
    Metric(
        "matrix_requests",
        "counter",
        "Requests to the homeserver; outcome: HTTP's status.",
        ("endpoint", "outcome"),
    ),
    Metric("matrix_request_seconds", "histogram", "How long the homeserver took to answer."),
    Metric("members", "gauge", "Places in rooms: expected, joined, invited.", ("state",)),
    Metric("courses", "gauge", "Courses that are on."),
    Metric("rooms", "gauge", "Rooms of ours."),
    Metric("people", "gauge", "Moodle people whom we know."),
    Metric("held_plans", "gauge", "Rooms in which removals wait for a person to confirm them."),
    Metric("stuck_keys", "gauge", "Keys whose last look failed, or in which something is put aside."),
    Metric("quarantined_people", "gauge", "People who want a Matrix id that another person has."),
    Metric(
        "launches",
        "counter",
        "Clicks in Moodle, by whether somebody was signed in.",
        ("result",),
    ),
    Metric("hooks", "counter", "Hints at /hooks/moodle: taken, or refused.", ("result",)),
    Metric("build_info", "gauge", "Always 1; the version is in the label.", ("version",)),
)


class Metrics:
    """An observer that counts, and answers `/metrics`."""

    def __init__(self, figures: FigureReader) -> None:
        self._figures = figures
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            name, words, labels = PREFIX + metric.name, metric.text, metric.labels
            match metric.kind:
                case "counter":
                    self._counters[metric.name] = Counter(name, words, labels, registry=self._registry)
                case "gauge":
                    self._gauges[metric.name] = Gauge(name, words, labels, registry=self._registry)
                case "histogram":
                    self._histograms[metric.name] = Histogram(
                        name, words, labels, registry=self._registry, buckets=_SECONDS
                    )
        self._gauges["build_info"].labels(__version__).set(1)

    async def read(self) -> bytes:
        """Everything in Prometheus' text format. Raises what the database raises."""
        self._show(await self._figures.read())
        return generate_latest(self._registry)

    def looked(self, key: Key, outcome: str, seconds: float) -> None:
        """Count a look; one at the site is a pass."""
        self._counters["looks"].labels(key.kind, outcome).inc()
        if key == SITE:
            self._counters["passes"].labels(outcome).inc()
            self._histograms["pass_seconds"].observe(seconds)

    def acted(self, kind: str, result: str) -> None:
        """Count an action."""
        self._counters["actions"].labels(kind, result).inc()

    def asked_moodle(self, function: str, outcome: str, seconds: float) -> None:
        """Count a call."""
        self._counters["moodle_calls"].labels(function, outcome).inc()
        self._histograms["moodle_call_seconds"].observe(seconds)

    def asked_matrix(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Count a request."""
        self._counters["matrix_requests"].labels(endpoint, outcome).inc()
        self._histograms["matrix_request_seconds"].observe(seconds)

    def counted(self, course_id: CourseId, expected: int) -> None:
        """The figures remember it."""

    def forgot(self, course_id: CourseId) -> None:
        """The figures forget it."""

    def launched(self, result: str) -> None:
        """Count a launch: `signed in` or `refused`."""
        self._counters["launches"].labels(result).inc()

    def hinted(self, result: str) -> None:
        """Count a hint: `taken` or `refused`."""
        self._counters["hooks"].labels(result).inc()

    def _show(self, figures: Figures) -> None:
        counts = figures.counts
        values: Mapping[str, float] = {
            "last_pass_timestamp_seconds": figures.last_pass or 0.0,
            "queue_depth": figures.queue_depth,
            "queue_oldest_seconds": figures.queue_oldest,
            "courses": counts.courses,
            "rooms": counts.rooms,
            "people": counts.people,
            "held_plans": counts.held_plans,
            "stuck_keys": figures.stuck_keys,
            "quarantined_people": counts.quarantined,
        }
        for name, value in values.items():
            self._gauges[name].set(value)
        places = {"expected": figures.expected, "joined": counts.joined, "invited": counts.invited}
        for state, number in places.items():
            self._gauges["members"].labels(state).set(number)


class MetricsDoor:
    """`/metrics`. `token`: what a reader must send; empty: whoever reaches this port may read."""

    def __init__(self, metrics: Metrics, *, token: str = "") -> None:
        self._metrics = metrics
        self._token = token

    def routes(self) -> list[web.RouteDef]:
        """Routes to hang into an aiohttp application."""
        return [web.get("/metrics", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._token and not hmac.compare_digest(sent.encode(), self._token.encode()):
            return web.Response(
                status=401, headers={"WWW-Authenticate": "Bearer"}, text="A bearer token is needed.\n"
            )
        return web.Response(body=await self._metrics.read(), headers={"Content-Type": CONTENT_TYPE_LATEST})
