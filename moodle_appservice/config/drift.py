"""The section `drift`: what is done about changes that people make in rooms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .section import Section, number

Policy = Literal["repair", "keep", "report"]
"""`repair`: put back what was changed; `keep`: let it stand; `report`: let it stand and say so."""
Standing = Literal["keep", "report"]


class Drift(Section):
    """What is done where somebody changes a room: repair puts it back, keep lets it stand, report says so in doctor."""

    bot: Policy = Field(
        default="repair",
        description="The bot was put out of a room, or lost its level there: with repair it comes back where it is "
        "invited, where the room lets members of its space in, or by admin rights. Always reported until it is back.",
    )
    power_levels: Policy = Field(
        default="repair",
        description="What the levels in a room may do was changed. The levels of people always follow Moodle.",
    )
    names: Policy = Field(
        default="keep",
        description="A name or topic was changed in the room; keep lets it stand until Moodle or the template says "
        "something new.",
    )
    settings: Policy = Field(
        default="repair", description="Join rule, history visibility or guest access was changed."
    )
    strangers: Policy = Field(
        default="keep",
        description="People are in a room whom somebody else than this service let in; repair removes them, as "
        "rooms.strict does.",
    )
    leaving: Standing = Field(
        default="keep",
        description="Somebody has left or declined by choice. They are not invited again until they ask for it or are "
        "enrolled anew.",
    )
    bans: Standing = Field(default="report", description="A moderator has banned somebody. The ban stands.")
    children: Policy = Field(default="repair", description="A room was taken out of its space.")
    alias: Policy = Field(default="repair", description="A room does not name its alias any more.")
    compare_every: int = number(
        86400,
        "Seconds in which each room is compared with the homeserver once, two requests each, spread over that time.",
        unit="seconds",
        ge=3600,
    )
