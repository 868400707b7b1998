"""Which rooms a course has, and by which rules: those of the site, unless a category, the course or people differ.

The surer word wins, key by key: what people have chosen for the course, then what a rule of the institution's own says,
then what the administrator has set for the course, for the nearest category above it, for the whole site. Only what
stands in `SETTABLE` may differ; what keeps a site safe is the same everywhere, and where the administrator lets only
teachers moderate, nobody chooses otherwise. In the layout `room` a course has its
main room and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .groups import may_have_room
from .model import Category, Course, CourseFacts, Group, GroupVisibility
from .rooms import RoomKey, RoomKind, course_space, main_room
from .rules import Rules

SETTABLE = frozenset(
    {
        "layout",
        "announcements",
        "staff",
        "groups",
        "groupings",
        "invite",
        "name_template",
        "topic_template",
        "avatar",
        "calls",
        "moderators",
        "history_visibility",
        "join_rule",
        "encryption",
        "retention",
        "strict",
        "members_may_invite",
    }
)
"""Fields of `Rules` that may differ in a category or a course."""
CHOOSABLE = frozenset({"layout", "announcements", "staff", "groups", "calls", "moderators"})
"""Fields of `Rules` that people may choose for a course. The choice `groups` is on or off, or a list of expressions."""
EVERY_GROUP = (".*",)
TEACHERS = "teachers"
SEPARATE_GROUPS = 1
"""Moodle's group mode in which people see their own group alone (`SEPARATEGROUPS`)."""


def rules_for(
    course: Course, category: Category | None, rules: Rules, choices: Mapping[str, Any] | None = None
) -> Rules:
    """The rules for one course. `category` None: not known, so that only its own id counts."""
    values: dict[str, Any] = {}
    for category_id in category.path if category else (course.category_id,):
        values.update(rules.by_category.get(category_id, {}))
    values.update(rules.by_course.get(course.id, {}))
    for rule in rules.room_rules:
        own = rule.differ(course, category)
        values.update({key: value for key, value in own.items() if key in SETTABLE})
    chosen = {key: value for key, value in (choices or {}).items() if key in CHOOSABLE}
    if values.get("moderators", rules.moderators) == TEACHERS:
        chosen.pop("moderators", None)
    if "groups" in chosen:
        chosen["groups"] = _expressions(chosen["groups"], values.get("groups", rules.groups))
    values.update(chosen)
    if chosen.keys() & {"announcements", "staff", "groups"} and "layout" not in chosen:
        # Who asks for a further room asks for what it can hang on.
        wanted = any(chosen.get(key) for key in ("announcements", "staff", "groups"))
        values["layout"] = "space" if wanted else values.get("layout", rules.layout)
    if rules.retention is not None and values.get("retention") is not None:
        # Nobody keeps messages longer than the site does.
        values["retention"] = min(rules.retention, values["retention"])
    return replace(rules, **values) if values else rules


def fixed_for(course: Course, category: Category | None, rules: Rules) -> frozenset[str]:
    """Settings that people may not choose for this course, because the administrator has decided."""
    return frozenset({"moderators"} if rules_for(course, category, rules).moderators == TEACHERS else ())


def rooms_of(facts: CourseFacts, rules: Rules) -> tuple[RoomKey, ...]:
    """The rooms of a course by its own rules (`rules_for`), in the order in which they are made."""
    main = main_room(facts.course.id)
    if rules.layout != "space":
        return (main,)
    keys = [course_space(facts.course.id), main]
    if rules.announcements:
        keys.append(RoomKey(RoomKind.ANNOUNCEMENTS, facts.course.id))
    if rules.staff:
        keys.append(RoomKey(RoomKind.STAFF, facts.course.id))
    keys.extend(
        RoomKey(RoomKind.GROUP, facts.course.id, group.id) for group in groups_with_rooms(facts.groups, rules)
    )
    return tuple(sorted(keys, key=lambda key: key.rank))


def groups_with_rooms(groups: Iterable[Group], rules: Rules) -> list[Group]:
    """The groups that get a room: visible enough, and among those that the institution wants."""
    return [group for group in groups if may_have_room(group) and _is_wanted(group, rules)]


def is_open(group: Group, group_mode: int) -> bool:
    """Whether everybody in the course may enter the room of this group: as Moodle shows groups to everybody."""
    return group.visibility is GroupVisibility.ALL and group_mode != SEPARATE_GROUPS


def _is_wanted(group: Group, rules: Rules) -> bool:
    if rules.groupings and not rules.groupings & group.groupings:
        return False
    return any(re.fullmatch(pattern, group.name) for pattern in rules.groups)


def _expressions(chosen: Any, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(chosen, list | tuple):
        return tuple(str(pattern) for pattern in chosen)
    return (otherwise or EVERY_GROUP) if chosen else ()
