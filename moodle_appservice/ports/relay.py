"""What is remembered of what was relayed: ids, times and hashes, nothing of what was said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.deadlines import DateKey, DateList, Told
from ..domain.model import CourseId, EventId, RoomId
from ..domain.relay import ForumId, PostId, PostRow


@dataclass(frozen=True, slots=True)
class LeftOver:
    """The list of what was too much for a room on one day."""

    room_id: RoomId
    course_id: CourseId
    day: str
    event_id: EventId | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a post in the homeserver's media. `event_id`: its own message, None where it has none."""

    post_id: PostId
    digest: str
    address: str
    event_id: EventId | None = None


class RelayBook(Protocol):
    """Courses that relay, posts that were told, lists of dates that were sent."""

    async def since(self) -> Mapping[CourseId, float]:
        """Every course that relays → since when (Unix seconds)."""
        ...

    async def set_since(self, since: Mapping[CourseId, float | None]) -> None:
        """These courses relay from a time on, or not any more."""
        ...

    async def posts(self, forums: Collection[ForumId]) -> Mapping[PostId, PostRow]:
        """What is remembered of the posts of these forums."""
        ...

    async def claim(self, row: PostRow) -> bool:
        """Take a post, once: False where it was taken before, by whomever."""
        ...

    async def save_post(self, row: PostRow) -> None:
        """Write down how far it has come."""
        ...

    async def sent_today(self, room_id: RoomId, day: str) -> int:
        """How many posts were told by themselves in a room on a day."""
        ...

    async def uploads(self, post_id: PostId) -> Sequence[Upload]:
        """The files of a post."""
        ...

    async def save_upload(self, upload: Upload) -> None:
        """Write down a file."""
        ...

    async def left_over(self, room_id: RoomId, day: str) -> LeftOver | None:
        """The list of what was too much, if there is one."""
        ...

    async def save_left_over(self, one: LeftOver) -> None:
        """Write it down."""
        ...

    async def lists(self, course_ids: Collection[CourseId], *, ahead_of: float) -> Sequence[DateList]:
        """Lists of dates that hold one after this time (Unix seconds), and are not withdrawn."""
        ...

    async def save_list(self, one: DateList) -> None:
        """Write a list down; one without items is withdrawn."""
        ...

    async def told(self, course_ids: Collection[CourseId]) -> Mapping[CourseId, Told]:
        """Which reminders were given."""
        ...

    async def save_told(self, course_id: CourseId, told: Told) -> None:
        """These reminders were given."""
        ...

    async def forget_dates(self, course_id: CourseId, keys: Collection[DateKey]) -> None:
        """Nothing was told of these dates."""
        ...

    async def tidy(self, *, before: float) -> None:
        """Forget lists and reminders of dates before this time (Unix seconds)."""
        ...
