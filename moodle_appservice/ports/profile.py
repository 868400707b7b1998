"""Writing people's Matrix ids into their Moodle profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import MoodleUserId, Trust


@dataclass(frozen=True, slots=True)
class ToWrite:
    """Whose field may have to be written: with which value (empty: the id is not theirs any more), by what trust.

    `written`: what we wrote last, None for nothing ever.
    """

    user_id: MoodleUserId
    username: str
    value: str
    trust: Trust | None
    written: str | None


class ProfileWriter(Protocol):
    """One profile field. Raises `TemporaryFailure` when Moodle is down, `PermanentFailure` without the right."""

    async def is_on(self) -> bool:
        """Whether our token may write profiles at all."""
        ...

    async def read(self, user_ids: list[MoodleUserId]) -> Mapping[MoodleUserId, str]:
        """What the field holds, empty text for nothing; who is not shown is absent. Always asks Moodle."""
        ...

    async def write(self, values: Mapping[MoodleUserId, str]) -> Mapping[MoodleUserId, str]:
        """Write the field, verified by reading; returns who does not have the value, with the reason."""
        ...
