"""The section `roles`: what roles mean that people hold above the courses, and who holds one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .section import Section
from .values import ExtraRoles


class Roles(Section):
    """Roles that people hold above the courses: in categories and in the whole site."""

    inherited: Literal["allow", "invite", "ignore"] = Field(
        default="allow",
        description="What such a role means, if it has a level in rooms.levels: allow (the level counts in the rooms "
        "of all courses below; who is not enrolled may be there, and is neither invited nor removed), invite (who is "
        "not enrolled is invited too) or ignore.",
    )
    extra: ExtraRoles = Field(
        default={},
        description="Who holds a role in which category, where no report of roles tells it: a category (its id, ID "
        "number, or path of names such as Arts / Music) and people by user name or as id:7, each a manager or, for "
        "example, anna as teacher.",
    )
