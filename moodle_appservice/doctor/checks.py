"""All checks, in the order in which they make sense."""

from __future__ import annotations

from . import database, drift, homeserver, machine, moodle, people, relay, rooms, web

CHECKS = (
    *machine.CHECKS,
    *database.CHECKS,
    *moodle.CHECKS,
    *homeserver.CHECKS,
    *people.CHECKS,
    *relay.CHECKS,
    *rooms.CHECKS,
    *drift.CHECKS,
    *web.CHECKS,
)
