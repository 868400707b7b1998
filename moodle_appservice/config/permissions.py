"""The map `permissions`: who looks after the whole site, and whom the bot does not answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from ..domain.identity import split_user_id
from ..domain.permissions import EVERYBODY, Level
from ..problems import wrong

_DOMAIN = re.compile(r"(?=.*[A-Za-z:])[A-Za-z0-9\[][A-Za-z0-9.\-:\[\]]*")


def _checked(entries: Mapping[str, Level]) -> Mapping[str, Level]:
    for name in entries:
        known = (
            name == EVERYBODY or re.fullmatch(r"[1-9][0-9]{0,17}", name) or split_user_id(name) is not None
        )
        if not known and not _DOMAIN.fullmatch(name):
            raise wrong(
                f"names nobody: {name!r}",
                'Write a Moodle user id, a Matrix id, a homeserver\'s name or "*", each in quotes.',
            )
    if entries.get(EVERYBODY) is Level.ADMIN:
        raise wrong("makes everybody an administrator", 'Write user or none behind "*".')
    return entries


PermissionMap = Annotated[Mapping[str, Level], AfterValidator(_checked)]
