"""All that is stored about one person, wherever it stands: to be shown, handed out, and erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..domain.model import CourseId, MoodleUserId, RoomId, UserId


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a person is known: `accounts` are all ids that are or were theirs, and nobody else's now."""

    user_id: MoodleUserId
    accounts: frozenset[UserId]
    rooms: Mapping[RoomId, tuple[CourseId, frozenset[UserId]]]
    """Rooms of courses in which some of these accounts are joined or invited."""
    direct: frozenset[RoomId]
    """Direct chats with the bot."""


class PersonalBook(Protocol):
    """Goes through every table; each method is one transaction."""

    async def find(self, words: str) -> Sequence[MoodleUserId]:
        """The people whom this can mean: a Moodle id, a user name or a Matrix id. Usually one, or none."""
        ...

    async def trace(self, user_id: MoodleUserId) -> Trace:
        """Where the person is known."""
        ...

    async def everything(self, user_id: MoodleUserId) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Every stored row about the person, by table; tables with none are absent."""
        ...

    async def erase(self, user_id: MoodleUserId) -> None:
        """Delete or blank every trace of the person; what stays is the hash of `PeopleBook.exclude`."""
        ...
