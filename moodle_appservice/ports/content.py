"""What participants read in their courses, asked for with a weaker Moodle token of its own, and how it is shown.

Nothing of it decides who is in a room. Errors are those of `ports.world`: what concerns one course comes out in its
place, what concerns the whole site is raised.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..domain.deadlines import Dated, ModuleId
from ..domain.model import CourseId, EventId, MoodleUserId, RoomId, UserId
from ..domain.relay import Attachment, ForumId, PostList
from ..errors import AppError


@dataclass(frozen=True, slots=True)
class Forum:
    """A forum of announcements. `posts`: how many discussions our reader is said to see in it."""

    id: ForumId
    course_id: CourseId
    module_id: ModuleId
    posts: int


@dataclass(frozen=True, slots=True)
class Reader:
    """The account behind the content token. `is_admin`: Moodle takes it for an administrator of the site."""

    user_id: MoodleUserId
    is_admin: bool
    functions: frozenset[str]
    url: str
    downloads: bool


@dataclass(frozen=True, slots=True)
class File:
    """A downloaded file."""

    name: str
    content_type: str
    data: bytes


class Content(Protocol):
    """Moodle as a participant without groups sees it."""

    async def reader(self) -> Reader:
        """Who reads. Always asks Moodle."""
        ...

    async def excess(
        self, reader: Reader, *, hidden: Sequence[CourseId], shown: Sequence[CourseId], now: float
    ) -> Sequence[str]:
        """What our reader is shown beyond what every participant sees, a sentence each; empty where all is well.

        `hidden`: courses that participants do not see; `shown`: some that they do.
        """
        ...

    async def time_zone(self) -> str:
        """The site's time zone by its IANA name, empty where Moodle does not tell it."""
        ...

    async def forums(self, course_ids: Sequence[CourseId]) -> Mapping[CourseId, Sequence[Forum]]:
        """The forums of announcements that a participant sees, by course."""
        ...

    async def posts(self, forums: Sequence[Forum], *, whole: bool) -> Mapping[ForumId, PostList | AppError]:
        """The announcements of each forum; not `whole`: the pinned and the newest ones."""
        ...

    async def dates(self, course_ids: Sequence[CourseId]) -> Mapping[CourseId, Sequence[Dated] | AppError]:
        """The dates of the activities that a participant may open."""
        ...

    async def file(self, attachment: Attachment, *, most: int) -> File:
        """Download one file of at most so many bytes. Raises `PermanentFailure` for what is larger or not given."""
        ...


class Detector(Protocol):
    """Tells cheaply in which courses announcements have changed."""

    async def changed(self) -> frozenset[CourseId] | None:
        """The courses in which something may have changed since it was asked last; None: nobody knows, look at all."""
        ...


@dataclass(frozen=True, slots=True)
class Converted:
    """A text as a room can show it. `cut`: there was more."""

    text: str
    html: str
    cut: bool = False


class Markup(Protocol):
    """Turns what Moodle shows into what Matrix shows."""

    def convert(self, source: str, *, most: int, pictures: Mapping[str, str] | None = None) -> Converted:
        """HTML, at most `most` characters of its text. `pictures`: address in Moodle → its `mxc://` address."""
        ...

    def plain(self, text: str) -> str:
        """A name or a title that notifies nobody."""
        ...

    def link(self, address: str) -> str:
        """An address as it may stand in a room, without a token; empty where it may not."""
        ...


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said in a room. `notice`: nobody is notified. `about` names it in the event, so that it is found."""

    text: str
    html: str
    notice: bool
    about: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was found in a room."""

    event_id: EventId
    sender: UserId


class RelayMessenger(Protocol):
    """How the relay speaks. It keeps its own books: `key` is the transaction id at the homeserver and nothing more.

    `sender`: the bot, or a virtual user of ours that is in the room.
    """

    async def post(self, room_id: RoomId, speech: Speech, *, key: str, sender: UserId) -> EventId:
        """Say something in a room."""
        ...

    async def edit(
        self, room_id: RoomId, event_id: EventId, speech: Speech, *, key: str, sender: UserId
    ) -> None:
        """Say something else in place of what `sender` has said (`m.replace`)."""
        ...

    async def redact(self, room_id: RoomId, event_id: EventId, *, key: str, sender: UserId) -> None:
        """Take back what `sender` has said; fine where it is gone already."""
        ...

    async def find(
        self, room_id: RoomId, about: Mapping[str, str | int], *, senders: Collection[UserId], since: float
    ) -> Found | None:
        """What one of these has said about something since a time (Unix seconds)."""
        ...

    async def upload(self, file: File) -> str:
        """Put a file into the homeserver's media; its `mxc://` address."""
        ...

    async def post_file(
        self,
        room_id: RoomId,
        file: File,
        address: str,
        *,
        about: Mapping[str, str | int],
        key: str,
        sender: UserId,
    ) -> EventId:
        """Show a file of the homeserver's media in a room."""
        ...
