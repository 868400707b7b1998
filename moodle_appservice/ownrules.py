"""An institution's own rules from persons to Matrix ids, which packages of its own declare as entry points.

The group is `moodle_appservice.identity_rules`. A rule is a pure callable: it gets a `domain.model.Person` and returns
a `domain.model.Claim`, or None where it has nothing to say. It must neither wait nor ask anybody, for it is called
whenever somebody is looked at. Its trust is at most `directory`: only people themselves can prove an account.
"""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from .domain.rules import OwnRule

GROUP = "moodle_appservice.identity_rules"
log = logging.getLogger(__name__)


def own_rules() -> tuple[OwnRule, ...]:
    """All that are installed, by name. One that can't be loaded is reported and left out."""
    found: list[OwnRule] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            rule = point.load()
        except Exception as error:  # noqa: BLE001 (somebody else's code: without it the others still work)
            log.error(
                "The identity rule %s (%s) can't be loaded and is left out: %s: %s",
                point.name,
                point.value,
                type(error).__name__,
                error,
            )
            continue
        if not callable(rule):
            log.error("The identity rule %s (%s) is no callable and is left out.", point.name, point.value)
            continue
        found.append(OwnRule(point.name, rule))
    return tuple(found)
