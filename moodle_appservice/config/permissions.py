"""The section `permissions`: who looks after the whole site."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from ..domain.identity import split_user_id
from ..problems import wrong
from .section import Section


def _admin(value: str) -> str:
    if re.fullmatch(r"[1-9][0-9]{0,17}", value) or split_user_id(value) is not None:
        return value
    raise wrong(
        "is neither a Moodle user id nor a Matrix id",
        "Write such as 2 or @admin:example.org, each in quotes.",
    )


class Permissions(Section):
    """Who may do what concerns the whole site. Rights in a course come from Moodle alone."""

    admins: tuple[Annotated[str, AfterValidator(_admin)], ...] = Field(
        default=(),
        description="Who may open the dashboard: Moodle user ids (the number in the address of the person's profile; "
        "Moodle must call the person an administrator too) and Matrix ids (by a link from the bot).",
    )
