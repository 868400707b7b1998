"""What looks like an accident."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .section import Section, number


class Safety(Section):
    """What looks like an accident is held until a person confirms it."""

    max_removals_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.25,
        description="A room that would lose more than this share of its members, such as 0.25, "
        "and also more than max_removals of them, is held.",
    )
    max_removals: int = number(5, "See max_removals_share: both must be exceeded.", ge=0)
    max_shrink: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2,
        description="A course or site of which Moodle suddenly lists fewer by more than this share, "
        "and by more than 10, is held.",
    )
    max_site_removals_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.05,
        description="When more than this share of all places in all rooms would be lost within a day, and also more "
        "than max_site_removals of them, further removals are held.",
    )
    max_site_removals: int = number(50, "See max_site_removals_share: both must be exceeded.", ge=0)
    max_closed_courses: int = number(
        3, "Archiving or deleting more courses than this within a day is held.", ge=0
    )
    max_growth: int = number(
        200,
        "A room that was filled once is held when more people than this would come at once, and make it more than "
        "max_growth_factor times as large.",
        ge=0,
    )
    max_growth_factor: Annotated[float, Field(ge=1)] = Field(
        default=3.0, description="See max_growth: both must be exceeded."
    )
    max_room_size: int = number(3000, "A room that would have more members than this is held.", ge=1)
    max_id_changes: int = number(
        20, "When more people than this would get another Matrix id within a day, the others are held.", ge=0
    )
    max_id_changes_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.01,
        description="When more than this share of all people (and more than max_removals) would, the others are held.",
    )
    max_new_moderators: int = number(
        10, "When more people than this would become moderators of a room at once, they are held.", ge=0
    )
