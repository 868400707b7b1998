"""In which language and time zone people read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..domain.model import MoodleUserId


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """What is known of one reader, empty where it is not.

    `chosen`: the code of one of our languages, as the person told the bot; `moodle`: Moodle's code; `zone`: an IANA
    name, or Moodle's `99` for that of its server.
    """

    chosen: str = ""
    moodle: str = ""
    zone: str = ""


class ReaderBook(Protocol):
    """How people read."""

    async def of(self, user_ids: Collection[MoodleUserId]) -> Mapping[MoodleUserId, ReaderRow]:
        """What is known of these people; who was never looked at is absent."""
        ...

    async def choose(self, user_id: MoodleUserId, code: str) -> None:
        """Remember a person's choice; empty: as Moodle says."""
        ...
