"""What people may choose for a course: the settings, and what each may be.

A choice is the last explicit word of a person (the bot, a page, the command line). It outranks the configuration, but
not what an administrator has denied. `None` as a value means: as the site, from now on. A chosen name or topic stands
until the field in Moodle changes; so it is kept together with what the field said when it was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .model import Course
from .rules import FieldRules

MAX_TEXT: Final = 1000
MAX_EXPRESSIONS: Final = 20
INTERNAL: Final = frozenset({"generation"})
"""Settings that follow from commands of their own and are not kept in a room's marker: it says them otherwise."""


def checked(setting: str, value: Any, course: Course, fields: FieldRules) -> Any:
    """The value as it is kept. Raises `ValueError` with a sentence for people where it can't be."""
    check = SETTINGS.get(setting)
    if check is None:
        raise ValueError(f"There is no setting {setting}. There are: {', '.join(sorted(SETTINGS))}.")
    if value is None:
        return None
    kept = check(value)
    if setting in ("name", "topic"):
        return {"text": kept, "field": field_text(setting, course, fields)}
    return kept


def field_text(setting: str, course: Course, fields: FieldRules) -> str:
    """What the field in Moodle for the name or the topic says."""
    return course.custom_fields.get(fields.name if setting == "name" else fields.topic, "")


def chosen_text(setting: str, choices: Mapping[str, Any], course: Course, fields: FieldRules) -> str:
    """The name or topic that people have chosen here or in Moodle, whichever was later; empty for none."""
    in_moodle = field_text(setting, course, fields)
    chosen = choices.get(setting)
    if isinstance(chosen, Mapping) and chosen.get("field", "") == in_moodle:
        return str(chosen.get("text", "")).strip() or in_moodle
    return in_moodle


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Write on or off.")
    return value


def _one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise ValueError(f"Write one of {', '.join(words)}.")
        return str(value)

    return check


def _groups(value: Any) -> bool | list[str]:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_EXPRESSIONS:
        raise ValueError("Write on, off, or up to 20 regular expressions for the names of groups.")
    for expression in value:
        try:
            re.compile(str(expression))
        except re.error as error:
            raise ValueError(f"The regular expression {expression} can't be read ({error}).") from None
    return [str(expression) for expression in value]


def _text(value: Any) -> str:
    text = " ".join(str(value).split())
    if not text or len(text) > MAX_TEXT:
        raise ValueError(f"Write a text of 1 to {MAX_TEXT} characters.")
    return text


SETTINGS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "layout": _one_of("room", "space"),
    "announcements": _switch,
    "staff": _switch,
    "groups": _groups,
    "calls": _one_of("all", "staff", "off"),
    "moderators": _one_of("staff", "teachers"),
    "name": _text,
    "topic": _text,
    "relay": _switch,
}
