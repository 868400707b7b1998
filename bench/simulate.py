"""How long a large university takes: extrapolated from unit costs that were measured, with a homeserver of W writers.

Nothing runs here. A first sync and a normal day are put together from what one event, one look and one pass cost, as
`sync.py`, `steady.py`, `plan.py` and `moodle.py` have measured; give the figures of your own machines as arguments. A
homeserver with W event persisters writes W rooms at once; what it needs of a processor for one event stays the same,
and what its main process does for each event (`--shared-ms`) is the limit that no number of writers moves.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

WRITERS = (1, 2, 4, 8, 16)
DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds: of the homeserver for an event and a room, of its main process for any event; ours for one."""

    event_ms: float
    room_ms: float
    shared_ms: float
    own_event_ms: float
    own_pass_us: float
    """Microseconds of ours for one enrolment in an unchanged pass."""


def first_sync(costs: Costs, courses: int, enrolments: int, writers: int, processes: int) -> dict[str, Any]:
    """Hours until everybody is invited, and what is the limit."""
    work = enrolments * costs.event_ms + courses * costs.room_ms
    limits = {
        "event persisters": work / writers,
        "the main process": (enrolments + 20 * courses) * costs.shared_ms,
        "this service": enrolments * costs.own_event_ms / processes,
    }
    slowest = max(limits, key=lambda name: limits[name])
    return {
        "hours": round(limits[slowest] / 3_600_000, 1),
        "events_per_s": round(1000 * enrolments / limits[slowest], 1),
        "limit": slowest,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All of it."""
    costs = Costs(
        options.event_ms, options.room_ms, options.shared_ms, options.own_event_ms, options.own_pass_us
    )
    day = options.changes_per_day
    return {
        "bench": "simulate",
        "courses": options.courses,
        "people": options.people,
        "enrolments": options.enrolments,
        "first_sync": {
            str(writers): first_sync(costs, options.courses, options.enrolments, writers, options.processes)
            for writers in WRITERS
        },
        "first_sync_of_spaces_only": {
            str(writers): first_sync(costs, options.courses, options.people, writers, options.processes)
            for writers in WRITERS
        },
        "changes_per_day": day,
        "homeserver_busy_with_changes_share": round(day * costs.event_ms / 1000 / DAY, 4),
        "unchanged_pass_cpu_s": round(options.enrolments * costs.own_pass_us / 1e6, 1),
        "costs": {name: getattr(costs, name) for name in costs.__slots__},
    }


def main() -> None:
    """Reckon and print."""
    parser = argparse.ArgumentParser(description="A large university out of unit costs; see README.md.")
    parser.add_argument("--courses", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=300_000)
    parser.add_argument("--enrolments", type=int, default=2_000_000)
    parser.add_argument("--changes-per-day", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=1, help="of this service")
    parser.add_argument("--event-ms", type=float, default=45.0)
    parser.add_argument("--room-ms", type=float, default=185.0)
    parser.add_argument("--shared-ms", type=float, default=4.0)
    parser.add_argument("--own-event-ms", type=float, default=4.5)
    parser.add_argument("--own-pass-us", type=float, default=8.3)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
