"""Who counts as staff: whose roles in a course give a moderator's level."""

from __future__ import annotations

from ..domain.members import level_of
from ..domain.model import MoodleUserId, Role
from ..domain.power import STAFF_LEVEL
from ..domain.rules import Rules
from ..ports import Store


def is_staff(roles: frozenset[Role], rules: Rules) -> bool:
    """Whether these roles give a moderator's level."""
    return level_of(roles, rules) >= STAFF_LEVEL


async def is_moderator(store: Store, user_id: MoodleUserId, rules: Rules) -> bool:
    """Whether the person is staff in some course."""
    courses = await store.courses.courses_of(user_id)
    return any(is_staff(roles, rules) for roles in courses.values())
