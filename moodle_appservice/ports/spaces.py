"""What the books know of spaces above courses: which there are, what could hang in them, and who is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from ..domain.model import CourseId, MoodleUserId, RoomId, UserId
from ..domain.rooms import RoomKey
from .mirror import OwnRoom

Changed = frozenset[tuple[UserId, UserId | None, float | None]]
"""Accounts in a space that are not simply their person's: the account that counts now, and since when (Unix seconds)
the Moodle account can't be used."""


class SpaceBook(Protocol):
    """Questions over many rooms at once; nothing is written here."""

    async def spaces(self) -> Mapping[RoomKey, RoomId]:
        """Every space of the site and of categories that we have ever made and that is still there."""
        ...

    async def entries(self, course_ids: Collection[CourseId]) -> Mapping[RoomKey, RoomId]:
        """The main rooms and the spaces of these courses, of the newest generation each."""
        ...

    async def hung_by_bot(self, space: RoomId) -> frozenset[RoomId]:
        """What the bot itself has hung into a space, or a space into what: also rooms that are lost by now."""
        ...

    async def marked(self, key: RoomKey, site: str) -> OwnRoom | None:
        """A space that the bot made and marked for this key; for spaces that our books lost."""
        ...

    async def choices(self, settings: Collection[str]) -> Mapping[CourseId, Mapping[str, Any]]:
        """What people have chosen for courses, of these settings alone."""
        ...

    async def newcomers(self, space: RoomId | None) -> frozenset[MoodleUserId]:
        """People with usable accounts who are in a room of a course and never had a place in this space."""
        ...

    async def changed(self) -> Mapping[RoomId, Changed]:
        """Space above courses → who is there, and is not simply to stay."""
        ...

    async def without_course(self, space: RoomId) -> frozenset[MoodleUserId]:
        """People in a space who are in no course that is on: of their Moodle accounts no course tells us."""
        ...

    async def parents(self, room_ids: Collection[RoomId]) -> Mapping[RoomId, frozenset[RoomId]]:
        """Room → the spaces that its state names as its parents, of rooms that name any."""
        ...

    async def hangs_in(self, space: RoomId, room_id: RoomId) -> bool:
        """Whether a room hangs in a space."""
        ...
