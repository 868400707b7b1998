"""An institution's own rules, which packages of its own declare as entry points. They wait for nobody.

`moodle_appservice.identity_rules`: gets a `domain.model.Person` and returns a `domain.model.Claim`, or None where it
has nothing to say. Its trust is at most `directory`: only people themselves can prove an account.

`moodle_appservice.room_rules`: gets a `domain.model.Course` and its `Category` (None where that can't be read) and
returns a mapping of the settings that are different for the course, such as `{"layout": "space"}`; empty for none. What
it raises, and settings that may not differ, count as nothing said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from .config.structure import Different, differs
from .domain.model import Category, Course
from .domain.rules import OwnRule, RoomRule

GROUP = "moodle_appservice.identity_rules"
ROOM_GROUP = "moodle_appservice.room_rules"
log = logging.getLogger(__name__)


def own_rules() -> tuple[OwnRule, ...]:
    """The rules for people, by name. One that can't be loaded is reported and left out."""
    return tuple(OwnRule(name, rule) for name, rule in _loaded(GROUP, "identity"))


def room_rules() -> tuple[RoomRule, ...]:
    """The rules for courses, by name. One that can't be loaded is reported and left out."""
    return tuple(RoomRule(name, _careful(name, rule)) for name, rule in _loaded(ROOM_GROUP, "room"))


def _careful(name: str, rule: Callable[..., Any]) -> Callable[[Course, Category | None], Mapping[str, Any]]:
    """The rule with an eye on it: what is wrong in it is reported, once, and holds up no course."""
    said: set[str] = set()

    def differ(course: Course, category: Category | None) -> Mapping[str, Any]:
        try:
            found = rule(course, category)
            return checked_room_rule(found)
        except Exception as error:  # noqa: BLE001 (somebody else's code: without it the course still has rooms)
            text = f"{type(error).__name__}: {error}"
            if text not in said:
                said.add(text)
                log.error(
                    "The room rule %s failed for course %d and counts for nothing: %s", name, course.id, text
                )
            return {}

    return differ


def checked_room_rule(found: Any) -> Mapping[str, Any]:
    """What a room rule has said, as fields of `Rules`. Raises `ValueError` for what can't be set so."""
    return differs(Different.model_validate(dict(found or {})))


def _loaded(group: str, kind: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        try:
            rule = point.load()
        except Exception as error:  # noqa: BLE001 (somebody else's code: without it the others still work)
            log.error(
                "The %s rule %s (%s) can't be loaded and is left out: %s: %s",
                kind,
                point.name,
                point.value,
                type(error).__name__,
                error,
            )
            continue
        if not callable(rule):
            log.error("The %s rule %s (%s) is no callable and is left out.", kind, point.name, point.value)
            continue
        yield point.name, rule
